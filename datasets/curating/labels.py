"""Labels in the form in which FiftyOne keeps them in MongoDB.

Its boxes are xywh and its points xy, both in parts of the upright image's sides, [0, 1]. The forms are those of
`fiftyone.core.labels`; making its objects one by one takes several times as long as storing them.
"""

import io
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from bson import ObjectId

from datasets.coco import Annotation, BboxXywh, Image, Rle, Tag
from datasets.curating.measures import confidence
from datasets.geometry import rotation_of
from datasets.ledger import FateRow
from datasets.rle import decode_mask
from datasets.taxonomy import Taxonomy

Document = dict[str, Any]
_ENCODER = msgspec.json.Encoder(enc_hook=float, order="deterministic")
_ID_BYTES = 12
RESERVED = frozenset(
    ("id", "tags", "attributes", "label", "bounding_box", "mask", "mask_path", "confidence", "index", "drawn_by")
)
"""Names that FiftyOne, or we, use in a label."""


@dataclass
class Ids:
    """Gives the labels of one image ids that their content decides, so that a reviewer's tags stay with them."""

    sha256: str
    _given: dict[bytes, int] = field(default_factory=dict)

    def of(self, *content: Any) -> ObjectId:
        """An id; equal labels of one field are told apart by their order."""
        key = _ENCODER.encode((self.sha256, content))
        number = self._given[key] = self._given.get(key, -1) + 1
        return ObjectId(blake2b(key + bytes([number % 256, number // 256]), digest_size=_ID_BYTES).digest())


def sample_id(sha256: str) -> ObjectId:
    """The id of an image's sample: the beginning of its hash."""
    return ObjectId(sha256[: 2 * _ID_BYTES])


def detections(name: str, annotations: Iterable[Annotation], image: Image, taxonomy: Taxonomy, ids: Ids) -> Document:
    """Boxes, with a mask where there is one; predictions have a confidence."""
    found = [_detection(name, annotation, image, taxonomy, ids) for annotation in annotations]
    return {"_cls": "Detections", "detections": found}


def _detection(name: str, annotation: Annotation, image: Image, taxonomy: Taxonomy, ids: Ids) -> Document:
    made: Document = {
        "_id": ids.of(name, annotation.category_id, annotation.bbox_xywh),
        "_cls": "Detection",
        "attributes": {},
        "tags": [],
        "label": taxonomy.name(annotation.category_id),
        "bounding_box": _relative(annotation.bbox_xywh, image),
        "drawn_by": annotation.source,
        **shown_attributes(annotation.attributes),
    }
    if annotation.score is not None:
        made["confidence"] = float(annotation.score)
    if isinstance(annotation.segmentation, Rle):
        made["mask"] = _mask(annotation.segmentation, annotation.bbox_xywh)
    return made


def shown_attributes(attributes: Mapping[str, str]) -> dict[str, str | float]:
    """An object's attributes that can be fields of a label; its rotation in degrees."""
    told: dict[str, str | float] = {k: v for k, v in attributes.items() if k.isidentifier() and k not in RESERVED}
    return {**told, "rotation": rotation_of(attributes)} if "rotation" in told else told


def _mask(segmentation: Rle, bbox_xywh: BboxXywh) -> bytes:
    """The pixels within the box, as FiftyOne packs an array."""
    x, y, width, height = (round(side) for side in bbox_xywh)
    pixels = decode_mask(segmentation).pixels[y : y + max(height, 1), x : x + max(width, 1)].astype(bool)
    buffer = io.BytesIO()
    np.save(buffer, pixels, allow_pickle=False)
    return zlib.compress(buffer.getvalue())


def polylines(name: str, annotations: Iterable[Annotation], image: Image, taxonomy: Taxonomy, ids: Ids) -> Document:
    """Outlines of the objects that were drawn with polygons."""
    found = [
        {
            "_id": ids.of(name, annotation.category_id, annotation.segmentation),
            "_cls": "Polyline",
            "attributes": {},
            "tags": [],
            "label": taxonomy.name(annotation.category_id),
            "points": [_points(polygon, image) for polygon in annotation.segmentation],
            "closed": True,
            "filled": True,
        }
        for annotation in annotations
        if annotation.segmentation and not isinstance(annotation.segmentation, Rle)
    ]
    return {"_cls": "Polylines", "polylines": found}


def _points(polygon: Sequence[float], image: Image) -> list[list[float]]:
    pairs = zip(polygon[::2], polygon[1::2], strict=True)
    return [[x / image.width, y / image.height] for x, y in pairs]


def classifications(name: str, tags: Iterable[Tag], taxonomy: Taxonomy, ids: Ids, *, scored: bool = False) -> Document:
    """Classes of the whole image; predicted ones have a confidence."""
    found = [
        {
            "_id": ids.of(name, tag.category_id),
            "_cls": "Classification",
            "tags": [],
            "label": taxonomy.name(tag.category_id),
            **({"confidence": confidence(tag)} if scored else {}),
        }
        for tag in tags
    ]
    return {"_cls": "Classifications", "classifications": found}


def prelabels(name: str, fates: Iterable[FateRow], image: Image, ids: Ids) -> Document:
    """Pre-labels that mark a part of the image, with what became of them."""
    found = [_prelabel(name, row, image, ids) for row in fates if row.fate.before and row.fate.before.bbox_xyxy]
    return {"_cls": "Detections", "detections": found}


def _prelabel(name: str, row: FateRow, image: Image, ids: Ids) -> Document:
    before = row.fate.before
    left, top, right, bottom = (before and before.bbox_xyxy) or (0.0, 0.0, 0.0, 0.0)
    box = (left, top, right - left, bottom - top)
    return {
        **_told(name, row, ids, box),
        "_cls": "Detection",
        "attributes": {},
        "bounding_box": _relative(box, image),
        "iou": row.fate.iou,
    }


def prelabelled_tags(name: str, fates: Iterable[FateRow], ids: Ids) -> Document:
    """Pre-labels of the whole image, with what became of them."""
    found = [
        {**_told(name, row, ids), "_cls": "Classification"}
        for row in fates
        if row.fate.before and not row.fate.before.bbox_xyxy
    ]
    return {"_cls": "Classifications", "classifications": found}


def _told(name: str, row: FateRow, ids: Ids, place: BboxXywh | None = None) -> Document:
    label, score = (row.fate.before.category, row.fate.before.score) if row.fate.before else (None, None)
    return {
        "_id": ids.of(name, row.model, label, place),
        "tags": [],
        "label": label,
        "confidence": None if score is None else float(score),
        "model": row.model,
        "verdict": row.fate.verdict,
        "became": row.fate.after.category if row.fate.after else None,
    }


def _relative(bbox_xywh: BboxXywh, image: Image) -> list[float]:
    x, y, width, height = bbox_xywh
    return [x / image.width, y / image.height, width / image.width, height / image.height]
