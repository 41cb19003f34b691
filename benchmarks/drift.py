"""Whether drift is told between versions of a home, and how often it is told where there is none.

    carloop dataset import FOLDER --name NAME --home HOME      # one or more
    python -m benchmarks.drift NAME ... --home HOME [--partings 1000] [--seed 0] [--json]

Each version is compared with each one named before it, as the flow `drift` does by default, without a model. Then each
is parted into two halves of its cars at random, again and again: a drift between halves is a false alarm, and the part
of them is told with its 95 % interval (Wilson, 1927) as if partings of the same cars were independent.
"""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from datasets.errors import CarloopError
from pipelines.flows.drift_measures import Measured, by_family, compare_measures, measure_images, values_of
from pipelines.flows.settings import DriftSettings
from pipelines.options import AS_JSON, HOME
from pipelines.output import write_json
from pipelines.progress import Progress
from pipelines.selecting.handmade import handmade
from pipelines.shelf import Shelf

SETTINGS = DriftSettings()


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--partings", type=click.IntRange(min=1), default=1000, show_default=True, help="Of each version.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the partings.")
@HOME
@AS_JSON
def main(names: Sequence[str], partings: int, seed: int, home: Path, as_json: bool) -> None:
    """Compare versions of a home with each other, and halves of each."""
    progress = Progress(Console(stderr=True))
    try:
        measured = {name: _measure(Shelf(home), name, progress) for name in names}
    except CarloopError as error:
        raise click.ClickException(str(error)) from None
    told = {
        "apart": [
            {"new": new, "old": old, "differs_in": differences(measured[new], measured[old])}
            for old, new in combinations(names, 2)
        ],
        "within": {name: false_alarms(side, partings, seed) for name, side in measured.items()},
    }
    if as_json:
        write_json(told)
    else:
        Console().print(_table(told))


def _measure(shelf: Shelf, name: str, progress: Progress) -> Measured:
    images = shelf.read(name).live.images
    with progress.step(f"look at {name}", total=len(images)) as step:
        return measure_images(images, shelf.store.root, handmade, step.advance)


def differences(new: Measured, old: Measured) -> dict[str, float]:
    """The distances of the measures that have drifted."""
    names, values = values_of([new, old])
    now, before = (by_family(side.images, of) for side, of in zip((new, old), values, strict=True))
    return {row.measure: row.distance for row in compare_measures(names, now, before, SETTINGS) if row.has_drifted}


def false_alarms(side: Measured, partings: int, seed: int) -> dict[str, Any]:
    """In how many of the partings the halves of one version differ."""
    names, (values,) = values_of([side])
    families = by_family(side.images, values)
    generator, alarms = np.random.default_rng(seed), 0
    for _ in range(partings):
        one, other = np.array_split(families[generator.permutation(len(families))], 2)
        alarms += any(row.has_drifted for row in compare_measures(names, one, other, SETTINGS))
    low, high = binomtest(alarms, partings).proportion_ci(method="wilson")
    return {"cars": len(families), "alarms": alarms, "partings": partings, "interval": [low, high]}


def _table(told: dict[str, Any]) -> Table:
    table = Table("version", "against", "told")
    for one in told["apart"]:
        drifted = ", ".join(f"{measure} {distance:.2f}" for measure, distance in one["differs_in"].items())
        table.add_row(one["new"], one["old"], drifted or "no drift")
    for name, one in told["within"].items():
        share, (low, high) = one["alarms"] / one["partings"], one["interval"]
        table.add_row(name, f"halves of {one['cars']} cars", f"drift in {share:.1%} ({low:.1%} to {high:.1%})")
    return table


if __name__ == "__main__":
    main()
