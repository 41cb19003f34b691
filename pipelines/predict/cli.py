"""`carloop predict`: what models see in pictures and videos, as tables, charts and annotated pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.dataset.options import options
from pipelines.modelling.place import RUN
from pipelines.options import AS_JSON, HOME

if TYPE_CHECKING:
    from pipelines.predict.places import CarOf
    from training.bundle import Bundle


@click.command("predict")
@click.option(
    "--checkpoint",
    "checkpoints",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="A bundle, an export, or the folder of a training or its run; a .pt with --trust. May be repeated.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME[@ALIAS|@VERSION]",
    help="A model of the home or run, as damage_detector@champion. May be repeated: a detector and a classifier.",
)
@click.option(
    "--images",
    "images",
    multiple=True,
    required=True,
    metavar="PATH…",
    help="Pictures, videos, folders of them, globs; several may follow.",
)
@click.argument("more_images", nargs=-1, metavar="")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for what is found."
)
@click.option("--threshold", type=click.FloatRange(0, 1), help="Least score of an object [default: each model's own].")
@click.option(
    "--max-samples", type=click.IntRange(min=0), help="Draw at most about this many annotated pictures [default: all]."
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Pictures after which what is done is kept, for when the command is killed.",
)
@click.option(
    "--every", type=click.IntRange(min=1), default=25, show_default=True, help="Of a video, every such frame counts."
)
@click.option(
    "--car",
    "car_of",
    type=click.Choice(["image", "folder", "family"]),
    default="image",
    show_default=True,
    help="What shows one car: each picture or video, each folder, or names with the same --family.",
)
@click.option("--family", "family_pattern", metavar="REGEX", help="The part of a file's name that tells the car.")
@click.option("--trust", metavar="SHA256", help="Digest of a --checkpoint that may be unpickled, in another process.")
@click.option(
    "--min-light",
    type=click.FloatRange(0, 255),
    default=50.0,
    show_default=True,
    help="A picture is too dark when 95 % of it has at most this grey value.",
)
@click.option(
    "--max-glare",
    type=click.FloatRange(0, 1),
    default=0.3,
    show_default=True,
    help="A picture has too much glare when more than this share of it is white.",
)
@click.option(
    "--min-sharpness",
    type=click.FloatRange(min=0),
    default=20.0,
    show_default=True,
    help="A picture is blurred when its sharpest tenth has less variance of the Laplacian, at 480 pixels.",
)
@options(HOME, RUN, AS_JSON)
def predict_command(
    checkpoints: tuple[Path, ...],
    models: tuple[str, ...],
    images: tuple[str, ...],
    more_images: tuple[str, ...],
    out: Path,
    threshold: float | None,
    max_samples: int | None,
    batch: int,
    every: int,
    car_of: "CarOf",
    family_pattern: str | None,
    trust: str | None,
    min_light: float,
    max_glare: float,
    min_sharpness: float,
    home: Path,
    run: Path | None,
    as_json: bool,
) -> None:
    """Tell what a detector, a classifier, or both see in pictures and videos.

    With both, each car gets a status: needs repair, wash, fine, or not assessable when its pictures are too dark, blown
    out or blurred, or when dirt leaves in doubt whether there is damage.

    Writes predictions.csv, cars.csv, summary.png, sample_grid.png, metadata.json and individual/. Files that cannot be
    read are told and left out. The same command goes on where it was stopped, and predicts only what is new.
    """
    from rich.console import Console

    from pipelines.output import show
    from pipelines.predict.places import find_sources
    from pipelines.predict.predict import predict
    from pipelines.predict.results import Models, Options
    from pipelines.progress import Progress
    from training.assessability import Limits

    if not checkpoints and not models:
        raise click.UsageError("give --model or --checkpoint")
    _check_family(car_of, family_pattern)
    chosen = Models(tuple(_open(checkpoints, models, home=home, run=run, trust=trust)))
    sources = find_sources([*images, *more_images], out=out, car_of=car_of, family_pattern=family_pattern)
    limits = Limits(min_light=min_light, max_glare=max_glare, min_sharpness=min_sharpness)
    settings = Options(threshold=threshold, max_samples=max_samples, batch=batch, every=every, limits=limits)
    show(predict(sources, chosen, out, settings, Progress(Console(stderr=True))), as_json=as_json)


def _check_family(car_of: str, family_pattern: str | None) -> None:
    from datasets.importing.families import check_family_pattern

    if (car_of == "family") != (family_pattern is not None):
        raise click.UsageError("--car family and --family REGEX belong together")
    try:
        check_family_pattern(family_pattern)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--family") from None


def _open(
    checkpoints: Sequence[Path], models: Sequence[str], *, home: Path, run: Path | None, trust: str | None
) -> "list[Bundle]":
    from pipelines.modelling.place import find_place
    from pipelines.modelling.references import find_bundle, open_any
    from pipelines.predict.exports import find_export

    place = find_place(home, run)
    opened = [find_export(path) or open_any(path, place, trust=trust) for path in checkpoints]
    return [*opened, *(find_bundle(place, model) for model in models)]
