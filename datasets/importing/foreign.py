"""What any foreign dataset says, in plain records. Boxes are xywh; lengths are in the pixels that its author annotated.

Every reader makes these; one common step (`assemble`) makes our dataset of them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct
from pydantic import Field, field_validator

from datasets.coco import BboxXywh, Polygons, Provenance, Rle, Split
from datasets.importing.families import check_family_pattern
from datasets.taxonomy import Settings

Format = Literal["coco", "via", "yolo", "voc", "cvat", "folders", "mot", "masks"]
FORMATS: tuple[Format, ...] = ("coco", "via", "cvat", "yolo", "voc", "mot", "masks", "folders")


class ImportSettings(Settings):
    """How a foreign dataset is read.

    `name` is the source's; its folder's name unless given. `family` is a regular expression over file names whose first
    group (or whole match) names the photographs that belong on one side of a split. `unknown` says what happens to
    classes that the taxonomy lacks, `drop` lists classes to leave out in any case. `class_attribute` is the region
    attribute that holds the class (VIA). Licence, author and page are what the files do not say themselves.
    """

    format: Format | Literal["auto"] = "auto"
    name: str | None = Field(default=None, min_length=1)
    unknown: Literal["error", "drop", "keep"] = "error"
    drop: tuple[str, ...] = ()
    skip_bad_images: bool = False
    family: str | None = None
    class_attribute: str | None = None
    license: str | None = None
    author: str | None = None
    page_url: str | None = None

    _family_compiles = field_validator("family")(check_family_pattern)


class ForeignObject(Struct, frozen=True):
    """One object: a box, a segmentation, or both. `name` is its class's there.

    `is_outline_broken`: its file has a segmentation, and nothing of it can be read.
    """

    annotation_id: str
    name: str
    bbox_xywh: BboxXywh | None = None
    segmentation: Polygons | Rle = ()
    iscrowd: bool = False
    attributes: Mapping[str, str] = {}
    track_id: int | None = None
    score: float | None = None
    is_outline_broken: bool = False


class ForeignTag(Struct, frozen=True):
    """A class of the whole image."""

    name: str
    attributes: Mapping[str, str] = {}


class ForeignImage(Struct, frozen=True):
    """One image's file and what is said of it.

    `path` is None when the file is absent. `declared_size` is (width, height) as the annotation file has it: it tells
    which pixels the objects are in. `normalized`: they are fractions of the upright image's size instead. `lost` has
    the class, or None where there is no telling, of each object that could not be read. `searched` are the classes that
    were looked for on this image, None for all of its source's; of those in `unsure` not every object is told. `split`
    is what Carloop itself said alone: the splits of others tear families apart.
    """

    file_name: str
    path: Path | None
    declared_size: tuple[int, int] | None = None
    objects: tuple[ForeignObject, ...] = ()
    tags: tuple[ForeignTag, ...] = ()
    lost: tuple[str | None, ...] = ()
    searched: tuple[str, ...] | None = None
    unsure: tuple[str, ...] = ()
    family: str | None = None
    split: Split | None = None
    provenance: Provenance = Provenance()
    normalized: bool = False


class ForeignSource(Struct, frozen=True):
    """One file or folder that says something of images. `names` are all classes that it looked for."""

    name: str
    names: tuple[str, ...]
    images: tuple[ForeignImage, ...]
    notes: tuple[str, ...] = ()
