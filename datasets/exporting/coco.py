"""COCO as pycocotools, FiftyOne, Torchvision and Carloop read it: `annotations.json`, and the images in `images/`.

It is Carloop's own annotations.json, with names of files relative to it, COCO's list of licences and `coco_url`. LVIS's
`neg_category_ids` and `not_exhaustive_category_ids` say what was not searched for.
Format: https://cocodataset.org/#format-data
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from datasets.coco import Annotation, Dataset, Image, make_dataset, to_records
from datasets.exporting.losses import is_mask, polygons_of
from datasets.exporting.names import export_name
from datasets.exporting.selection import Place, Selection
from datasets.exporting.settings import Written
from datasets.files import write_chunks
from datasets.records import ImageRecord

ANNOTATIONS = "annotations.json"
_CHUNK = 10_000


def write_coco_export(selection: Selection, folder: Path, place: Place) -> Written:
    """Fill a folder."""
    for image in selection.dataset.images:
        place(image, _file_name(image))
    write_chunks(folder / ANNOTATIONS, _encoded(renamed(selection.dataset)))
    return Written(len(selection.dataset.annotations))


def renamed(dataset: Dataset) -> Dataset:
    """The dataset as it is exported: file names relative to annotations.json, polygons that pycocotools can draw."""
    return make_dataset(
        dataset.taxonomy,
        (replace(image, file_name=_file_name(image)) for image in dataset.images),
        map(_drawable, dataset.annotations),
    )


def _file_name(image: Image) -> str:
    return f"images/{export_name(image)}"


def _drawable(annotation: Annotation) -> Annotation:
    """Without polygons of fewer than three corners: pycocotools takes four numbers for a box, and fails on two."""
    return annotation if is_mask(annotation) else replace(annotation, segmentation=polygons_of(annotation))


def _encoded(dataset: Dataset) -> Iterator[bytes]:
    records = to_records(dataset)
    names = sorted({image.source.license for image in dataset.images if image.source.license})
    license_ids = {name: number for number, name in enumerate(names, start=1)}
    licenses = [{"id": number, "name": name, "url": _url(name)} for name, number in license_ids.items()]
    yield b'{"info": {"description": "Carloop export"},\n"licenses": ' + msgspec.json.encode(licenses)
    yield b',\n"categories": ' + msgspec.json.encode(records.categories)
    yield from _array(b"images", [_image(image, license_ids) for image in records.images])
    yield from _array(b"annotations", records.annotations)
    yield b"}\n"


def _url(name: str) -> str:
    return name if name.startswith(("http://", "https://")) else ""


def _image(record: ImageRecord, license_ids: dict[str, int]) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(record)
    said = {"license": license_ids.get(record.source.license or ""), "coco_url": record.source.url}
    return fields | {name: value for name, value in said.items() if value is not None}


def _array(name: bytes, entries: list[Any]) -> Iterator[bytes]:
    yield b',\n"' + name + b'": [\n'
    for start in range(0, len(entries), _CHUNK):
        lines = msgspec.json.Encoder().encode_lines(entries[start : start + _CHUNK])[:-1]
        yield lines.replace(b"\n", b",\n") + (b",\n" if start + _CHUNK < len(entries) else b"\n")
    yield b"]"
