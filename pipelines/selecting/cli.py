"""`carloop select` and `carloop simulate`: what people label next, and what that brings."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.dataset.options import NAME, PROJECT, find_project, options, seed
from pipelines.options import AS_JSON, HOME

if TYPE_CHECKING:
    from datasets.selecting.settings import SelectionSettings, StrategyName

_STRATEGIES: "list[StrategyName]" = [
    "mix", "random", "families", "uncertainty", "disagreement", "diversity", "rarity",
]  # fmt: skip


@click.command("select")
@click.argument("version_or_run")
@click.option("--budget", type=click.IntRange(min=1), required=True, help="How many images to choose.")
@click.option(
    "--strategy", type=click.Choice(_STRATEGIES), help="What images are chosen by [default: the project's, mix]."
)
@click.option("--labelled", multiple=True, help="A version whose images are labelled, too; may be repeated.")
@options(NAME, seed("Decides what is drawn at random, and ties."), PROJECT, HOME, AS_JSON)
def select_command(
    version_or_run: str,
    budget: int,
    strategy: "StrategyName | None",
    labelled: tuple[str, ...],
    name: str | None,
    seed: int,
    project_path: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Choose which images people label next, and say why of each.

    Looks at images that nobody has labelled of a dataset VERSION or of a RUN's folder, with the champions and
    challengers there: what they are undecided about, what they see differently, what is rare among labels, what is
    unlike anything labelled. A part is drawn at random, to compare with. What reviewers excluded is not chosen; what
    they rated well comes earlier. With --name the chosen images become a version that `carloop cvat push` takes. The
    same command again finds what it chose.
    """
    from rich.console import Console

    from pipelines.output import show, write_json
    from pipelines.progress import Progress
    from pipelines.selecting.choosing import select_images

    settings = _settings(project_path, strategy)
    result = select_images(
        version_or_run, home, settings, Progress(Console(stderr=True)),
        labelled=labelled, budget=budget, seed=seed, name=name,
    )  # fmt: skip
    if as_json:
        write_json(result)
        return
    shown = {"chosen": len(result["images"]), "of": result["waiting_images"], "page": result["page"]}
    show(shown, as_json=False, notes=[*_spelt(result), *result["notes"]])


def _strategies(context: click.Context, parameter: click.Parameter, text: str) -> "tuple[StrategyName, ...]":
    """Names with commas between them, each once."""
    names = tuple(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))
    if unknown := [name for name in names if name not in _STRATEGIES]:
        raise click.BadParameter(f"{unknown[0]!r} is unknown; choose among {', '.join(_STRATEGIES)}")
    if not names:
        raise click.BadParameter(f"name one or more of {', '.join(_STRATEGIES)}")
    return tuple(known for name in names for known in _STRATEGIES if known == name)


@click.command("simulate")
@click.option(
    "--truth", type=click.Path(path_type=Path), required=True, help="COCO folder with ground truth, to be replayed."
)
@click.option(
    "--strategies", callback=_strategies, default="random,mix", show_default=True, help="With commas between them."
)
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="How many seeds to play.")
@click.option("--rounds", type=click.IntRange(min=1), default=6, show_default=True, help="Rounds after the start.")
@click.option("--budget", type=click.IntRange(min=1), default=20, show_default=True, help="Images labelled per round.")
@click.option("--start", type=click.IntRange(min=1), default=20, show_default=True, help="Images labelled at first.")
@click.option(
    "--learner",
    type=click.Choice(["frozen", "detector"]),
    default="frozen",
    show_default=True,
    help="What learns: a linear head over features that stay (quick), or the project's detector, from scratch.",
)
@click.option(
    "--features",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Bundle whose model gives the frozen learner's features [default: hand-made ones].",
)
@options(PROJECT, HOME, AS_JSON)
def simulate_command(
    truth: Path,
    strategies: "tuple[StrategyName, ...]",
    seeds: int,
    rounds: int,
    budget: int,
    start: int,
    learner: str,
    features: Path | None,
    project_path: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Replay a labelled set round by round, and draw quality against labelled images.

    A part of the families is kept to test on. For each seed and strategy some images are labelled at first, then
    --budget more in each round, chosen by what the model of the round before says. Writes the label-value curve with
    intervals over seeds, how many labels each strategy saves against random choice, and whether one more round is worth
    its cost (selection: stop: in the project file). Killed or stopped, the same command goes on where it was; with more
    --rounds, --seeds or --strategies it plays on.
    """
    from rich.console import Console

    from pipelines.output import show, write_json
    from pipelines.progress import Progress
    from pipelines.project import Project, check_settings
    from pipelines.selecting.simulation import SimulationSettings, Wanted, simulate
    from pipelines.selecting.value_page import spell_strategy

    settings = check_settings(SimulationSettings, {"learner": learner, "seed_images": start, "budget": budget})
    told = simulate(
        find_project(project_path) or Project(), truth, home, settings, Wanted(strategies, seeds, rounds),
        Progress(Console(stderr=True)), features=features,
    )  # fmt: skip
    if as_json:
        write_json(told)
        return
    page = {"page": f"{told['folder']}/value.html", "metric": told["metric"]}
    notes = [spell_strategy(name, found) for name, found in told["strategies"].items()]
    show(page, as_json=False, notes=notes)


def _settings(project_path: Path | None, strategy: "StrategyName | None") -> "SelectionSettings":
    project = find_project(project_path)
    from datasets.selecting.settings import SelectionSettings

    settings = project.selection if project else SelectionSettings()
    return settings.model_copy(update={"strategy": strategy}) if strategy else settings


def _spelt(result: dict[str, Any]) -> list[str]:
    """The first few images, with their reasons."""
    return [f"{image['family']}  {image['reason']}" for image in result["images"][:10]]
