"""What a validation reads, and how it tells what it found."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from datasets.errors import BadDataset
from datasets.validation.report import Report, render, to_json
from datasets.validation.validate import validate_dataset

Document = dict[str, Any]
Write = Callable[..., Path]
Codes = Callable[[Report], dict[str, list[str]]]


@pytest.fixture
def splits(write: Write, document: Document, picture: Callable[..., bytes]) -> Path:
    """Train and test as Roboflow exports them; the test set's first photograph is the training set's."""
    root = write(document, name="train/_annotations.coco.json")
    write(document, name="test/_annotations.coco.json", pictures={"8_rear.jpg": picture(9)})
    return root


def details(report: Report, code: str) -> list[str]:
    return [finding.detail for finding in report.findings if finding.code == code]


@pytest.mark.parametrize("name", ["annotations.json", "_annotations.coco.json", "instances_default.json"])
def test_a_folder_stands_for_the_coco_file_in_it(name: str, write: Write, document: Document) -> None:
    report = validate_dataset(write(document, name=name))
    assert [(file.file, file.images, file.annotations, file.categories) for file in report.files] == [(name, 2, 3, 2)]


def test_a_file_may_be_named_itself(write: Write, document: Document) -> None:
    assert validate_dataset(write(document) / "annotations.json").pictures == 2


def test_images_may_lie_in_a_folder_of_their_own(
    write: Write, document: Document, picture: Callable[..., bytes]
) -> None:
    folder = write(document, pictures={"7_front.jpg": None, "images/7_front.jpg": picture(7)})
    assert validate_dataset(folder).counts == {}


@pytest.mark.parametrize("spoil", ["absent", "empty", "several"])
def test_a_folder_without_one_coco_file_is_refused_in_a_sentence(spoil: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    if spoil != "absent":
        folder.mkdir()
    if spoil == "several":
        (folder / "a.json").write_text("{}")
        (folder / "b.json").write_text("{}")
    with pytest.raises(BadDataset, match=r"^[^\n]*(give|name the file)[^\n]*$"):
        validate_dataset(folder)


def test_the_same_photograph_in_two_splits_is_an_error(splits: Path, codes: Codes) -> None:
    report = validate_dataset(splits)
    assert codes(report)["duplicate-across-splits"] == ["images[0]"]
    assert "images[0] '7_front.jpg' of train/_annotations.coco.json" in details(report, "duplicate-across-splits")[0]
    assert report.files[1].file == "test/_annotations.coco.json"


def test_the_same_photograph_with_other_classes_contradicts_itself(
    write: Write, splits: Path, document: Document, picture: Callable[..., bytes], codes: Codes
) -> None:
    document["annotations"][0]["category_id"] = 2
    write(document, name="test/_annotations.coco.json", pictures={"8_rear.jpg": picture(9)})
    report = validate_dataset(splits)
    assert codes(report)["contradicting-annotations"] == ["images[0]"]
    assert details(report, "contradicting-annotations")[0].startswith("2 'scratch' here, 1 'dent', 1 'scratch' at ")


def test_near_pairs_are_asked_once_and_told_only_across_splits(splits: Path, codes: Codes) -> None:
    asked: list[Sequence[Path]] = []

    def near_pairs(paths: Sequence[Path]) -> list[tuple[int, int]]:
        asked.append(paths)
        return [(0, 1), (1, 3)]

    report = validate_dataset(splits, near_pairs=near_pairs)
    assert [path.name for path in asked[0]] == ["7_front.jpg", "8_rear.jpg"] * 2
    assert len(asked) == 1
    assert codes(report)["near-duplicate-across-splits"] == ["images[1]"]


def test_progress_counts_every_image_once(splits: Path) -> None:
    told: list[tuple[int, int]] = []
    validate_dataset(splits, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_images_are_left_alone_when_pixels_are_not_wanted(write: Write, document: Document) -> None:
    report = validate_dataset(write(document, pictures={"7_front.jpg": None}), pixels=False)
    assert (report.counts, report.pictures) == ({}, 0)


def test_a_name_that_leaves_the_folder_is_not_opened(
    write: Write, document: Document, tmp_path: Path, codes: Codes
) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"no image")
    document["images"][0]["file_name"] = "../secret.jpg"
    report = validate_dataset(write(document))
    assert set(codes(report)) == {"unsafe-file-name"}
    assert report.pictures == 1


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b'{"images": [NaN, -Infinity]}', "NaN at byte 12"),
        (b'{"x": "NaN", "images": [\n Infinity]}', "Infinity at byte 26"),
        ('{"x": "é", "images": [NaN]}'.encode(), "NaN at byte 23"),
    ],
)
def test_literals_that_are_no_json_are_told_by_their_byte(content: bytes, detail: str, write: Write) -> None:
    assert detail in details(validate_dataset(write(content), pixels=False), "json-nan")


@pytest.mark.parametrize(
    ("content", "code", "byte"),
    [
        ('{"é": ["abc', "json-cut-short", 8),
        ('{"é": [1, 2', "json-cut-short", 12),
        ('{"é": [1, }', "json-broken", 11),
        ('{"é": 1} more', "json-broken", 10),
    ],
)
def test_broken_json_is_told_by_its_byte(content: str, code: str, byte: int, write: Write) -> None:
    (detail,) = details(validate_dataset(write(content), pixels=False), code)
    assert detail.startswith(f"at byte {byte} of {len(content.encode())}: ")


def test_bytes_that_are_not_utf8_are_told_by_their_place(write: Write, document: Document) -> None:
    document["categories"][0]["name"] = "Delle é"
    content = json.dumps(document, ensure_ascii=False).encode("latin-1")
    report = validate_dataset(write(content), pixels=False)
    assert details(report, "json-encoding") == [f"byte {content.index(0xE9)} (0xe9) is not UTF-8; read as Latin-1"]


def test_one_odd_record_costs_no_other_its_checks(found: Callable[[Any], Any], document: Document) -> None:
    document["annotations"][0] = {
        "id": "x",
        "image_id": [1],
        "category_id": None,
        "bbox": {},
        "area": {},
        "iscrowd": [],
    }
    document["annotations"][1]["bbox"] = [4, 4, -1, 30]
    places = found(document)
    assert places["bbox-negative"] == ["annotations[1]"]
    assert {code for code, where in places.items() if "annotations[0]" in where} == {
        *("bad-id", "bad-reference", "bad-bbox", "bad-area", "bad-iscrowd")
    }


def test_an_id_as_text_still_leads_to_its_image(found: Callable[[Any], Any], document: Document) -> None:
    document["images"][0]["id"] = "front"
    for annotation in document["annotations"][:2]:
        annotation["image_id"] = "front"
    assert set(found(document)) == {"bad-id", "bad-reference"}


def test_areas_counted_in_pixels_are_no_mismatch(found: Callable[[Any], Any], document: Document) -> None:
    document["annotations"][1]["area"] = 41 * 31
    assert found(document) == {}


def test_overlapping_polygons_may_have_any_area_between_the_largest_and_the_sum(
    found: Callable[[Any], Any], document: Document
) -> None:
    annotation = document["annotations"][1]
    annotation["segmentation"] *= 2
    annotation["area"] = 1200
    assert found(document) == {}


def test_findings_are_capped_but_all_are_counted(write: Write, document: Document) -> None:
    document["annotations"] += [
        {"id": number, "image_id": 1, "category_id": 1, "bbox": [number, 1, 0, 1], "area": 0} for number in range(9, 29)
    ]
    report = validate_dataset(write(document), pixels=False, most=5)
    assert report.counts == {"bbox-empty": 20}
    assert report.capped == {"bbox-empty": 5}
    assert json.loads(to_json(report))["capped"] == {"bbox-empty": 5}


@pytest.mark.parametrize(
    ("key", "value", "plain", "strict"), [("width", 0, 1, 1), ("area", 9, 0, 1), ("split", "train", 0, 0)]
)
def test_the_exit_code_is_1_for_errors_and_when_strict_for_warnings(
    key: str, value: Any, plain: int, strict: int, write: Write, document: Document
) -> None:
    document["annotations" if key == "area" else "images"][0][key] = value
    report = validate_dataset(write(document), pixels=False)
    assert (report.exit_code(), report.exit_code(strict=True)) == (plain, strict)


def test_a_terminal_gets_each_code_once_with_its_first_places_and_remedy(write: Write, document: Document) -> None:
    for annotation in document["annotations"]:
        annotation["bbox"] = None
    document["images"][0]["file_name"] = "[red]\x1b[31m.jpg"
    document["annotations"].append(dict(document["annotations"][0], id=9))
    printed = printed_on_terminal(validate_dataset(write(document), pixels=False))
    assert printed.count("bad-bbox") == 1
    assert "and 1 more" in printed
    assert "--repair does" in printed
    assert "\\x1b[31m" in printed
    assert "[red]" in printed


def printed_on_terminal(report: Report) -> str:
    terminal = io.StringIO()
    Console(width=200, file=terminal).print(render(report))
    return terminal.getvalue()


def test_json_has_every_finding_with_code_place_severity_and_remedy(write: Write, document: Document) -> None:
    document["annotations"][1]["bbox"] = [4, 4, 0, 30]
    told = json.loads(to_json(validate_dataset(write(document))))
    assert (told["errors"], told["pictures"]) == (1, 2)
    assert told["codes"]["bbox-empty"]["remedy"]
    assert told["findings"] == [
        {
            "code": "bbox-empty",
            "severity": "error",
            "file": "annotations.json",
            "place": "annotations[1]",
            "image": "7_front.jpg",
            "detail": "bbox is [4, 4, 0, 30], the image is 64 x 48",
        }
    ]
