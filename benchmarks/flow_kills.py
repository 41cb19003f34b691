"""Kill a process of the loop at seeded moments, again and again, and compare the end with an undisturbed run's.

    python -m benchmarks.flow_kills [--kills 50] [--homes 5] [--seed 0] [--home .carloop/flow-kills] [--fresh] [--json]

Two rounds are played on a few rendered cars: one labelled from scratch, one with pre-labels. Every kill is a SIGKILL of
the flow, the embedded CVAT, the functions' host, FiftyOne's mongod or a training. Kills are spread over all of the two
rounds and dealt out to several homes; in each of them the command is run again until it ends by itself, so that it
meets what earlier kills left, too. Prefect's server runs beside them and still thinks that killed flows run.

What was found is kept, so an interrupted soak goes on. The figures are written to docs/flow_kills.md.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.killing import KILLED, WENT_ON, Kill, Struck, Told, draw_kills, play
from benchmarks.small_loop import SmallLoop, prefect_server
from benchmarks.state import only_run, read_state
from datasets.files import read_json, write_bytes, write_json
from pipelines.output import write_json as print_json
from pipelines.services import PREFECT_VARIABLE

PAGE = Path(__file__).parent.parent / "docs" / "flow_kills.md"
CARS, ROUNDS, BUDGET, TEST_FRACTION = 12, 1, 6, 0.3


@click.command()
@click.option("--kills", type=click.IntRange(min=1), default=50, show_default=True, help="How many processes to kill.")
@click.option(
    "--homes", type=click.IntRange(min=1), default=5, show_default=True, help="How many runs share the kills."
)
@click.option("--seed", default=0, show_default=True, help="Decides moments and victims.")
@click.option("--home", type=click.Path(path_type=Path), default=Path(".carloop/flow-kills"), show_default=True)
@click.option("--fresh", is_flag=True, help="Begin anew, as a changed program has to.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON on stdout; write no page.")
def main(kills: int, homes: int, seed: int, home: Path, fresh: bool, as_json: bool) -> None:
    """Kill the loop's processes at seeded moments, finish it, and compare its end with an undisturbed run's."""
    if fresh:
        shutil.rmtree(home, ignore_errors=True)
    loop = SmallLoop(home, cars=CARS, rounds=ROUNDS, budget=BUDGET, test_fraction=TEST_FRACTION)
    loop.prepare()
    with prefect_server(home / "prefect") as url:
        os.environ[PREFECT_VARIABLE] = url
        undisturbed = measure(loop)
        timeline = [Told(**told) for told in undisturbed["told"]]
        drawn = draw_kills(timeline, seconds=undisturbed["seconds"], count=kills, seed=seed)
        outcomes = []
        for number in range(homes):
            name = f"seed-{seed}-{kills}-{number}-of-{homes}"
            outcomes.append(kill_and_finish(loop, name, drawn[number::homes], undisturbed["state"]))
            click.echo(f"{name}: {len(outcomes[-1]['struck'])} kills, differing {outcomes[-1]['differing']}", err=True)
    if as_json:
        print_json({"seconds": undisturbed["seconds"], "homes": outcomes})
    else:
        write_bytes(PAGE, _page(undisturbed, outcomes, seed).encode())
    sys.exit(0 if all(_held(outcome) for outcome in outcomes) else 1)


def measure(loop: SmallLoop) -> dict[str, Any]:
    """An undisturbed run: its seconds, when it told what, and its end."""
    result = loop.folder / "undisturbed.json"
    if not result.exists():
        home = loop.folder / "undisturbed"
        shutil.rmtree(home, ignore_errors=True)  # one that was interrupted tells less
        run = play(loop.command(home), home.with_suffix(".log"), [])
        if run.code:
            raise SystemExit(f"the undisturbed run failed: {run.last_words}")
        state = read_state(only_run(home))
        write_json(result, {"seconds": run.seconds, "told": [asdict(told) for told in run.told], "state": state})
    found: dict[str, Any] = read_json(result)
    return found


def kill_and_finish(loop: SmallLoop, name: str, kills: Sequence[Kill], expected: Mapping[str, Any]) -> dict[str, Any]:
    """Let the kills of one home happen, run to the end, and compare. What was struck before an interruption is kept.

    A home that does not come to its end is told, and tried again by the next soak.
    """
    home = loop.folder / name
    result = home.with_suffix(".json")
    if result.exists():
        found: dict[str, Any] = read_json(result)
        return found
    struck, failure = _strike_all(loop, home, kills)
    state = {} if failure else read_state(only_run(home))
    outcome = {
        "struck": [asdict(one) for one in struck],
        "runs": 1 + sum(one.ending != WENT_ON for one in struck),
        "bugs": sorted({one.ending for one in struck if not _is_plain(one.ending)}),
        "failure": failure,
        "human_objects": _human_objects(state),
        "differing": [] if failure else [part for part in expected if state[part] != expected[part]],
    }
    if not failure:
        write_json(result, outcome)
    return outcome


def _strike_all(loop: SmallLoop, home: Path, kills: Sequence[Kill]) -> tuple[list[Struck], str]:
    """Run the command again until it ends by itself; who was struck, and how it failed if it did so unstruck."""
    so_far = home.with_suffix(".struck.json")
    struck = [Struck(**one) for one in read_json(so_far)] if so_far.exists() else []
    while True:
        run = play(loop.command(home), home.with_suffix(".log"), kills[len(struck) :])
        struck += run.struck
        write_json(so_far, [asdict(one) for one in struck])
        if run.code == 0:
            return struck, ""
        if not run.struck:
            return struck, run.last_words


def _is_plain(ending: str) -> bool:
    """Whether a command ended as one should whose part is killed: it went on, was killed itself, or told a sentence."""
    return ending in (WENT_ON, KILLED) or ending.startswith("carloop: ")


def _human_objects(state: Mapping[str, Any]) -> int:
    return sum(source == "manual" for *_, objects in state.get("tasks", ()) for *_, source in objects)


def _held(outcome: Mapping[str, Any]) -> bool:
    return not (outcome["failure"] or outcome["differing"] or outcome["bugs"])


def _page(undisturbed: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]], seed: int) -> str:
    struck = [(number, one) for number, outcome in enumerate(outcomes, 1) for one in outcome["struck"]]
    rows = [
        f"| {number} | {one['victim']} | {_cell(one['after'])} | {one['seconds']} s | {_cell(one['ending'])} |"
        for number, one in struck
    ]
    ends = [
        f"| {number} | {len(outcome['struck'])} | {outcome['runs']} | {outcome['human_objects']} | {_told(outcome)} |"
        for number, outcome in enumerate(outcomes, 1)
    ]
    human = _human_objects(undisturbed["state"])
    return f"""# Any process of the loop killed at any moment

`python -m benchmarks.flow_kills --seed {seed}`: {len(struck)} SIGKILLs over two rounds on a few rendered cars, in
{len(outcomes)} homes; in each the command is run again until it ends by itself. Then photographs, dataset versions,
every annotation of every CVAT task, the fates of all objects, registered model versions, aliases, what is served and
what FiftyOne holds are compared with an undisturbed run's, which took {undisturbed["seconds"]:.0f} s and left {human}
objects that people drew.

| home | kills | runs of the command | objects that people drew | same end |
|---|---|---|---|---|
{chr(10).join(ends)}

| home | killed | after it told | at second | what the command did |
|---|---|---|---|---|
{chr(10).join(rows)}
"""


def _cell(text: str) -> str:
    return text.partition(" (log: ")[0].replace("|", "/")


def _told(outcome: Mapping[str, Any]) -> str:
    if _held(outcome):
        return "yes"
    told = [*outcome["differing"], *outcome["bugs"], *filter(None, [outcome["failure"]])]
    return _cell(f"no: {', '.join(told)}")


if __name__ == "__main__":
    main()
