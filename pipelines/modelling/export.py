"""`carloop model export`: a model in another form, with how far its answers are from the trained model's."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.dataset.options import options
from pipelines.modelling.place import RUN, find_place
from pipelines.options import AS_JSON, HOME

if TYPE_CHECKING:
    from training.exporting.formats import Format

_FORMATS = ("onnx", "openvino", "openvino-int8", "torchscript", "tensorrt")


@click.command("export")
@click.argument("reference", metavar="MODEL")
@click.option("--format", "forms", type=click.Choice(_FORMATS), multiple=True, required=True, help="May be repeated.")
@click.option(
    "--on",
    "test_set",
    metavar="VERSION",
    help="Dataset version to measure the accuracy's difference on [default: the model's own test set, if any].",
)
@click.option(
    "--calibrate",
    multiple=True,
    metavar="PATH",
    help="Pictures to calibrate openvino-int8 on [default: training images of the model's dataset version].",
)
@click.option(
    "--images",
    multiple=True,
    metavar="PATH",
    help="Pictures to measure parity and speed on [default: those of the test set].",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="At most so many pictures to calibrate on, and to measure parity and speed on.",
)
@click.option(
    "--trust", metavar="SHA256", help="Digest of a .pt given as MODEL, which is unpickled in another process."
)
@options(RUN, HOME, AS_JSON)
def export(
    reference: str,
    forms: "tuple[Format, ...]",
    test_set: str | None,
    calibrate: tuple[str, ...],
    images: tuple[str, ...],
    most: int,
    trust: str | None,
    run: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Write a model in other forms: ONNX, OpenVINO (float32 or 8 bits), TorchScript, TensorRT.

    A MODEL is damage_detector@champion, damage_detector@3, or the folder of a bundle or training. Each export lies in
    a folder of its own beside the bundles; its manifest.json tells how its answers differ from the trained model's and
    how many images a second each takes.
    """
    from rich.console import Console

    from pipelines.modelling.exporting import export_model
    from pipelines.output import write_json
    from pipelines.progress import Progress

    place = find_place(home, run)
    told = [
        export_model(
            place,
            reference,
            form,
            test_set=test_set,
            calibrate=calibrate,
            images=images,
            most=most,
            trust=trust,
            progress=Progress(Console(stderr=True)),
        )
        for form in forms
    ]
    if as_json:
        write_json(told)
    else:
        _show(told)


def _show(exports: Sequence[dict[str, Any]]) -> None:
    from datasets.rights.tables import console, table

    rows = [
        (
            each["format"],
            _number(each.get("images_per_second", {}).get("export", {}).get("median"), ".1f"),
            _number(each.get("images_per_second", {}).get("trained", {}).get("median"), ".1f"),
            _number(each.get("parity", {}).get("agreement"), ".1%"),
            _number(each.get("parity", {}).get("max_box_difference"), ".2f"),
            _number(each.get("parity", {}).get("max_score_difference"), ".4f"),
            ", ".join(f"{name} {value:+.4f}" for name, value in each.get("accuracy", {}).get("difference", {}).items()),
            each["folder"],
        )
        for each in exports
    ]
    headings = ("format", "images/s", "trained", "agree", "box px", "score", "accuracy", "folder")
    console().print(table(exports[0]["model"], headings, rows, texts=1))


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
