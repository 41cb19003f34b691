"""What was seen as CSV: a row an object or class, and a row a car. Boxes are xyxy: pixels of the upright picture."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipelines.predict.places import Source
from pipelines.predict.records import Seen
from pipelines.predict.verdicts import Verdict
from training.assessability import Limits, find_hindrance

PREDICTIONS = (
    "image", "frame", "sha256", "car", "kind", "class_name", "score", "left", "top", "right", "bottom",
    "width", "height", "model", "not_assessable", "light", "glare", "sharpness",
)  # fmt: skip
CARS = ("car", "status", "reason", "images")

Models = Mapping[str, str]
"""The name@version of the model of each task: `detector`, `classifier`."""


def predictions_csv(seen: Iterable[tuple[Source, Seen]], models: Models, limits: Limits) -> bytes:
    """A row for each sure object and each picture's likeliest class; a row without a class where nothing was seen."""
    return _csv(PREDICTIONS, (row for source, each in seen for row in _rows(source, each, models, limits)))


def cars_csv(verdicts: Sequence[Verdict]) -> bytes:
    return _csv(CARS, ([each.car, each.status, each.reason, each.images] for each in verdicts))


def _rows(source: Source, seen: Seen, models: Models, limits: Limits) -> Iterator[list[object]]:
    frame = "" if seen.frame is None else seen.frame
    where = [source.name, frame, seen.sha256, source.car]
    visibility = seen.visibility
    hindrance = find_hindrance(visibility, limits) or ""
    how = [hindrance, f"{visibility.light:.0f}", f"{visibility.glare:.4f}", f"{visibility.sharpness:.1f}"]
    size, detector = [seen.width, seen.height], models.get("detector", "")
    said: list[list[object]] = [
        ["object", found.class_name, f"{found.score:.4f}", *map("{:.1f}".format, found.bbox_xyxy), *size, detector]
        for found in seen.sure
    ]
    if seen.best_class:
        score = f"{seen.scores[seen.best_class]:.4f}"
        said.append(["tag", seen.best_class, score, "", "", "", "", *size, models["classifier"]])
    for cells in said or [["", "", "", "", "", "", "", *size, detector]]:
        yield [*where, *cells, *how]


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    target = io.StringIO(newline="")
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return target.getvalue().encode()
