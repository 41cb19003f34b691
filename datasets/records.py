"""What a dataset is made of, and how it lies in `annotations.json`. Boxes are xywh pixels of the upright image.

In memory an image is named by the SHA-256 of its bytes, so that datasets can be put together without renumbering; in a
file images and annotations have numbers. A file's geometry stays JSON text until somebody needs its numbers: a merge of
a million annotations carries most of them from file to file as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from datasets.collecting import no_cycle_collection
from datasets.errors import BadDataset
from datasets.files import read_json, write_chunks
from datasets.taxonomy import Taxonomy

BboxXywh = tuple[float, float, float, float]
Polygons = tuple[tuple[float, ...], ...]
Split = Literal["train", "test"]
AnnotationSource = Literal["manual", "auto", "semi-auto", "file"]
NO_SEGMENTATION = Raw(b"[]")
_LINES = 2000  # whose text fits into a processor's cache


class Provenance(Struct, frozen=True, gc=False):
    """Where an image came from; None is what nobody said."""

    page_url: str | None = None
    url: str | None = None
    author: str | None = None
    license: str | None = None
    retrieved_at: str | None = None
    robots: str | None = None


class Tag(Struct, frozen=True, gc=False):
    """A class of the whole image."""

    category_id: int
    attributes: Mapping[str, str] = {}


class View(Struct, frozen=True, omit_defaults=True, gc=False):
    """What one source says of an image: its atomic statement, from which a merge is made anew each time.

    `category_ids` are the classes that the source looked for: those it did not find are absent, others are unknown.
    `sha256` is the copy that it annotated, None for the image itself.
    """

    source: str
    file_name: str
    family: str
    split: Split | None = None
    category_ids: tuple[int, ...] = ()
    not_exhaustive_category_ids: tuple[int, ...] = ()
    tags: tuple[Tag, ...] = ()
    provenance: Provenance = Provenance()
    sha256: str | None = None


class Copy(Struct, frozen=True, gc=False):
    """The same picture in another size: its annotations were brought into the image's pixels."""

    sha256: str
    file_name: str
    width: int
    height: int


class Image(Struct, frozen=True, gc=False):
    """One photograph. `width` and `height` are those of the upright image, in pixels.

    `views` is empty where one unnamed source says all there is. `near` are the SHA-256 of images that show the same
    photograph otherwise (cropped, mirrored, altered); they share a family.
    """

    sha256: str
    file_name: str
    width: int
    height: int
    family: str
    split: Split | None = None
    source: Provenance = Provenance()
    tags: tuple[Tag, ...] = ()
    neg_category_ids: tuple[int, ...] = ()
    not_exhaustive_category_ids: tuple[int, ...] = ()
    views: tuple[View, ...] = ()
    copies: tuple[Copy, ...] = ()
    near: tuple[str, ...] = ()
    derived_from: str | None = None
    deleted: bool = False


class Rle(Struct, frozen=True, gc=False):
    """A mask as COCO's compressed run lengths; `size` is (height, width)."""

    size: tuple[int, int]
    counts: str


class Shape(Struct, frozen=True, omit_defaults=True, rename={"bbox_xywh": "bbox"}, gc=False):
    """An original as its source drew it, in the pixels of the image `sha256`."""

    sha256: str
    category_id: int
    bbox_xywh: BboxXywh
    area: float = 0.0
    segmentation: Polygons | Rle = ()
    iscrowd: bool = False
    attributes: Mapping[str, str] = {}
    score: float | None = None
    source: AnnotationSource = "manual"
    track_id: int | None = None


class Origin(Struct, frozen=True, omit_defaults=True, gc=False):
    """An atomic original: the source's name, its id there, the class's name there where it is another than ours.

    `shape` is how it was drawn, where that is not what the annotation shows.
    """

    source: str
    annotation_id: str
    name: str | None = None
    shape: Shape | None = None


class Annotation(Struct, frozen=True):
    """One object. `score` is a prediction's, in [0, 1]; `origins` are the originals that it came from.

    `segmentation` holds polygons (x1, y1, x2, y2, …, in pixels) or a mask; it is empty where there is only the box.
    """

    sha256: str
    category_id: int
    bbox_xywh: BboxXywh
    attributes: Mapping[str, str] = {}
    score: float | None = None
    source: AnnotationSource = "manual"
    origins: tuple[Origin, ...] = ()
    segmentation: Polygons | Rle = ()
    iscrowd: bool = False
    track_id: int | None = None


