"""A prediction from paths to a folder of results; one that was killed goes on, a finished one is only told again.

predictions.csv    a row an object and a row a picture's likeliest class
cars.csv           a status a car with its reason, where both models were asked
summary.png        counts and scores as charts
sample_grid.png    some of the annotated pictures
individual/        annotated pictures
metadata.json      models, options, counts, what was skipped; written last
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from datasets.errors import BadDataset
from datasets.files import alone, digest, told_when_full, write_bytes, write_json
from pipelines.predict.drawing import draw_grid
from pipelines.predict.exports import Export, load
from pipelines.predict.journal import INDIVIDUAL, METADATA, Journal
from pipelines.predict.places import Source
from pipelines.predict.reading import Picture, Reading
from pipelines.predict.records import Seen
from pipelines.predict.results import Models, Options, Results
from pipelines.predict.samples import Drawer, choose_tiles
from pipelines.predict.seeing import DOUBT, see
from pipelines.predict.summary import draw_summary
from pipelines.predict.tables import cars_csv, predictions_csv
from pipelines.progress import Progress

T = TypeVar("T")
GRID = 16
_FORM = 1
"""Of the journal and of what is drawn: another one begins anew."""


def predict(
    sources: Sequence[Source], models: Models, out: Path, options: Options, progress: Progress
) -> dict[str, Any]:
    """Predict on all sources, write the folder, and tell what was found.

    Raises:
        BadInput: the folder holds something else.
        BadDataset: not one source can be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    with told_when_full(out), alone(out / "predictions"):
        journal = Journal(out, _key(models, options))
        reading = Reading(sources, options.every, journal.seen)
        known, started = len(journal.seen), time.monotonic()
        _see_all(reading, journal, models, options, out, progress)
        new, seconds = len(journal.seen) - known, time.monotonic() - started
        results = _results(reading, journal, models, options)
        with progress.step("write tables and charts"):
            _write(out, results, options)
    for name, reason in results.skipped.items():
        progress.say(f"    left out {name}: {reason}")
    return {
        **results.counts(),
        "skipped": len(results.skipped),
        "seen_now": new,
        "pictures_per_second": round(new / seconds, 1) if new else None,
        "out": str(out),
    }


def _key(models: Models, options: Options) -> str:
    """Of what decides the journal's lines and the drawn pictures."""
    decides = {name: value for name, value in asdict(options).items() if name != "batch"}
    return digest([_FORM, DOUBT, [bundle.digest for bundle in models.bundles], decides])


def _see_all(
    reading: Reading, journal: Journal, models: Models, options: Options, out: Path, progress: Progress
) -> None:
    drawer = Drawer(out / INDIVIDUAL, reading.sources, models.detected, options)
    title = f"look at {len(reading.sources)} files with {' and '.join(models.names.values())}"
    with progress.step(title, total=len(reading.sources)) as step:
        step.advance(to=len(journal.seen), of=max(len(reading.sources), len(journal.seen)))
        for several in _batches(_seen(reading, models, options), options.batch):
            journal.add([drawer.draw(picture, seen) for picture, seen in several])
            step.advance(to=len(journal.seen), of=max(len(reading.sources), len(journal.seen)))


def _seen(reading: Reading, models: Models, options: Options) -> Iterator[tuple[Picture, Seen]]:
    """What the models see in all that is new; they are loaded only if anything is."""
    pictures = reading.pictures()
    for first in pictures:
        predictors = [load(bundle) for bundle in models.bundles]
        yield from see(chain([first], pictures), predictors, threshold=options.threshold)


def _batches(several: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(several)
    while batch := list(islice(remaining, size)):
        yield batch


def _results(reading: Reading, journal: Journal, models: Models, options: Options) -> Results:
    pairs = [
        (source, journal.seen[key])
        for source in reading.sources
        for key in reading.keys.get(source, ())
        if key in journal.seen
    ]
    if not pairs:
        reason = next(iter(reading.skipped.values()), "there is none")
        raise BadDataset(f"none of {len(reading.sources)} files can be predicted on ({reason}); give other ones")
    return Results(pairs, reading.skipped, models, options.limits)


def _write(out: Path, results: Results, options: Options) -> None:
    write_bytes(out / "predictions.csv", predictions_csv(results.sources, results.models.names, results.limits))
    if results.verdicts is not None:
        write_bytes(out / "cars.csv", cars_csv(results.verdicts))
    seen = [each for _, each in results.sources]
    title = f"{' and '.join(results.models.names.values())} on {len(seen)} pictures"
    chart = draw_summary(title, seen, results.verdicts, results.models.detected, results.limits)
    write_bytes(out / "summary.png", chart)
    write_bytes(out / "sample_grid.png", draw_grid(choose_tiles(out / INDIVIDUAL, results, most=GRID)))
    write_json(out / METADATA, _metadata(results, options))


def _metadata(results: Results, options: Options) -> dict[str, Any]:
    return {
        "models": [
            {
                "name": bundle.name,
                "digest": bundle.digest,
                **({"format": bundle.form} if isinstance(bundle, Export) else {}),
                **bundle.spec.model_dump(mode="json", exclude={"files"}),
            }
            for bundle in results.models.bundles
        ],
        "options": asdict(options),
        "counts": results.counts(),
        "skipped": results.skipped,
    }
