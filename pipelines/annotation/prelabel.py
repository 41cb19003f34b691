"""`carloop cvat prelabel`: what published models see, as pre-labels in jobs that nobody has begun."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from pipelines.annotation.options import PROJECT
from pipelines.dataset.options import options
from pipelines.options import AS_JSON, HOME

if TYPE_CHECKING:
    from datasets.ledger import Ledger
    from training.predicting.graphs import Precision
    from training.predictors import Classifier, Detector

BUNDLES = click.option(
    "--bundles",
    required=True,
    envvar="CARLOOP_BUNDLES",
    show_envvar=True,
    help="Folder of published models, or an address that fsspec reaches.",
)
MODEL = click.option(
    "--model",
    "models",
    type=click.Choice(["damage_detector", "cleanliness_classifier"]),
    multiple=True,
    help="A model to predict with; may be repeated [default: every one that is published].",
)


@click.command("prelabel")
@BUNDLES
@MODEL
@click.option("--task", "task_ids", type=int, multiple=True, help="Only this task; may be repeated.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="Least score [default: each model's own].")
@click.option(
    "--break-even",
    is_flag=True,
    help="Leave out, class by class, what cost more to correct than to draw: the ledger's break-even scores.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most this many jobs.")
@click.option(
    "--precision",
    type=click.Choice(["f32", "bf16", "auto"]),
    default="auto",
    show_default=True,
    help="What models compute in; auto is bf16 where the processor multiplies in it.",
)
@click.option("--fresh", is_flag=True, help="Predict again on jobs that the same models have pre-labelled.")
@click.option(
    "--via",
    type=click.Choice(["store", "cvat"]),
    default="store",
    show_default=True,
    help="Predict here on images of the store, or let CVAT ask its Nuclio functions frame by frame.",
)
@options(PROJECT, HOME, AS_JSON)
def prelabel_command(
    bundles: str,
    models: tuple[str, ...],
    task_ids: tuple[int, ...],
    threshold: float | None,
    break_even: bool,
    limit: int | None,
    precision: "Precision",
    fresh: bool,
    via: str,
    project_path: Path,
    home: Path,
    as_json: bool,
) -> None:
    """Write what published models see into jobs that nobody has begun.

    A rerun replaces a model's own untouched pre-labels and nothing else, and passes over jobs that the same models have
    done; stopped or killed, the same command goes on. Test frames and control jobs are never shown predictions. An
    image that cannot be predicted on is put into quarantine, with its reason, and the rest goes on.
    """
    from rich.console import Console

    from pipelines.annotation.desk import open_desk
    from pipelines.annotation.prelabelling import prelabel_project
    from pipelines.annotation.through_cvat import prelabel_through_cvat
    from pipelines.output import show
    from pipelines.progress import Progress

    with open_desk(project_path, home, Progress(Console(stderr=True))) as desk:
        if via == "cvat":
            told = prelabel_through_cvat(desk, models, task_ids=task_ids, threshold=threshold, limit=limit, fresh=fresh)
        else:
            predictors = _load(bundles, models, precision, desk.ledger if break_even else None)
            told = prelabel_project(desk, predictors, task_ids=task_ids, threshold=threshold, limit=limit, fresh=fresh)
    show(told, as_json=as_json, notes=[])


def _load(
    bundles: str, models: tuple[str, ...], precision: "Precision", ledger: "Ledger | None"
) -> "list[Detector | Classifier]":
    """Predictors of the models that are named, or of all that are published; with the ledger's thresholds, if any.

    Raises:
        NoPublishedModel: there is none.
    """
    from nuclio_functions.errors import NoPublishedModel
    from nuclio_functions.handler import open_store
    from pipelines.annotation.thresholds import with_break_even
    from training.bundle import ModelName
    from training.predictors import load_predictor

    store = open_store(bundles)
    wanted = models or get_args(ModelName)
    digests = {name: store.read_newest(name) for name in wanted}
    if absent := [name for name, digest in digests.items() if digest is None and (models or not any(digests.values()))]:
        raise NoPublishedModel(f"no {' and no '.join(absent)} is published in {bundles}; train and promote one first")
    found = [store.read(digest) for digest in digests.values() if digest]
    chosen = [with_break_even(bundle, ledger) for bundle in found] if ledger else found
    return [load_predictor(bundle, precision=precision) for bundle in chosen]
