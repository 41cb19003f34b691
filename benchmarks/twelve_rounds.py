"""Twelve rounds in a row on small data: memory, file handles, disk and time by round, and whether they grow.

    python -m benchmarks.twelve_rounds [--rounds 12] [--home .carloop/twelve-rounds] [--fresh] [--json]

At the end of each round every process of the loop is looked at: memory is what it alone has (USS, MiB), handles are its
open file descriptors. Disk is by folder of the run, in MiB; seconds are the round's own, by step, and processors' time
of all processes and trainings, which other work on the machine changes less. Interrupted, the same command goes on;
processes begin anew then, which the page tells. The figures go to docs/twelve_rounds.md, drawn in
docs/twelve_rounds.svg.
"""

import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import click
import psutil

from benchmarks.rounds_judged import Measured, judge
from benchmarks.rounds_page import draw, make_page
from benchmarks.small_loop import SmallLoop, parts_of
from datasets.files import read_json, write_bytes, write_json
from pipelines.output import write_json as print_json

PAGE = Path(__file__).parent.parent / "docs" / "twelve_rounds.md"
BUDGET = 4
_POLL_SECONDS = 0.2
_MIB = 2**20


@click.command()
@click.option("--rounds", type=click.IntRange(min=3), default=12, show_default=True, help="Rounds after the first.")
@click.option("--home", type=click.Path(path_type=Path), default=Path(".carloop/twelve-rounds"), show_default=True)
@click.option("--fresh", is_flag=True, help="Begin anew, as a changed program has to.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON on stdout; write no page.")
def main(rounds: int, home: Path, fresh: bool, as_json: bool) -> None:
    """Play many rounds in a row and tell what grows."""
    if fresh:
        shutil.rmtree(home, ignore_errors=True)
    measured = measure(home, rounds)
    judged = judge(measured)
    if as_json:
        print_json({"rounds": [row.model_dump() for row in measured], "growth": [one.told() for one in judged]})
    else:
        write_bytes(PAGE.with_suffix(".svg"), draw(measured))
        write_bytes(PAGE, make_page(measured, judged).encode())
    sys.exit(0 if all(one.holds for one in judged) else 1)


def measure(home: Path, rounds: int) -> list[Measured]:
    """Play the rounds that were not yet played, and what every round was measured at.

    Raises CalledProcessError when the loop fails; its log is beside the home.
    """
    loop = SmallLoop(home, cars=2 * (6 + BUDGET * rounds), rounds=rounds, budget=BUDGET, test_fraction=0.1)
    loop.prepare()
    rows = home / "measured"
    rows.mkdir(exist_ok=True)
    if not (rows / f"{rounds}.json").exists():
        _play(loop, rows)
    found = sorted(rows.glob("*.json"), key=lambda path: int(path.stem))
    return [Measured.model_validate(read_json(path)) for path in found]


def _play(loop: SmallLoop, rows: Path) -> None:
    start = 1 + max((read_json(path)["start"] for path in rows.glob("*.json")), default=0)
    command = loop.command(loop.folder / "loop")
    earlier = set(_finished(loop))  # of other processes
    with (loop.folder / "log").open("ab") as log, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log) as p:
        while p.poll() is None:
            for finished in set(_finished(loop)) - earlier:
                _note(finished, rows, psutil.Process(p.pid), start)
            time.sleep(_POLL_SECONDS)
    if p.returncode:
        raise subprocess.CalledProcessError(p.returncode, command)


def _finished(loop: SmallLoop) -> list[Path]:
    """The results of rounds that ended."""
    return list((loop.folder / "loop" / "runs").glob("*/rounds/*.json"))


def _note(finished: Path, rows: Path, process: psutil.Process, start: int) -> None:
    """Look at the processes when a round has just ended."""
    row = rows / finished.name
    if row.exists():
        return
    result = read_json(finished)
    measured = Measured(
        number=result["number"],
        start=start,
        labelled_images=result["labelled_images"],
        seconds=result["seconds"],
        processor_seconds=_processor_seconds(process),
        memory=_memory(process),
        handles=_handles(process),
        disk=_disk(finished.parent.parent),
    )
    write_json(row, measured.model_dump())


def _memory(process: psutil.Process) -> dict[str, float]:
    """MiB that each part has for itself."""
    return {part: sum(map(_own_mebibytes, members)) for part, members in parts_of(process).items()}


def _own_mebibytes(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        return round(process.memory_full_info().uss / _MIB, 1)
    return 0.0


def _handles(process: psutil.Process) -> dict[str, int]:
    return {part: sum(map(_descriptors, members)) for part, members in parts_of(process).items()}


def _descriptors(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.num_fds())
    return 0


def _processor_seconds(process: psutil.Process) -> float:
    """Of all processes since they began, and of those that they waited for."""
    members = [member for each in parts_of(process).values() for member in each]
    return round(sum(map(_time_of, members)), 1)


def _time_of(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _disk(run: Path) -> dict[str, float]:
    """MiB of each folder of a run, and of the files beside them."""
    sizes: dict[str, float] = {}
    for place in run.iterdir():
        name = place.name if place.is_dir() else "databases"
        sizes[name] = round(sizes.get(name, 0.0) + _bytes_under(place) / _MIB, 2)
    return sizes


def _bytes_under(place: Path) -> int:
    total = 0
    for path in [place, *place.rglob("*")]:
        with suppress(FileNotFoundError):  # files come and go while the next round runs
            total += path.stat().st_blocks * 512
    return total


if __name__ == "__main__":
    main()
