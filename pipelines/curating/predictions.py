"""What a model says of a version's images, from a file: a COCO dataset of ours with scores, or COCO's results.

COCO's results are a list of `{"image_id", "category_id", "bbox", "score"}` that number images and classes as the
version does. `predictions.json` of an evaluation on the version is one.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from datasets.coco import Annotation, BboxXywh, Dataset, Image, from_records, make_dataset
from datasets.errors import BadDataset
from datasets.files import read_json
from datasets.records import CocoFile, read_records

_WANTED = (
    "wanted are a detector's COCO results, as predictions.json of carloop model evaluate --on VERSION has, or a COCO "
    "dataset with scores"
)


class _Result(Struct):
    """One of COCO's results; `bbox` is xywh in pixels, `score` in [0, 1]."""

    image_id: int
    category_id: int
    bbox: BboxXywh
    score: float


def read_predictions(path: Path, content: CocoFile, dataset: Dataset) -> Dataset:
    """Predictions on a version, which is given as it lies in its file too.

    Raises:
        BadDataset: the file is missing or broken, names an image or a class that the version lacks, or has a score or a
            box that cannot be.
    """
    told = _read(path)
    if isinstance(told, list):
        predicted = _from_results(path, told, content, dataset)
    else:
        predicted = _from_dataset(path, content, dataset)
    _require_possible(path, predicted, dataset.by_sha256)
    return predicted


def _read(path: Path) -> object:
    try:
        return read_json(path)
    except BadDataset as error:
        raise BadDataset(f"{error}; {_WANTED}") from None


def _from_dataset(path: Path, content: CocoFile, dataset: Dataset) -> Dataset:
    records = read_records(path)
    if records.categories != content.categories:
        named = [category.name for category in records.categories]
        raise BadDataset(f"{path} has the classes {named}, the version has others; predict on the version itself")
    return from_records(records, dataset.taxonomy)


def _from_results(path: Path, told: object, content: CocoFile, dataset: Dataset) -> Dataset:
    try:
        results = msgspec.convert(told, list[_Result])
    except msgspec.ValidationError as error:
        raise BadDataset(f"{path} holds no COCO results of a detector: {error}; {_WANTED}") from None
    sha256_of = {image.id: image.sha256 for image in content.images}
    classes = {category.id for category in content.categories}
    for result in results:
        if result.image_id not in sha256_of or result.category_id not in classes:
            told = f"image {result.image_id}, class {result.category_id}"
            raise BadDataset(f"{path} speaks of {told}, which the version lacks; predict on the version itself")
    images = [msgspec.structs.replace(image, tags=()) for image in dataset.images]
    annotations = [Annotation(sha256_of[r.image_id], r.category_id, r.bbox, score=r.score) for r in results]
    return make_dataset(dataset.taxonomy, images, annotations)


def _require_possible(path: Path, predicted: Dataset, images: Mapping[str, Image]) -> None:
    """Raises BadDataset when a score is out of [0, 1], or a box no part of its image."""
    for said in predicted.annotations:
        image = images.get(said.sha256)
        place = f"{path} has, on image {said.sha256[:16]},"
        if said.score is not None and not 0 <= said.score <= 1:
            raise BadDataset(f"{place} the score {said.score:g}, which is not from 0 to 1; predict again")
        if image and not _is_on(said.bbox_xywh, image):
            box = ", ".join(f"{number:g}" for number in said.bbox_xywh)
            raise BadDataset(
                f"{place} the box [{box}] (x, y, width, height), which is no part of its {image.width}x{image.height} "
                "pixels; predict on the version itself"
            )


def _is_on(bbox_xywh: BboxXywh, image: Image) -> bool:
    """Whether a box meets its image, over whose edges it may reach, and is at most twice as wide and high."""
    x, y, width, height = bbox_xywh
    is_met = x <= image.width and y <= image.height and x + width >= 0 and y + height >= 0
    return is_met and 0 <= width <= 2 * image.width and 0 <= height <= 2 * image.height
