"""The records of a COCO file as typed structures, with geometry left as the text it was.

A field that is wrong, and noted as such, is UNKNOWN (numbers), UNKNOWN_AREA, UNKNOWN_NAME or TOLD (a bbox).
"""

from dataclasses import dataclass
from typing import TypeVar

from msgspec import Raw, Struct

UNKNOWN = -(2**62)
MOST_ID = 2**61
NOTHING = Raw(b"")
TOLD = Raw(b"-")
UNKNOWN_AREA = float("-inf")
UNKNOWN_NAME = "\0unknown\0"  # compared by identity: a file may hold any text


class ImageRecord(Struct, gc=False):
    id: int
    file_name: str
    width: int
    height: int
    split: str | None = None


class AnnotationRecord(Struct, gc=False):
    """`area` is NaN where the file has none; `bbox` and `segmentation` are JSON, empty where the file has none."""

    id: int
    image_id: int
    category_id: int
    bbox: Raw = NOTHING
    segmentation: Raw = NOTHING
    area: float = float("nan")
    iscrowd: int = 0


class CategoryRecord(Struct, gc=False):
    id: int
    name: str


Record = TypeVar("Record", ImageRecord, AnnotationRecord, CategoryRecord)


@dataclass(frozen=True)
class Records:
    """The records of one file; each list has the file's own order and length.

    A field that is wrong, and noted as such, is UNKNOWN (numbers), UNKNOWN_AREA, UNKNOWN_NAME or TOLD (a bbox).
    """

    images: list[ImageRecord]
    annotations: list[AnnotationRecord]
    categories: list[CategoryRecord]
