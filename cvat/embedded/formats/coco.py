"""CVAT's "COCO 1.0": boxes, polygons, ellipses and masks of a task as COCO instances. Boxes are xywh, in pixels.

Tags, points and lines have no place in it and are lost, as in CVAT. Format: https://cocodataset.org/#format-data
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import orjson

from cvat.embedded.formats.dataset import Dataset, DatasetFrame, LabelSpec, attribute_values

#: An ellipse is written as a polygon with this many corners.
_ELLIPSE_CORNERS = 72


def annotation_file(dataset: Dataset) -> tuple[str, bytes]:
    """Name and content of the file of annotations."""
    return f"annotations/instances_{dataset.subset}.json", orjson.dumps(to_coco(dataset))


def image_name(dataset: Dataset, frame: DatasetFrame) -> str:
    """Where an image lies in the archive."""
    return f"images/{dataset.subset}/{frame.name}"


def to_coco(dataset: Dataset) -> dict[str, Any]:
    """The annotations: categories are all labels, images all frames, both numbered from 1 in their order."""
    categories = {label_id: number for number, label_id in enumerate(dataset.labels, 1)}
    ids = count(1)
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {
            "contributor": "",
            "date_created": "",
            "description": "",
            "url": "",
            "version": "",
            "year": "",
        },
        "categories": [
            {"id": number, "name": dataset.labels[label_id].name, "supercategory": ""}
            for label_id, number in categories.items()
        ],
        "images": [_image(number, frame) for number, frame in enumerate(dataset.frames, 1)],
        "annotations": [
            {"id": next(ids), "image_id": number, "category_id": categories[shape["label_id"]], **told}
            for number, frame in enumerate(dataset.frames, 1)
            for shape in frame.shapes
            for told in _instance(shape, frame, dataset.labels[shape["label_id"]])
        ],
    }


def _image(number: int, frame: DatasetFrame) -> dict[str, Any]:
    return {
        "id": number,
        "width": frame.width,
        "height": frame.height,
        "file_name": frame.name,
        "license": 0,
        "flickr_url": "",
        "coco_url": "",
        "date_captured": 0,
    }


def _instance(shape: Mapping[str, Any], frame: DatasetFrame, label: LabelSpec) -> Iterator[dict[str, Any]]:
    geometry = _geometry(shape, frame)
    if geometry is None:
        return
    attributes: dict[str, Any] = {name: _typed(*value) for name, value in attribute_values(label, shape).items()}
    told = {**geometry, **({"score": attributes.pop("score")} if "score" in attributes else {})}
    attributes["occluded"] = shape["occluded"]
    if shape["type"] == "rectangle":
        attributes["rotation"] = shape["rotation"]
    yield {**told, "attributes": attributes}


def _geometry(shape: Mapping[str, Any], frame: DatasetFrame) -> dict[str, Any] | None:
    points = shape["points"]
    match shape["type"]:
        case "rectangle":
            left, top, right, bottom = points
            box = [left, top, right - left, bottom - top]
            return {"segmentation": [], "area": box[2] * box[3], "bbox": box, "iscrowd": 0}
        case "polygon":
            return _polygon(points)
        case "ellipse":
            return _polygon(ellipse_polygon(points, rotation=shape["rotation"]))
        case "mask":
            return _mask(points, frame)
    return None


def _polygon(points: Sequence[float]) -> dict[str, Any]:
    xs, ys = points[::2], points[1::2]
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    return {"segmentation": [list(points)], "area": polygon_area(points), "bbox": box, "iscrowd": 0}


def polygon_area(points: Sequence[float]) -> float:
    """The area of a polygon x, y, x, y, ... by the shoelace formula."""
    xs, ys = points[::2], points[1::2]
    following = zip([*xs[1:], xs[0]], [*ys[1:], ys[0]], strict=True)
    return abs(sum(x * y2 - x2 * y for x, y, (x2, y2) in zip(xs, ys, following, strict=True))) / 2


def ellipse_polygon(points: Sequence[float], *, rotation: float) -> list[float]:
    """An ellipse (middle, right edge, top edge; `rotation` in degrees, clockwise on the screen) as a polygon."""
    cx, cy, right, top = points
    turn = math.radians(rotation)
    corners = []
    for angle in (2 * math.pi * number / _ELLIPSE_CORNERS for number in range(_ELLIPSE_CORNERS)):
        x, y = (right - cx) * math.cos(angle), (cy - top) * math.sin(angle)
        corners += [
            cx + x * math.cos(turn) - y * math.sin(turn),
            cy + x * math.sin(turn) + y * math.cos(turn),
        ]
    return corners


def _mask(points: Sequence[float], frame: DatasetFrame) -> dict[str, Any]:
    """CVAT's mask (run lengths by row in a box, both corners included) as COCO's (by column in the image)."""
    import numpy as np

    *runs, left, top, right, bottom = (round(number) for number in points)
    width, height = right - left + 1, bottom - top + 1
    bits = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    image = np.zeros((frame.height, frame.width), dtype=bool)
    image[top : bottom + 1, left : right + 1] = bits.reshape(height, width)
    columns = image.ravel(order="F")
    changes = np.flatnonzero(columns[1:] != columns[:-1]) + 1
    counts = np.diff([0, *changes.tolist(), columns.size]).tolist()
    return {
        "segmentation": {
            "counts": [0, *counts] if columns[0] else counts,
            "size": [frame.height, frame.width],
        },
        "area": int(bits.sum()),
        "bbox": [left, top, width, height],
        "iscrowd": 1,
    }


def _typed(input_type: str, value: str) -> Any:
    if input_type == "checkbox":
        return value == "true"
    if input_type == "number":
        try:
            return float(value)
        except ValueError:
            return value
    return value
