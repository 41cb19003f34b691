"""CVAT's "COCO 1.0": boxes, polygons, ellipses and masks as COCO instances. Boxes are xywh, in pixels.

Shapes of one group are one instance, and ellipses are masks, as in CVAT. Tags, points, lines, cuboids and skeletons
have no place in it and are lost. Format: https://cocodataset.org/#format-data
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, groupby
from typing import Any

import orjson

from cvat.embedded.formats.dataset import Dataset, DatasetFrame, Seen, named_values
from cvat.embedded.labeled import Shape
from cvat.embedded.specs import LabelSpec
from datasets.geometry import clip_polygon, extent

_KINDS = ("rectangle", "polygon", "ellipse", "mask")
_DIGITS = 2


def annotation_files(dataset: Dataset) -> Iterator[tuple[str, bytes]]:
    """Name and content of the file of each subset."""
    for subset, frames in dataset.by_subset().items():
        yield f"annotations/instances_{subset}.json", orjson.dumps(to_coco(frames, dataset.labels))


def image_name(frame: DatasetFrame) -> str:
    """Where an image lies in the archive."""
    return f"images/{frame.subset}/{frame.file_name}"


def to_coco(frames: Sequence[DatasetFrame], labels: Mapping[int, LabelSpec]) -> dict[str, Any]:
    """Frames as COCO: categories are all labels, images all frames, both numbered from 1 in their order."""
    return {**header(frames, labels), "annotations": list(_annotations(frames, labels))}


def header(frames: Sequence[DatasetFrame], labels: Mapping[int, LabelSpec]) -> dict[str, Any]:
    """All of a COCO file but its annotations."""
    nobody = dict.fromkeys(("contributor", "date_created", "description", "url", "version", "year"), "")
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": nobody,
        "categories": [
            {"id": number, "name": label.name, "supercategory": ""} for number, label in enumerate(labels.values(), 1)
        ],
        "images": [_image(number, frame) for number, frame in enumerate(frames, 1)],
    }


def coco_attributes(seen: Seen, label: LabelSpec) -> dict[str, Any]:
    """The attributes of a shape as CVAT writes them, its own fields among them."""
    shape = seen.shape
    values = named_values(label, shape.attributes)
    kinds = {spec.name: spec.input_type for spec in label.attributes.values()}
    told: dict[str, Any] = {name: _typed(kinds[name], value) for name, value in values.items()}
    told["occluded"] = shape.occluded
    if shape.type == "rectangle":
        told["rotation"] = shape.rotation
    if seen.track is not None:
        told |= {"track_id": seen.track, "keyframe": seen.is_key}
    return told


def _typed(input_type: str, value: str) -> Any:
    """A value as the truth value or number that its attribute wants, where it is one."""
    if input_type == "checkbox":
        return value.lower() == "true"
    return _number(value) if input_type == "number" else value


def _number(value: str) -> float | str:
    try:
        number = float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value


def _image(number: int, frame: DatasetFrame) -> dict[str, Any]:
    return {
        "id": number,
        "width": frame.width,
        "height": frame.height,
        "file_name": frame.file_name,
        "license": 0,
        "flickr_url": "",
        "coco_url": "",
        "date_captured": 0,
    }


def _annotations(frames: Sequence[DatasetFrame], labels: Mapping[int, LabelSpec]) -> Iterator[dict[str, Any]]:
    categories = {label_id: number for number, label_id in enumerate(labels, 1)}
    ids = count(1)
    for number, frame in enumerate(frames, 1):
        for instance in _instances(frame.shapes):
            leader = max(instance, key=lambda seen: _box_area(seen.shape))
            attributes = coco_attributes(leader, labels[leader.shape.label_id])
            score = _number(str(attributes.get("score")))
            if isinstance(score, float):
                del attributes["score"]
            yield {
                "id": next(ids),
                "image_id": number,
                "category_id": categories[leader.shape.label_id],
                **_geometry([seen.shape for seen in instance], frame),
                **({"score": score} if isinstance(score, float) else {}),
                "attributes": attributes,
            }


def _instances(shapes: Iterable[Seen]) -> Iterator[list[Seen]]:
    """Shapes of a group together, the others alone."""
    kept = sorted((seen for seen in shapes if seen.shape.type in _KINDS), key=lambda seen: seen.shape.group or 0)
    for group, members in groupby(kept, key=lambda seen: seen.shape.group or 0):
        if group:
            yield list(members)
        else:
            yield from ([member] for member in members)


def _geometry(shapes: Sequence[Shape], frame: DatasetFrame) -> dict[str, Any]:
    polygons = [shape.points for shape in shapes if shape.type == "polygon"]
    if any(shape.type in ("mask", "ellipse") for shape in shapes):
        return _as_mask(shapes, frame)
    left, top, right, bottom = extent([value for shape in shapes for value in shape.points])
    area = _covered(polygons, frame).area if polygons else (right - left) * (bottom - top)
    return _told(polygons, area, (left, top, right - left, bottom - top), is_crowd=False)


def _as_mask(shapes: Sequence[Shape], frame: DatasetFrame) -> dict[str, Any]:
    import numpy as np

    from cvat.embedded.formats.masks import coco_rle, draw_ellipse, pixels_of

    size = {"height": frame.height, "width": frame.width}
    image = np.zeros((frame.height, frame.width), dtype=bool)
    for shape in shapes:
        if shape.type == "mask":
            image |= pixels_of(shape.points, **size)
        elif shape.type == "ellipse":
            image |= draw_ellipse(shape, **size)
        elif shape.type == "polygon":
            image |= _covered([shape.points], frame).pixels.astype(bool)
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return _told(coco_rle(image), 0, (0, 0, 0, 0), is_crowd=True)
    box = (columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
    return _told(coco_rle(image), int(image.sum()), [float(value) for value in box], is_crowd=True)


def _told(segmentation: Any, area: float, box: Sequence[float], *, is_crowd: bool) -> dict[str, Any]:
    rounded = [round(value, _DIGITS) for value in box]
    return {"segmentation": segmentation, "area": float(area), "bbox": rounded, "iscrowd": int(is_crowd)}


def _covered(polygons: Sequence[Sequence[float]], frame: DatasetFrame) -> Any:
    """The pixels that polygons cover, as a mask: its area is the one that COCO's own tools tell."""
    import numpy as np
    from pycocotools import mask

    from datasets.rle import Mask, parse_mask

    inside = [clip_polygon(tuple(points), frame.width, frame.height) for points in polygons]
    kept = [list(points) for points in inside if points]
    if not kept:
        return Mask(frame.height, frame.width, np.array([frame.height * frame.width]))
    merged = mask.merge(mask.frPyObjects(kept, frame.height, frame.width))
    return parse_mask({"size": list(merged["size"]), "counts": merged["counts"].decode()})


def _box_area(shape: Shape) -> float:
    if shape.type == "mask":
        return float(sum(shape.points[1:-4:2]))
    left, top, right, bottom = extent(shape.points)
    return (right - left) * (bottom - top)
