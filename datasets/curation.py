"""What reviewers see in FiftyOne: photographs by reference, labels, pre-labels and what became of them."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from datasets.coco import Annotation, BboxXywh, Dataset, Image
from datasets.errors import Unavailable
from datasets.labelled import BboxXyxy, LabelledObject
from datasets.ledger import FateRow
from datasets.store import ImageStore


@contextmanager
def open_fiftyone(mongodb_uri: str) -> Iterator[Any]:
    """The `fiftyone` module, connected to a running MongoDB for the block. A process can do this once.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    os.environ["FIFTYONE_DATABASE_URI"] = mongodb_uri
    os.environ.setdefault("FIFTYONE_DO_NOT_TRACK", "true")
    os.environ.setdefault("FIFTYONE_LOGGING_LEVEL", "ERROR")
    from pymongo.errors import PyMongoError

    try:
        import fiftyone as fo
        from fiftyone.core.odm import get_db_client

        client = get_db_client()
        client.admin.command("ping")
    except (PyMongoError, OSError, RuntimeError) as error:
        told = " ".join(str(error).split())[:200]
        raise Unavailable(
            f"FiftyOne's MongoDB does not answer: {told}; free some memory or disk, "
            "or name a running one in FIFTYONE_DATABASE_URI"
        ) from error
    try:
        yield fo
    finally:
        client.close()  # or FiftyOne looks for MongoDB when the process ends, half a minute long


def write_review(fo: Any, name: str, dataset: Dataset, fates: Iterable[FateRow], store: ImageStore) -> int:
    """Make FiftyOne's dataset `name` show exactly these photographs; returns how many there are.

    Fields: `sha256`, `family`, `license`, `page_url`, `ground_truth` (each box with who drew it), `prelabels` (each
    with its model, score and verdict), `whole_image` (its tags); the split is a FiftyOne tag.
    """
    by_image: dict[str, list[FateRow]] = defaultdict(list)
    for row in fates:
        by_image[row.sha256].append(row)
    samples = [_sample(fo, dataset, image, by_image[image.sha256], store) for image in dataset.images]
    review = fo.Dataset(name, persistent=True, overwrite=True)
    review.add_samples(samples, progress=False)
    return len(review)


def _sample(fo: Any, dataset: Dataset, image: Image, rows: Sequence[FateRow], store: ImageStore) -> Any:
    truth = [_detection(fo, dataset, image, a) for a in dataset.annotations_of.get(image.sha256, ())]
    prelabels = [
        _prelabel(fo, image, row, before, bbox_xyxy)
        for row in rows
        if (before := row.fate.before) and (bbox_xyxy := before.bbox_xyxy)
    ]
    return fo.Sample(
        filepath=str(store.path(image.file_name).absolute()),
        metadata=fo.ImageMetadata(width=image.width, height=image.height, num_channels=3),
        tags=[image.split] if image.split else [],
        sha256=image.sha256,
        family=image.family,
        license=image.source.license,
        page_url=image.source.page_url,
        ground_truth=fo.Detections(detections=truth),
        prelabels=fo.Detections(detections=prelabels),
        whole_image=fo.Classifications(
            classifications=[fo.Classification(label=dataset.taxonomy.name(tag.category_id)) for tag in image.tags]
        ),
    )


def _detection(fo: Any, dataset: Dataset, image: Image, annotation: Annotation) -> Any:
    return fo.Detection(
        label=dataset.taxonomy.name(annotation.category_id),
        bounding_box=_relative(annotation.bbox_xywh, image),
        drawn_by=annotation.source,
    )


def _prelabel(fo: Any, image: Image, row: FateRow, before: LabelledObject, bbox_xyxy: BboxXyxy) -> Any:
    left, top, right, bottom = bbox_xyxy
    return fo.Detection(
        label=before.category,
        bounding_box=_relative((left, top, right - left, bottom - top), image),
        confidence=before.score,
        model=row.model,
        verdict=row.fate.verdict,
        iou=row.fate.iou,
    )


def _relative(bbox_xywh: BboxXywh, image: Image) -> list[float]:
    """FiftyOne's boxes: xywh in parts of the image's sides, [0, 1]."""
    x, y, width, height = bbox_xywh
    return [x / image.width, y / image.height, width / image.width, height / image.height]
