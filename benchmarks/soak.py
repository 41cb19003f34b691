"""Kill the demo at seeded moments, run it again, and compare the end with an undisturbed run's.

    python -m benchmarks.soak [--kills 5] [--seed 0] [--home .carloop/soak] [--fresh]

Each kill is a SIGKILL of the command at a moment drawn from the undisturbed run's duration. What was found is kept in
the home, so an interrupted soak goes on; the last figures are written to docs/soak.md.
"""

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.state import only_run, read_state
from datasets.files import read_json, write_bytes, write_json

PAGE = Path(__file__).parent.parent / "docs" / "soak.md"


@click.command()
@click.option("--kills", type=click.IntRange(min=1), default=5, show_default=True, help="How many runs to kill.")
@click.option("--seed", default=0, show_default=True, help="Decides the moments.")
@click.option("--home", type=click.Path(path_type=Path), default=Path(".carloop/soak"), show_default=True)
@click.option("--fresh", is_flag=True, help="Begin anew, as a changed program has to.")
def main(kills: int, seed: int, home: Path, fresh: bool) -> None:
    """Kill the demo at seeded moments, finish it, and compare its end with an undisturbed run's."""
    if fresh:
        shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True, exist_ok=True)
    undisturbed = _measure(home / "undisturbed")
    moments = random.Random(seed)
    outcomes = []
    for number in range(kills):
        moment = round(moments.uniform(0.02, 0.98) * undisturbed["seconds"], 1)
        outcomes.append(_kill_and_finish(home / f"kill-{seed}-{number}", moment, undisturbed["state"]))
        click.echo(f"kill {number}: {outcomes[-1]}", err=True)
    write_bytes(PAGE, _page(undisturbed["seconds"], outcomes, seed).encode())
    sys.exit(0 if all(outcome["equal"] for outcome in outcomes) else 1)


def demo_command(home: Path) -> list[str]:
    return [sys.executable, "-m", "pipelines.cli", "demo", "--home", str(home), "--json"]


def run_to_the_end(command: Sequence[str], log: Path) -> float:
    """Seconds that the command took. Raises CalledProcessError when it failed."""
    started = time.monotonic()
    with log.open("ab") as output:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=output, check=True)
    return time.monotonic() - started


def run_and_kill(command: Sequence[str], log: Path, *, seconds: float) -> bool:
    """Whether the command was still running when it was killed after that many seconds."""
    with log.open("ab") as output, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=output) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return True
    return False


def _measure(home: Path) -> dict[str, Any]:
    result = home.with_suffix(".json")
    if not result.exists():
        seconds = run_to_the_end(demo_command(home), home.with_suffix(".log"))
        write_json(result, {"seconds": seconds, "state": read_state(only_run(home))})
    found: dict[str, Any] = read_json(result)
    return found


def _kill_and_finish(home: Path, moment: float, expected: dict[str, Any]) -> dict[str, Any]:
    result = home.with_suffix(".json")
    if not result.exists():
        log = home.with_suffix(".log")
        killed = run_and_kill(demo_command(home), log, seconds=moment)
        during = _last_words(log)
        seconds = run_to_the_end(demo_command(home), log)
        state = read_state(only_run(home))
        differing = [part for part in expected if state[part] != expected[part]]
        write_json(
            result,
            {
                "moment": moment,
                "killed": killed,
                "after": during,
                "seconds": round(seconds, 1),
                "tasks": len(state["tasks"]),
                "equal": not differing,
                "differing": differing,
            },
        )
    found: dict[str, Any] = read_json(result)
    return found


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text().splitlines() if line.strip()]
    return lines[-1] if lines else "the start"


def _page(seconds: float, outcomes: Sequence[dict[str, Any]], seed: int) -> str:
    rows = [f"| {o['moment']} s | {o['after']} | {o['seconds']} s | {o['tasks']} | {_told(o)} |" for o in outcomes]
    intro = f"""# Killed and run again

`python -m benchmarks.soak --seed {seed} --kills {len(outcomes)}`: the demo is SIGKILLed at seeded moments and run again
with the same command. Its end is compared with an undisturbed run's: photographs, dataset versions, every annotation of
every CVAT task, what became of pre-labels, model versions and what is served. The undisturbed run took {seconds:.0f} s.

| killed after | last step told | second run | CVAT tasks | same end |
|---|---|---|---|---|
"""
    return intro + "\n".join(rows) + "\n"


def _told(outcome: dict[str, Any]) -> str:
    if not outcome["killed"]:
        return "not killed: it had ended"
    return "yes" if outcome["equal"] else f"no: {', '.join(outcome['differing'])}"


if __name__ == "__main__":
    main()
