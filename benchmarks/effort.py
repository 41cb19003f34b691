"""Effort: corrections per image by round of the loop, by the ledger, with control jobs beside pre-labelled ones.

    python -m benchmarks.effort [--cars N] [--budget N] [--rounds N] [--home DIR] [--fresh] [--svg FILE] [--json]

Everything is pinned in effort.yaml: renderer, project, rounds, budget. Fewer cars, images or rounds may be asked for,
to try it out. `carloop loop run` plays the rounds on rendered cars; interrupted, the same command goes on.

Round 0 is the loop's: there are no models yet, so people draw every object of its photographs, and each object drawn
is a correction. From round 1 on most jobs are pre-labelled, and a share of them are controls, whose photographs are of
the same round but labelled from scratch. Corrections are objects, boxes and tags, that were moved, re-classed, deleted
or added; those of the test set, which round 0 labels too, don't count. Intervals (95 %) are by resampling jobs.

The target: corrections per image of the last round's pre-labelled jobs are at most a third of round 0's.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import yaml
from pydantic import Field

from benchmarks.effort_by_round import Effort, compare_rounds, draw, print_effort, read_rounds
from benchmarks.label_economy import Cars
from benchmarks.state import only_run
from datasets.errors import CarloopError
from datasets.files import digest, write_bytes
from datasets.rendering import write_rendered_cars
from datasets.taxonomy import Settings
from pipelines.errors import ServiceFailed
from pipelines.output import write_json
from pipelines.project import Project

PINNED = Path(__file__).with_suffix(".yaml")
_KEY_LENGTH = 12


class EffortSettings(Settings):
    """The content of effort.yaml."""

    cars: Cars
    rounds: int = Field(gt=0)
    budget: int = Field(gt=0)
    project: Project


@click.command()
@click.option("--cars", type=click.IntRange(min=1), help="How many cars [default: as pinned].")
@click.option("--budget", type=click.IntRange(min=1), help="Photographs a round [default: as pinned].")
@click.option("--seed-images", type=click.IntRange(min=1), help="Photographs of round 0 [default: as pinned].")
@click.option("--rounds", type=click.IntRange(min=1), help="Rounds after round 0 [default: as pinned].")
@click.option("--steps", type=click.IntRange(min=1), help="Most steps of a training [default: as pinned].")
@click.option("--home", type=click.Path(path_type=Path), default=Path(".carloop/effort"), show_default=True)
@click.option("--fresh", is_flag=True, help="Begin anew, as a changed program has to.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Draw it into this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON on stdout.")
def main(
    cars: int | None,
    budget: int | None,
    seed_images: int | None,
    rounds: int | None,
    steps: int | None,
    home: Path,
    fresh: bool,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Corrections per image by round; exit code 1 when those of the last are more than a third of the first's."""
    pinned = read_pinned()
    asked = {"cars.cars": cars, "budget": budget, "project.loop.seed_images": seed_images, "rounds": rounds}
    asked |= {f"project.training.{model}.max_steps": steps for model in ("detector", "classifier")}
    settings = changed(pinned, {place: value for place, value in asked.items() if value is not None})
    folder = folder_of(settings, home)
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        effort = play(settings, folder)
    except CarloopError as error:
        raise click.ClickException(str(error)) from None
    if svg:
        write_bytes(svg, draw(effort))
    if as_json:
        write_json({**effort.told(), "as_pinned": settings == pinned})
    else:
        print_effort(effort)
    sys.exit(0 if effort.holds else 1)


def read_pinned() -> EffortSettings:
    """What is pinned."""
    return EffortSettings.model_validate(yaml.safe_load(PINNED.read_text(encoding="utf-8")))


def changed(settings: EffortSettings, values: dict[str, int]) -> EffortSettings:
    """The same settings but for some, by their places with dots."""
    content = settings.model_dump(mode="json")
    for place, value in values.items():
        *way, name = place.split(".")
        inner = content
        for key in way:
            inner = inner[key]
        inner[name] = value
    return EffortSettings.model_validate(content)


def folder_of(settings: EffortSettings, home: Path) -> Path:
    """Where these are played; more rounds go on in the same place."""
    return home / digest(settings.model_dump(mode="json", exclude={"rounds"}))[:_KEY_LENGTH]


def play(settings: EffortSettings, folder: Path) -> Effort:
    """Play what was not yet played, and what the ledger says of it. Raises ServiceFailed when the loop fails."""
    cars = settings.cars
    folder.mkdir(parents=True, exist_ok=True)
    write_rendered_cars(folder / "cars", **cars.model_dump())
    project = settings.project.model_dump(mode="json")
    write_bytes(folder / "carloop.yaml", yaml.safe_dump(project, sort_keys=False).encode())
    _run(loop_command(folder, settings), folder / "log")
    return compare_rounds(read_rounds(only_run(folder / "loop"), rounds=settings.rounds))


def loop_command(folder: Path, settings: EffortSettings) -> list[str]:
    """What plays the rounds, or goes on with them; it tells alone what was played already."""
    options = ["--project", folder / "carloop.yaml", "--truth", folder / "cars", "--home", folder / "loop"]
    options += ["--rounds", settings.rounds, "--budget", settings.budget, "--json"]
    return [sys.executable, "-m", "pipelines.cli", "loop", "run", *map(str, options)]


def _run(command: Sequence[str], log: Path) -> None:
    with log.open("ab") as output:
        code = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=output, check=False).returncode
    if code:
        raise ServiceFailed(f"the loop ended with exit code {code}; its log is {log}")


if __name__ == "__main__":
    main()
