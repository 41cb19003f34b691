"""Label economy: how many labels the default selection needs to be as good as random choice is with all of its own.

    python -m benchmarks.label_economy [--home DIR] [--seeds N] [--rounds N] [--svg FILE] [--json]
    python -m benchmarks.label_economy --truth FOLDER --project FILE [--learner frozen] [--seed-images N] [--budget N]

On rendered cars everything is pinned in label_economy.yaml: renderer, first images, model, annotator, rounds, seeds.
Fewer seeds or rounds may be asked for, to try it out. With --truth it is a folder of real photographs, which the frozen
learner takes minutes for, and the detector hours. Either goes on where it was when it is run again.

The target is 50 %: labelled images until `mix` has reached what `random` ended with, as a share of random's.
"""

from pathlib import Path
from typing import Any, Literal

import click
import yaml
from pydantic import Field
from rich.console import Console

from datasets.errors import CarloopError
from datasets.files import write_bytes
from datasets.rendering import write_rendered_cars
from datasets.selecting.settings import StrategyName
from datasets.taxonomy import Settings
from pipelines.output import write_json
from pipelines.progress import Progress
from pipelines.project import Project, read_project
from pipelines.selecting.drawing import draw_curves
from pipelines.selecting.simulation import SimulationSettings, Wanted, simulate
from pipelines.selecting.value_page import spell_strategy

PINNED = Path(__file__).with_suffix(".yaml")
TARGET = 0.5


class Cars(Settings):
    """Arguments of the renderer."""

    cars: int = Field(gt=0)
    seed: int = Field(ge=0)
    size: int = Field(ge=64)


class LabelEconomy(Settings):
    """The content of label_economy.yaml."""

    cars: Cars
    annotator: Literal["exact"]
    strategies: tuple[StrategyName, ...]
    seeds: int = Field(gt=0)
    rounds: int = Field(gt=0)
    simulation: SimulationSettings
    project: Project


@click.command()
@click.option("--home", type=click.Path(path_type=Path), default=Path(".carloop/label-economy"), show_default=True)
@click.option("--truth", type=click.Path(path_type=Path), help="Real photographs in place of rendered cars.")
@click.option("--project", "project_path", type=click.Path(path_type=Path), help="Their project file.")
@click.option("--learner", type=click.Choice(["frozen", "detector"]), default="frozen", help="What learns from them.")
@click.option("--seed-images", type=click.IntRange(min=1), default=20, help="Labelled at first, with --truth.")
@click.option("--budget", type=click.IntRange(min=1), default=20, help="Labelled per round, with --truth.")
@click.option("--seeds", type=click.IntRange(min=1), help="How many seeds [default: as pinned].")
@click.option("--rounds", type=click.IntRange(min=1), help="How many rounds [default: as pinned].")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Draw the curves into this file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    home: Path,
    truth: Path | None,
    project_path: Path | None,
    learner: Literal["frozen", "detector"],
    seed_images: int,
    budget: int,
    seeds: int | None,
    rounds: int | None,
    svg: Path | None,
    as_json: bool,
) -> None:
    """The default selection against random choice, over seeds, with intervals."""
    pinned, progress = read_pinned(), Progress(Console(stderr=True))
    wanted = Wanted(pinned.strategies, seeds or pinned.seeds, rounds or pinned.rounds)
    try:
        if truth:
            project = read_project(project_path) if project_path else Project()
            settings = SimulationSettings(learner=learner, seed_images=seed_images, budget=budget)
        else:
            truth, project, settings = render(pinned, home, progress), pinned.project, pinned.simulation
        told = simulate(project, truth, home, settings, wanted, progress)
    except CarloopError as error:
        raise click.ClickException(str(error)) from None
    if svg:
        write_bytes(svg, draw_curves(told, "svg"))
    if as_json:
        write_json(told)
    else:
        tell(told)


def read_pinned() -> LabelEconomy:
    """What is pinned."""
    return LabelEconomy.model_validate(yaml.safe_load(PINNED.read_text(encoding="utf-8")))


def render(pinned: LabelEconomy, home: Path, progress: Progress) -> Path:
    """The folder of the pinned cars."""
    folder = home / "cars"
    home.mkdir(parents=True, exist_ok=True)
    with progress.step(f"render {pinned.cars.cars} cars"):
        write_rendered_cars(folder, **pinned.cars.model_dump())
    return folder


def tell(told: dict[str, Any]) -> None:
    """Finals, labels saved, and whether the target is met."""
    console = Console()
    for name, found in told["strategies"].items():
        console.print(spell_strategy(name, found), soft_wrap=True, highlight=False)
    needed = told["strategies"]["mix"]["labels_for_the_quality_of_random"]
    reached = needed["share"] and needed["share"]["of"] == len(needed["by_seed"])
    met = "met" if reached and needed["share"]["mean"] <= TARGET else "not met"
    console.print(f"the target of {TARGET:.0%} is {met}; curves: {told['folder']}/value.html", soft_wrap=True)


if __name__ == "__main__":
    main()
