"""Every code: a way to spoil a sound dataset, found at its place, and mended where that is claimed."""

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO

from datasets.validation.codes import CODES
from datasets.validation.repair import repair_dataset
from datasets.validation.report import Report
from datasets.validation.validate import validate_dataset

Document = dict[str, Any]
Codes = Callable[[Report], dict[str, list[str]]]
Write = Callable[..., Path]


@dataclass(frozen=True)
class Case:
    """What spoils the document: a function that changes it or returns what to write. `name` tells cases apart."""

    code: str
    place: str
    spoil: Callable[[Document], Any]
    name: str = ""
    readable: bool = True
    pictures: dict[str, Any] = field(default_factory=dict)


def put(path: str, value: Any) -> Callable[[Document], None]:
    """Set `annotations.0.bbox` and the like."""

    def change(document: Document) -> None:
        *parents, last = path.split(".")
        place: Any = document
        for part in parents:
            place = place[int(part)] if part.isdigit() else place[part]
        place[int(last) if last.isdigit() else last] = value

    return change


def drop(path: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        section, number, key = path.split(".")
        del document[section][int(number)][key]

    return change


def add(section: str, **record: Any) -> Callable[[Document], None]:
    return lambda document: document[section].append(record)


def all_of(*changes: Callable[[Document], Any]) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        for each in changes:
            each(document)

    return change


def text(old: str, new: str) -> Callable[[Document], str]:
    return lambda document: json.dumps(document).replace(old, new)


BBOX, SHAPE, AREA = "annotations.0.bbox", "annotations.1.segmentation", "annotations.0.area"
BOX = {"image_id": 2, "category_id": 2, "bbox": [1, 1, 4, 4], "area": 16}
DUPLICATE = dict(id=9, image_id=1, category_id=1, bbox=[10.0, 12, 20.5, 8], area=164, by="somebody")

CASES = (
    Case("json-empty", "", lambda _: b" \n", readable=False),
    Case("json-broken", "", lambda _: b'{"images": [}', readable=False),
    Case("json-cut-short", "", lambda document: json.dumps(document)[:-40], readable=False),
    Case("json-too-deep", "", lambda _: '{"x": ' + "[" * 9000 + "]" * 9000 + "}", readable=False),
    Case("json-encoding", "", lambda document: json.dumps(document).encode("utf-16"), "UTF-16"),
    Case("json-encoding", "", lambda document: json.dumps(document).encode("utf-16-be"), "without a mark"),
    Case("json-encoding", "", lambda document: b"\xef\xbb\xbf" + json.dumps(document).encode(), "with a mark"),
    Case(
        "json-encoding", "", lambda document: json.dumps(document).replace("dent", "D\xe9").encode("latin-1"), "Latin-1"
    ),
    Case("json-nan", "", text("20.5", "NaN")),
    Case("json-nan", "", text("2026", "1e999"), "too large"),
    Case("json-nan", "", text("2026", "1" * 5000), "thousands of digits"),
    Case("json-duplicate-key", "", text('"bbox": [10', '"bbox": null, "bbox": [10')),
    Case("json-duplicate-key", "", text('"annotations"', '"annotations": [], "annotations"'), "top level"),
    Case("json-lone-surrogate", "", put("images.0.family", "\ud800")),
    Case("not-coco", "", lambda _: "[]", "a list", readable=False),
    Case("not-coco", "", put("images", {"1": {}}), "images as an object", readable=False),
    Case("missing-section", "", lambda document: document.pop("annotations") and None),
    Case("wrong-record", "annotations[3]", lambda document: document["annotations"].append(7)),
    Case("wrong-record", "images[2]", lambda document: document["images"].append(None), "an image"),
    Case("bad-id", "annotations[0]", drop("annotations.0.id"), "absent"),
    Case("bad-id", "images[1]", put("images.1.id", [2]), "a list"),
    Case("bad-id", "images[0]", all_of(put("images.0.id", "1"), put("annotations.0.image_id", "1")), "a text"),
    Case("bad-id", "categories[0]", put("categories.0.id", 2**70), "huge"),
    Case("bad-reference", "annotations[0]", put("annotations.0.image_id", "1"), "a text"),
    Case("bad-reference", "annotations[0]", put("annotations.0.category_id", {}), "an object"),
    Case("duplicate-image-id", "images[2]", add("images", id=2, file_name="8_rear.jpg", width=64, height=48)),
    Case("ambiguous-image-id", "images[1]", put("images.1.id", 1)),
    Case("duplicate-annotation-id", "annotations[1]", put("annotations.1.id", 1)),
    Case("duplicate-category-id", "categories[2]", add("categories", id=2, name="scratch")),
    Case("ambiguous-category-id", "categories[1]", put("categories.1.id", 1)),
    Case("dangling-image-id", "annotations[0]", put("annotations.0.image_id", 99)),
    Case("dangling-category-id", "annotations[0]", put("annotations.0.category_id", 99)),
    Case("image-without-annotations", "images[2]", add("images", id=3, file_name="9.jpg", width=64, height=48)),
    Case("duplicate-annotation", "annotations[3]", add("annotations", **DUPLICATE)),
    Case("bad-category-name", "categories[0]", put("categories.0.name", None)),
    Case("bad-category-name", "categories[0]", put("categories.0.name", " "), "blank"),
    Case("duplicate-category-name", "categories[1]", put("categories.1.name", "dent")),
    Case("unused-category", "categories[2]", add("categories", id=3, name="rust")),
    Case("zero-category-id", "categories[0]", all_of(put("categories.0.id", 0), put("annotations.0.category_id", 0))),
    Case(
        "too-many-categories",
        "",
        lambda document: document["categories"].extend({"id": n, "name": str(n)} for n in range(9, 20_010)),
    ),
    Case("bad-file-name", "images[0]", put("images.0.file_name", 7)),
    Case("bad-file-name", "images[0]", put("images.0.file_name", ""), "empty"),
    Case("backslash-file-name", "images[0]", put("images.0.file_name", "images\\7_front.jpg")),
    Case("unsafe-file-name", "images[0]", put("images.0.file_name", "../set/7_front.jpg"), "up"),
    Case("unsafe-file-name", "images[0]", put("images.0.file_name", "a\\..\\..\\b.jpg"), "up as on Windows"),
    Case("unsafe-file-name", "images[0]", put("images.0.file_name", "/etc/passwd"), "absolute"),
    Case("unsafe-file-name", "images[0]", put("images.0.file_name", "C:\\x.jpg"), "a drive"),
    Case("unsafe-file-name", "images[0]", put("images.0.file_name", "\0"), "a control character"),
    Case("duplicate-file-name", "images[1]", put("images.1.file_name", "7_front.jpg")),
    Case("bad-bbox", "annotations[0]", put(BBOX, None), "null"),
    Case("bad-bbox", "annotations[0]", drop("annotations.0.bbox"), "absent"),
    Case("bad-bbox", "annotations[0]", put(BBOX, [1, 2, 3]), "three numbers"),
    Case("bad-bbox", "annotations[0]", put(BBOX, [1, 2, [3], 4]), "nested"),
    Case("bad-bbox", "annotations[0]", put(BBOX, ["10", "12", "20.5", "8"]), "texts"),
    Case("bad-bbox", "annotations[0]", put(BBOX, [True, 1, 2, 3]), "a boolean"),
    Case("bbox-not-finite", "annotations[0]", put(BBOX, [1e300, 1, 2, 3])),
    Case("bbox-negative", "annotations[0]", put(BBOX, [20, 12, -5, 8])),
    Case("bbox-empty", "annotations[0]", put(BBOX, [20, 12, 0, 8])),
    Case("bbox-tiny", "annotations[0]", put(BBOX, [0.1, 0.1, 0.2, 0.2])),
    Case("bbox-outside", "annotations[0]", put(BBOX, [64, 12, 5, 8])),
    Case("bbox-partly-outside", "annotations[0]", put(BBOX, [-4, 12, 24, 8])),
    Case("bbox-off-shape", "annotations[1]", put("annotations.1.bbox", [4, 4, 34, 30])),
    Case("missing-area", "annotations[0]", drop("annotations.0.area")),
    Case("bad-area", "annotations[0]", put(AREA, "164"), "a text"),
    Case("bad-area", "annotations[0]", put(AREA, -1), "negative"),
    Case("area-mismatch", "annotations[0]", put(AREA, 1000), "of a box"),
    Case("area-mismatch", "annotations[1]", put("annotations.1.area", 9), "of a polygon"),
    Case("area-mismatch", "annotations[2]", put("annotations.2.area", 9), "of a mask"),
    Case("bad-iscrowd", "annotations[0]", put("annotations.0.iscrowd", 2)),
    Case("bad-iscrowd", "annotations[1]", put("annotations.1.iscrowd", False), "a boolean"),
    Case("crowd-with-polygons", "annotations[1]", put("annotations.1.iscrowd", 1)),
    Case("rle-not-crowd", "annotations[2]", put("annotations.2.iscrowd", 0)),
    Case("bad-segmentation", "annotations[1]", put(SHAPE, "polygon"), "a text"),
    Case("bad-segmentation", "annotations[1]", put(SHAPE, None), "null"),
    Case("bad-segmentation", "annotations[1]", put(SHAPE, [4, 4, 44, 4, 44, 34]), "flat"),
    Case("bad-segmentation", "annotations[1]", put(SHAPE, [[4, 4, 44, 4, 44, 34], {}]), "an object among polygons"),
    Case("polygon-too-short", "annotations[1]", put(SHAPE, [[4, 4, 44, 34]])),
    Case("polygon-too-short", "annotations[1]", put(SHAPE, [[]]), "no numbers"),
    Case("polygon-odd", "annotations[1]", put(SHAPE, [[4, 4, 44, 4, 44, 34, 4]])),
    Case("polygon-not-finite", "annotations[1]", put(SHAPE, [[4, 4, 44, 4, 1e300, 34]])),
    Case("polygon-outside", "annotations[1]", put(SHAPE, [[4, 4, 44, 4, 44, 60, 4, 34]])),
    Case("rle-broken", "annotations[2]", put("annotations.2.segmentation.counts", "~~~"), "a text"),
    Case("rle-broken", "annotations[2]", put("annotations.2.segmentation.counts", [0, 5]), "too few pixels"),
    Case("rle-broken", "annotations[2]", put("annotations.2.segmentation.counts", None), "null"),
    Case("rle-size", "annotations[2]", put("annotations.2.segmentation.size", [64, 48])),
    Case("bad-size", "images[0]", put("images.0.width", 0)),
    Case("bad-size", "images[0]", put("images.0.width", "64"), "a text"),
    Case("missing-image-file", "images[0]", lambda _: None, pictures={"7_front.jpg": None}),
    Case("unreadable-image", "images[0]", lambda _: None, "cut short", pictures={"7_front.jpg": "cut"}),
    Case("unreadable-image", "images[0]", lambda _: None, "no image", pictures={"7_front.jpg": b"<html>"}),
    Case("image-bomb", "images[0]", lambda _: None, pictures={"7_front.jpg": "bomb"}),
    Case("symlink-outside", "images[0]", lambda _: None, pictures={"7_front.jpg": "link"}),
    Case("size-mismatch", "images[0]", put("images.0.width", 640)),
    Case("exif-raw-pixels", "images[0]", lambda _: None, pictures={"7_front.jpg": "rotated"}),
    Case("exif-ambiguous", "images[0]", lambda _: None, pictures={"7_front.jpg": "mirrored"}),
    Case("same-bytes", "images[1]", lambda _: None, pictures={"8_rear.jpg": "front"}),
    Case("duplicate-across-splits", "images[1]", put("images.1.split", "test"), pictures={"8_rear.jpg": "front"}),
    Case("contradicting-annotations", "images[1]", lambda _: None, pictures={"8_rear.jpg": "front"}),
    Case(
        "contradicting-classes",
        "images[1]",
        all_of(
            put("images.0.file_name", "7.rf.a.jpg"),
            put("images.1.file_name", "7.rf.b.jpg"),
            add("categories", id=3, name="rust"),
            put("annotations.2.category_id", 3),
        ),
    ),
    Case(
        "same-source-across-splits",
        "images[1]",
        all_of(
            put("images.0.file_name", "7.rf.a.jpg"),
            put("images.1.file_name", "x/7.rf.b.jpg"),
            put("images.1.split", "test"),
        ),
    ),
    Case("near-duplicate-across-splits", "images[1]", put("images.1.split", "test")),
)


def prepare(case: Case, document: Document, write: Write, picture: Callable[..., bytes], tmp_path: Path) -> Path:
    """The spoilt dataset on disk."""
    made: dict[str, Callable[[], bytes | None]] = {
        "cut": lambda: picture(7)[:900],
        "bomb": lambda: _png_header(65_536, 65_536),
        "rotated": lambda: picture(7, exif=b"Exif\x00\x00" + _orientation(6)),
        "mirrored": lambda: picture(7, exif=b"Exif\x00\x00" + _orientation(2)),
        "front": lambda: picture(7),
        "link": lambda: None,
    }
    pictures = {name: made[how]() if isinstance(how, str) else how for name, how in case.pictures.items()}
    returned = case.spoil(document)
    folder = write(document if returned is None else returned, pictures=pictures)
    for name, how in case.pictures.items():
        if how == "link":
            (tmp_path / "elsewhere.jpg").write_bytes(picture(7))
            (folder / name).symlink_to(tmp_path / "elsewhere.jpg")
    return folder


def _png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG file that says how large the image is."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\r" + header + struct.pack(">I", zlib.crc32(header)) + bytes(4) + b"IDAT" * 9


def _orientation(number: int) -> bytes:
    return b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00" + bytes([number, 0, 0, 0, 0, 0, 0, 0])


def validate(folder: Path, code: str) -> Report:
    near_pairs = (lambda _: [(0, 1)]) if code == "near-duplicate-across-splits" else None
    return validate_dataset(folder, near_pairs=near_pairs)


def of(case: Case) -> str:
    return f"{case.code} {case.name}".strip()


@pytest.mark.parametrize("case", CASES, ids=of)
def test_what_is_wrong_is_found_where_it_is(
    case: Case, document: Document, write: Write, picture: Callable[..., bytes], tmp_path: Path, codes: Codes
) -> None:
    found = codes(validate(prepare(case, document, write, picture, tmp_path), case.code))
    assert case.place in found.get(case.code, []), found


@pytest.mark.parametrize("case", [case for case in CASES if case.readable and CODES[case.code].mends != "no"], ids=of)
def test_what_repair_claims_to_mend_is_mended(
    case: Case, document: Document, write: Write, picture: Callable[..., bytes], tmp_path: Path, codes: Codes
) -> None:
    folder = prepare(case, document, write, picture, tmp_path)
    left = codes(repair_dataset(folder, tmp_path / "out"))
    assert case.code not in left
    assert not [code for code in left if CODES[code].mends == "yes"]
    loaded = COCO(str(tmp_path / "out" / "annotations.json"))
    assert len(loaded.imgs) == 2 or case.code == "duplicate-file-name"


def test_every_code_has_a_case() -> None:
    assert {case.code for case in CASES} == set(CODES)


def test_a_sound_dataset_has_no_finding(document: Document, write: Write) -> None:
    report = validate_dataset(write(document))
    assert (report.counts, report.exit_code(strict=True), report.pictures) == ({}, 0, 2)
