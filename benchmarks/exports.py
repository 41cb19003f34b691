"""Each format of a run's champion beside the trained model: images a second, parity, and what it costs in accuracy.

Every run times every format once, and the trained network (torch, in a process of its own) once, in turns; the ratios
are taken within each run. Formats that this machine cannot make are told with their reason.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from pipelines.modelling.exporting import find_material
from pipelines.modelling.place import Place, find_place
from pipelines.modelling.references import Model, find_model
from training.errors import CannotExport
from training.exporting.export import Material, export_bundle, read_squares, run_trained
from training.exporting.formats import FORMATS, Format
from training.exporting.parity import measure_speed
from training.exporting.runners import open_export
from training.predicting.graphs import Runs
from training.predicting.pictures import Pixels

Figures = dict[str, Any]


@click.command()
@click.option(
    "--run", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True, help="A loop's run."
)
@click.option(
    "--model", "reference", default="damage_detector@champion", show_default=True, help="Which of its models."
)
@click.option("--on", "test_set", help="Dataset version to compare accuracy on [default: the model's own test set].")
@click.option("--images", "most", type=click.IntRange(min=1), default=100, show_default=True, help="To time with.")
@click.option("--repeat", type=click.IntRange(min=3), default=3, show_default=True, help="Runs, in turns.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(run: Path, reference: str, test_set: str | None, most: int, repeat: int, as_json: bool) -> None:
    """Time each export of a model beside the trained network."""
    place = find_place(run, run)
    model = find_model(place, reference)
    material = find_material(place, model, test_set, most=most)
    if material.trained is None:
        raise click.UsageError(f"{reference} has no trained weights to compare with")
    result = measure(place, model, material, material.trained, repeat)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))
        for form, reason in result["refused"].items():
            click.echo(f"{form}: {reason}")


def measure(place: Place, model: Model, material: Material, trained: Path, repeat: int) -> Figures:
    """Figures by format, and why others could not be made."""
    made, refused = export_all(place, model, material)
    squares = read_squares(material.images, model.bundle.spec.image_size)
    graphs = {form: open_export(form, model.bundle, Path(told["folder"])) for form, told in made.items()}
    rounds = [time_all(model, trained, graphs, squares) for _ in range(repeat)]
    return {
        "model": model.bundle.name,
        "images": len(squares),
        "runs": repeat,
        "trained_images_per_second": spread([each["trained"] for each in rounds]),
        "formats": {
            form: {
                "images_per_second": spread([each[form] for each in rounds]),
                "times_trained": spread([each[form] / each["trained"] for each in rounds]),
                "parity": told["parity"],
                "accuracy": told.get("accuracy"),
            }
            for form, told in made.items()
        },
        "refused": refused,
    }


def export_all(place: Place, model: Model, material: Material) -> tuple[dict[Format, Figures], dict[str, str]]:
    """The manifest of each format that can be made here, and the reason of the others."""
    made: dict[Format, Figures] = {}
    refused: dict[str, str] = {}
    for form in FORMATS:
        try:
            made[form] = export_bundle(model.bundle, form, place.bundles, material, tell=lambda _: None)
        except CannotExport as error:
            refused[form] = str(error)
    return made, refused


def time_all(model: Model, trained: Path, graphs: Mapping[Format, Runs], squares: Sequence[Pixels]) -> dict[str, float]:
    """Images a second of each, once."""
    rates: dict[str, float] = {form: measure_speed(graph, squares).median for form, graph in graphs.items()}
    return {**rates, "trained": median(run_trained(model.bundle, trained, squares)[1])}


def spread(values: Sequence[float]) -> list[float]:
    """Median, least and most."""
    return [round(value, 3) for value in (median(values), min(values), max(values))]


def table(result: Figures) -> Table:
    """A line for each format."""
    least = result["trained_images_per_second"]
    title = f"{result['model']}, {result['images']} images; trained {least[0]:.1f} images/s"
    shown = Table(title=title)
    for heading in ("format", "images/s", "times trained (spread)", "agree", "mAP50-95 or F1"):
        shown.add_column(heading, justify="left" if heading == "format" else "right")
    for form, figures in result["formats"].items():
        middle, low, high = figures["times_trained"]
        lost = (figures["accuracy"] or {}).get("difference", {})
        cost = next((f"{lost[name]:+.4f}" for name in ("map50_95", "macro_f1") if name in lost), "")
        rate = f"{figures['images_per_second'][0]:.1f}"
        shown.add_row(form, rate, f"{middle:.2f} ({low:.2f}–{high:.2f})", f"{figures['parity']['agreement']:.1%}", cost)
    return shown


if __name__ == "__main__":
    main()
