"""CVAT's "COCO Keypoints 1.0": skeletons, and nothing else. Format: https://cocodataset.org/#format-data"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import orjson

from cvat.embedded.formats.coco import coco_attributes, header
from cvat.embedded.formats.dataset import Dataset, DatasetFrame, Seen
from cvat.embedded.formats.yolo import ABSENT, visibility
from cvat.embedded.specs import LabelSpec
from datasets.geometry import extent

_DIGITS = 2
_EDGE = re.compile(r'data-node-from="(\d+)"[^>]*?data-node-to="(\d+)"')


def annotation_files(dataset: Dataset) -> Iterator[tuple[str, bytes]]:
    """Name and content of the file of each subset."""
    for subset, frames in dataset.by_subset().items():
        told = {**header(frames, dataset.labels), "annotations": list(_annotations(frames, dataset.labels))}
        for category, label in zip(told["categories"], dataset.labels.values(), strict=True):
            category["keypoints"] = [part.name for part in label.parts.values()]
            category["skeleton"] = [[int(a), int(b)] for a, b in _EDGE.findall(label.svg)]
        yield f"annotations/person_keypoints_{subset}.json", orjson.dumps(told)


def _annotations(frames: Sequence[DatasetFrame], labels: Mapping[int, LabelSpec]) -> Iterator[dict[str, Any]]:
    categories = {label_id: number for number, label_id in enumerate(labels, 1)}
    ids = count(1)
    for number, frame in enumerate(frames, 1):
        for seen in frame.shapes:
            if seen.shape.type == "skeleton" and any(not element.outside for element in seen.shape.elements):
                own = {"id": next(ids), "image_id": number, "category_id": categories[seen.shape.label_id]}
                yield {**own, **_instance(seen, labels[seen.shape.label_id])}


def _instance(seen: Seen, label: LabelSpec) -> dict[str, Any]:
    elements = {element.label_id: element for element in seen.shape.elements}
    points: list[float] = []
    for part_id in label.parts:
        element = elements.get(part_id)
        points += [*element.points[:2], visibility(element)] if element else [0.0, 0.0, ABSENT]
    visible = [value for element in seen.shape.elements if not element.outside for value in element.points]
    left, top, right, bottom = extent(visible)
    box = [round(value, _DIGITS) for value in (left, top, right - left, bottom - top)]
    return {
        "segmentation": [],
        "area": box[2] * box[3],
        "bbox": box,
        "iscrowd": 0,
        "keypoints": points,
        "num_keypoints": sum(state != ABSENT for state in points[2::3]),
        "attributes": coco_attributes(seen, label),
    }
