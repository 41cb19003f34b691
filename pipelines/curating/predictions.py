"""What a model says of a version's images, from a file: a COCO dataset of ours with scores, or COCO's results.

COCO's results are a list of `{"image_id", "category_id", "bbox", "score"}` that number images and classes as the
version does.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from datasets.coco import Annotation, BboxXywh, Dataset, from_records, make_dataset
from datasets.errors import BadDataset
from datasets.files import read_json
from datasets.records import CocoFile, read_records


class _Result(Struct):
    """One of COCO's results; `bbox` is xywh in pixels, `score` in [0, 1]."""

    image_id: int
    category_id: int
    bbox: BboxXywh
    score: float


def read_predictions(path: Path, content: CocoFile, dataset: Dataset) -> Dataset:
    """Predictions on a version, which is given as it lies in its file too.

    Raises:
        BadDataset: the file is missing or broken, or names an image or a class that the version lacks.
    """
    told = read_json(path)
    if isinstance(told, list):
        return _from_results(path, told, content, dataset)
    records = read_records(path)
    if records.categories != content.categories:
        named = [category.name for category in records.categories]
        raise BadDataset(f"{path} has the classes {named}, the version has others; predict on the version itself")
    return from_records(records, dataset.taxonomy)


def _from_results(path: Path, told: object, content: CocoFile, dataset: Dataset) -> Dataset:
    try:
        results = msgspec.convert(told, list[_Result])
    except msgspec.ValidationError as error:
        raise BadDataset(f"{path} holds no COCO results: {error}; predict again") from None
    sha256_of = {image.id: image.sha256 for image in content.images}
    classes = {category.id for category in content.categories}
    for result in results:
        if result.image_id not in sha256_of or result.category_id not in classes:
            told = f"image {result.image_id}, class {result.category_id}"
            raise BadDataset(f"{path} speaks of {told}, which the version lacks; predict on the version itself")
    images = [msgspec.structs.replace(image, tags=()) for image in dataset.images]
    annotations = [Annotation(sha256_of[r.image_id], r.category_id, r.bbox, score=r.score) for r in results]
    return make_dataset(dataset.taxonomy, images, annotations)
