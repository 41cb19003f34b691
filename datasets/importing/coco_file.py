"""A foreign COCO file as it stands: https://cocodataset.org/#format-data. One bad annotation costs only itself."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from datasets.errors import BadDataset
from datasets.importing.places import read_content, without_nan
from datasets.records import Provenance, Split

Id = int | str
NO_SEGMENTATION = Raw(b"[]")


class CocoCategory(Struct):
    """A class; `supercategory` is its parent's name, if it says one."""

    id: Id
    name: str
    supercategory: Any = None


class CocoTag(Struct):
    """A class of the whole image, as our own files have them."""

    category_id: Id
    attributes: dict[str, Any] = {}


class CocoImage(Struct):
    """A photograph; its size is in pixels of whichever way up the boxes are.

    The last three are Carloop's own; other files may have anything there.
    """

    id: Id
    file_name: Annotated[str, Meta(min_length=1)]
    width: float | None = None
    height: float | None = None
    license: Id | None = None
    family: str | None = None
    tags: list[CocoTag] = []
    neg_category_ids: list[Id] | None = None
    not_exhaustive_category_ids: list[Id] = []
    coco_url: str | None = None
    flickr_url: str | None = None
    sha256: Any = None
    split: Any = None
    source: Any = None


class CarloopImage(Struct):
    """What a file of Carloop's says of an image beyond COCO and LVIS, and this import keeps."""

    sha256: str
    split: Split | None
    source: Provenance


class CocoAnnotation(Struct):
    """One object; `segmentation` is JSON text."""

    image_id: Id
    category_id: Id
    id: Id | None = None
    bbox: list[float] | None = None
    segmentation: Raw = NO_SEGMENTATION
    iscrowd: int | bool = 0
    attributes: dict[str, Any] | None = None
    score: float | None = None
    track_id: Annotated[int, Meta(ge=-(2**31), lt=2**31)] | None = None


class CocoLicense(Struct):
    """A licence that images refer to by its id."""

    id: Id | None = None
    name: str | None = None
    url: str | None = None


class CocoInfo(Struct):
    """Who made the file."""

    contributor: Any = None


class _Head(Struct):
    images: list[CocoImage]
    categories: list[CocoCategory]
    licenses: list[CocoLicense] = []
    info: CocoInfo | None = None


class LostAnnotation(Struct):
    """What can be told of an annotation that cannot be read."""

    image_id: Id
    category_id: Id | None = None


class CocoFile(_Head):
    """A whole file; of the annotations that cannot be read, the problems and, where it says so, whose they are."""

    annotations: list[CocoAnnotation] = msgspec.field(default_factory=list)
    unreadable: tuple[str, ...] = ()
    lost: tuple[LostAnnotation, ...] = ()


class _Typed(_Head, kw_only=True):
    annotations: list[CocoAnnotation]


class _Untyped(_Head, kw_only=True):
    annotations: list[Raw]


_TYPED = msgspec.json.Decoder(_Typed)
_UNTYPED = msgspec.json.Decoder(_Untyped)
_LOST = msgspec.json.Decoder(LostAnnotation)
_ANNOTATION = msgspec.json.Decoder(CocoAnnotation, strict=False)  # numbers may be text


def read_coco_file(path: Path) -> CocoFile:
    """The file; `unreadable` says, as `place: problem`, what is wrong with each annotation that was left out.

    Raises:
        BadDataset: the file is missing, no JSON, or not COCO in other places than single annotations.
    """
    content = read_content(path)
    try:
        whole = _TYPED.decode(content)
        return CocoFile(whole.images, whole.categories, whole.licenses, whole.info, whole.annotations)
    except msgspec.ValidationError:
        return _decode_one_by_one(content, path)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_one_by_one(without_nan(content, path), path)


def _decode_one_by_one(content: bytes, path: Path) -> CocoFile:
    try:
        whole = _UNTYPED.decode(content)
    except msgspec.ValidationError as error:
        raise not_coco(path, [_problem(error, "")]) from None
    annotations, unreadable, lost = [], [], []
    for number, raw in enumerate(whole.annotations):
        try:
            annotations.append(_ANNOTATION.decode(raw))
        except msgspec.ValidationError as error:
            unreadable.append(_problem(error, f"annotations.{number}"))
            with suppress(msgspec.ValidationError):
                lost.append(_LOST.decode(raw))
    known = whole.images, whole.categories, whole.licenses, whole.info
    return CocoFile(*known, annotations, tuple(unreadable), tuple(lost))


def as_carloop(image: CocoImage) -> CarloopImage | None:
    """What Carloop said of an image; None in other files."""
    try:
        return msgspec.convert(image, CarloopImage, from_attributes=True)
    except msgspec.ValidationError:
        return None


def not_coco(path: Path, problems: list[str]) -> BadDataset:
    """The error for a file with these problems."""
    return BadDataset(f"{path} is not COCO: {problems[0]} ({len(problems)} such places); mend the file")


def _problem(error: msgspec.ValidationError, place: str) -> str:
    """msgspec's "… - at `$.images[0].id`" the way that we name places: "images.0.id: …"."""
    problem, _, inner = str(error).partition(" - at `$")
    inner = inner.rstrip("`").replace("[...]", "").replace("[", ".").replace("]", "")
    return f"{(place + inner).strip('.') or 'the top level'}: {problem}"