class ImageRecord(Image, frozen=True, kw_only=True, gc=False):
    """An image in a file, with its number there."""

    id: int


class AnnotationRecord(Struct, gc=False):
    """An annotation in a file, its geometry as JSON text. What a plain COCO file lacks may be absent."""

    id: int
    image_id: int
    category_id: int
    bbox: Raw
    area: float = 0.0
    iscrowd: int = 0
    segmentation: Raw = NO_SEGMENTATION
    source: AnnotationSource = "manual"
    origins: tuple[Origin, ...] = ()
    attributes: dict[str, str] | UnsetType = UNSET
    score: float | UnsetType = UNSET
    track_id: int | UnsetType = UNSET


class CategoryRecord(Struct, frozen=True):
    """A class in a file."""

    id: int
    name: str
    kind: str = "rectangle"


class CocoFile(Struct):
    """A whole `annotations.json`."""

    categories: list[CategoryRecord]
    images: list[ImageRecord]
    annotations: list[AnnotationRecord]


_BBOX_DECODER = msgspec.json.Decoder(BboxXywh)
_SEGMENTATION_DECODER = msgspec.json.Decoder(Polygons | Rle)
_DECODER = msgspec.json.Decoder(CocoFile)
_ENCODER = msgspec.json.Encoder()


def bbox_text(bbox_xywh: BboxXywh) -> Raw:
    """A box as JSON text."""
    return Raw(_ENCODER.encode(bbox_xywh))


def segmentation_text(segmentation: Polygons | Rle) -> Raw:
    """Polygons or a mask as JSON text."""
    return Raw(_ENCODER.encode(segmentation)) if segmentation else NO_SEGMENTATION


def parse_bbox(text: Raw) -> BboxXywh:
    """The box of a record. Raises ValueError when it is not four numbers."""
    bbox_xywh: BboxXywh = _BBOX_DECODER.decode(text)
    return bbox_xywh


def parse_segmentation(text: Raw) -> Polygons | Rle:
    """The polygons or the mask of a record. Raises ValueError when it is neither."""
    segmentation: Polygons | Rle = _SEGMENTATION_DECODER.decode(text)
    return segmentation


def category_records(taxonomy: Taxonomy) -> list[CategoryRecord]:
    return [CategoryRecord(number, c.name, c.kind) for number, c in enumerate(taxonomy.categories, start=1)]


def read_records(path: Path) -> CocoFile:
    """A file written by `write_records`, or any COCO file whose images have `sha256` and `family`.

    Raises:
        BadDataset: it is missing, broken or foreign.
    """
    try:
        with no_cycle_collection():
            return _DECODER.decode(path.read_bytes())
    except msgspec.ValidationError as error:
        raise BadDataset(f"{path} is not a Carloop dataset: {error}; import it first") from None
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        read_json(path)  # tells what is wrong, and where
        raise BadDataset(f"{path} cannot be read: {error}; mend the file or fetch it again") from None


def write_records(content: CocoFile, path: Path) -> None:
    """Write a COCO file, readable by pycocotools, one image or annotation a line."""
    write_chunks(path, encode_records(content))


def encode_records(content: CocoFile) -> Iterator[bytes]:
    """The file's text in pieces, so that it is never in memory as a whole."""
    yield b'{"info": {"description": "Carloop dataset"},\n"categories": ' + _ENCODER.encode(content.categories)
    yield from chain([b',\n"images": [\n'], _lines(content.images), [b'],\n"annotations": [\n'])
    yield from chain(_lines(content.annotations), [b"]}\n"])


def _lines(records: Sequence[Any]) -> Iterator[bytes]:
    for start in range(0, len(records), _LINES):
        lines = _ENCODER.encode_lines(records[start : start + _LINES])  # JSON holds no line breaks of its own
        end = b",\n" if start + _LINES < len(records) else b"\n"
        yield lines[:-1].replace(b"\n", b",\n") + end
