"""`carloop cvat prelabel`: what published models see, as pre-labels in jobs that nobody has begun."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from pipelines.annotation.options import PROJECT
from pipelines.dataset.options import options
from pipelines.options import AS_JSON, HOME

if TYPE_CHECKING:
    from datasets.ledger import Ledger
    from pipelines.annotation.desk import Desk
    from pipelines.annotation.shadowing import Shadow
    from training.bundle import Bundle
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
    done; stopped or killed, the same command goes on. Test frames and control jobs are never shown predictions, and
    an image that has boxes, or tags, from a person or a file gets no more of them. An image that cannot be predicted
    on is put into quarantine, with its reason, and the rest goes on.

    With training: promotion: shadow_share: in the project file the home's challengers, where there are any, pre-label
    that share of the families in the champions' place; `carloop model shadow` tells whom people corrected less.
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
            champions = _published(bundles, models)
            seers = _Loading(precision, desk.ledger if break_even else None)
            told = prelabel_project(
                desk,
                seers.load(champions),
                shadow=_shadow(desk, home, champions, seers),
                task_ids=task_ids,
                threshold=threshold,
                limit=limit,
                fresh=fresh,
            )
    show(told, as_json=as_json, notes=[])


@dataclass(frozen=True)
class _Loading:
    """How models are opened: what they compute in, and the ledger whose break-even scores hold, if any."""

    precision: "Precision"
    ledger: "Ledger | None"

    def load(self, bundles: "Sequence[Bundle]") -> "list[Detector | Classifier]":
        from pipelines.annotation.thresholds import with_break_even
        from training.predictors import load_predictor

        chosen = [with_break_even(bundle, self.ledger) for bundle in bundles] if self.ledger else bundles
        return [load_predictor(bundle, precision=self.precision) for bundle in chosen]


def _published(bundles: str, models: tuple[str, ...]) -> "list[Bundle]":
    """The models that are named, or all that are published.

    Raises:
        NoPublishedModel: there is none.
    """
    from nuclio_functions.errors import NoPublishedModel
    from nuclio_functions.handler import open_store
    from training.bundle import ModelName

    store = open_store(bundles)
    wanted = models or get_args(ModelName)
    digests = {name: store.read_newest(name) for name in wanted}
    if absent := [name for name, digest in digests.items() if digest is None and (models or not any(digests.values()))]:
        raise NoPublishedModel(f"no {' and no '.join(absent)} is published in {bundles}; train and promote one first")
    return [store.read(digest) for digest in digests.values() if digest]


def _shadow(desk: "Desk", home: Path, champions: "Sequence[Bundle]", seers: _Loading) -> "Shadow | None":
    """The home's challengers of these champions on the project's share of families; None where there are none."""
    from pipelines.annotation.desk import shown_frames
    from pipelines.annotation.frames import read_families
    from pipelines.annotation.shadowing import Shadow, find_challengers, in_their_place
    from pipelines.modelling.place import find_place

    share, place = desk.project.training.promotion.shadow_share, find_place(home, None)
    if not share or not (place.root / "mlflow" / "mlflow.sqlite").exists():
        return None
    versions = [place.registry.challenger(bundle.spec.model) for bundle in champions]
    challengers = find_challengers(place.registry, place.bundles, versions, champions)
    if not challengers:
        return None
    predictors, shown = seers.load(in_their_place(champions, challengers)), shown_frames(desk.project, home)
    return Shadow(predictors, read_families(desk), share, shown.scope, shown)
