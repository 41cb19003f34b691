"""Repairs: what is safe is mended, what was right stays, every change is told, and a second repair changes nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets.errors import BadDataset, BadInput
from datasets.validation.codes import CODES
from datasets.validation.repair import repair_dataset

Document = dict[str, Any]
Write = Callable[..., Path]


@pytest.fixture
def repaired(write: Write, tmp_path: Path) -> Callable[[Any], Document]:
    def repair(content: Any) -> Document:
        repair_dataset(write(content), tmp_path / "out", pixels=False)
        return read(tmp_path / "out" / "annotations.json")

    return repair


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_a_sound_file_is_copied_byte_for_byte(write: Write, document: Document, tmp_path: Path) -> None:
    folder = write(json.dumps(document, indent=7))
    report = repair_dataset(folder, tmp_path / "out")
    assert (tmp_path / "out/annotations.json").read_bytes() == (folder / "annotations.json").read_bytes()
    assert (report.repairs, report.pictures, read(tmp_path / "out/repairs.json")["changes"]) == ((), 2, [])


def test_a_box_is_clipped_and_its_area_follows(repaired: Callable[[Any], Document], document: Document) -> None:
    document["annotations"][0].update(bbox=[-4, 12, 24, 8], area=24 * 8)
    assert repaired(document)["annotations"][0] == {
        **document["annotations"][0],
        "bbox": [0, 12, 20, 8],
        "area": 160,
    }


def test_a_box_that_is_none_is_drawn_around_its_polygons_or_mask(
    repaired: Callable[[Any], Document], document: Document
) -> None:
    for annotation in document["annotations"][1:]:
        annotation["bbox"] = None
    found = repaired(document)["annotations"]
    assert [annotation["bbox"] for annotation in found[1:]] == [[4, 4, 40, 30], [0, 0, 32, 48]]


def test_a_box_that_nothing_can_be_made_of_is_dropped_but_not_its_image(
    repaired: Callable[[Any], Document], document: Document, tmp_path: Path
) -> None:
    document["annotations"][0]["bbox"] = [1, 2, 0, 0]
    found = repaired(document)
    assert [annotation["id"] for annotation in found["annotations"]] == [2, 3]
    assert found["images"] == document["images"]
    (change,) = read(tmp_path / "out/repairs.json")["changes"]
    assert change == {
        "code": "bbox-empty",
        "file": "annotations.json",
        "place": "annotations[0]",
        "before": document["annotations"][0],
        "after": None,
    }


def test_changes_are_told_by_the_place_in_the_original_file(
    repaired: Callable[[Any], Document], document: Document, tmp_path: Path
) -> None:
    document["annotations"][0] = None
    document["annotations"][2]["area"] = -1
    repaired(document)
    changes = read(tmp_path / "out/repairs.json")["changes"]
    assert [(change["code"], change["place"]) for change in changes] == [
        ("wrong-record", "annotations[0]"),
        ("bad-area", "annotations[2].area"),
    ]


def test_keys_that_coco_does_not_know_survive(repaired: Callable[[Any], Document], document: Document) -> None:
    document["info"]["deep"] = {"big": 10**30, "text": "\ud800é", "list": [1.0, None, {}]}
    document["annotations"][0].update(area=None, extra=[{"a": 1}])
    found = repaired(document)
    document["annotations"][0]["area"] = 164.0
    assert found == document


def test_images_with_one_file_become_one_and_keep_what_either_says(
    repaired: Callable[[Any], Document], document: Document
) -> None:
    document["images"][1].update(file_name="7_front.jpg", license=1)
    found = repaired(document)
    assert found["images"] == [{**document["images"][0], "license": 1}]
    assert {annotation["image_id"] for annotation in found["annotations"]} == {1}


def test_categories_with_one_name_become_one_wherever_they_are_named(
    repaired: Callable[[Any], Document], document: Document
) -> None:
    document["categories"].append({"id": 5, "name": "dent", "supercategory": "damage"})
    document["annotations"][0]["category_id"] = 5
    document["images"][0].update(neg_category_ids=[5, 2], tags=[{"category_id": 5}])
    found = repaired(document)
    assert found["categories"][0] == {"id": 1, "name": "dent", "supercategory": "damage"}
    assert found["annotations"][0]["category_id"] == 1
    assert (found["images"][0]["neg_category_ids"], found["images"][0]["tags"]) == ([1, 2], [{"category_id": 1}])


def test_a_new_id_is_followed_by_what_names_it(repaired: Callable[[Any], Document], document: Document) -> None:
    document["images"][1]["id"] = "rear"
    document["annotations"][2]["image_id"] = "rear"
    found = repaired(document)
    assert found["images"][1]["id"] == found["annotations"][2]["image_id"] == 2


def test_a_size_that_nobody_declared_comes_from_the_upright_image(
    write: Write, document: Document, tmp_path: Path
) -> None:
    del document["images"][0]["width"]
    repair_dataset(write(document), tmp_path / "out")
    assert read(tmp_path / "out/annotations.json")["images"][0]["width"] == 64


def test_boxes_are_left_alone_where_the_declared_size_is_wrong(
    write: Write, document: Document, tmp_path: Path
) -> None:
    document["images"][0].update(width=32, height=24)
    report = repair_dataset(write(document), tmp_path / "out")
    assert read(tmp_path / "out/annotations.json") == document
    assert {"size-mismatch", "bbox-partly-outside"} <= set(report.counts)


def test_nan_becomes_null_and_is_told(repaired: Callable[[Any], Document], document: Document, tmp_path: Path) -> None:
    document["info"]["score"] = float("nan")
    assert repaired(document)["info"]["score"] is None
    (change,) = read(tmp_path / "out/repairs.json")["changes"]
    assert (change["place"], change["before"], change["after"]) == ("info.score", "nan", None)


def test_of_a_key_given_twice_the_last_stays_and_all_are_told(
    repaired: Callable[[Any], Document], document: Document, tmp_path: Path
) -> None:
    found = repaired(json.dumps(document).replace('"area": 164', '"area": 5, "area": 164'))
    assert found == document
    (change,) = read(tmp_path / "out/repairs.json")["changes"]
    assert (change["place"], change["before"]) == ("annotations[0].area", [5, 164])


@pytest.mark.parametrize("content", ["", '{"images": [', "[]", '{"images": {}}', '{"images": 5, "annotations": []}'])
def test_what_cannot_be_read_as_coco_is_refused_and_nothing_written(content: str, write: Write, tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"^[^\n]+annotations\.json[^\n]+;[^\n]+$"):
        repair_dataset(write(content), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_original_is_never_replaced(write: Write, document: Document) -> None:
    folder = write(document)
    for out in (folder, folder / "annotations.json"):
        with pytest.raises(BadInput, match="new file"):
            repair_dataset(folder, out)


def test_what_no_repair_made_is_never_replaced(write: Write, document: Document, tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("precious")
    with pytest.raises(BadInput, match="no repair made it"):
        repair_dataset(write(document), tmp_path / "out.json")
    assert (tmp_path / "out.json").read_text() == "precious"


def test_a_repair_may_be_made_again(write: Write, document: Document, tmp_path: Path) -> None:
    document["annotations"][0]["area"] = 1
    for _ in range(2):
        assert len(repair_dataset(write(document), tmp_path / "out").repairs) == 1


def test_what_repairs_leave_is_told_over_all_splits(write: Write, document: Document, tmp_path: Path) -> None:
    write(document, name="test/_annotations.coco.json")
    report = repair_dataset(write(document, name="train/_annotations.coco.json"), tmp_path / "out")
    assert report.counts == {"duplicate-across-splits": 2}


def test_splits_are_repaired_side_by_side(write: Write, document: Document, tmp_path: Path) -> None:
    document["annotations"][0]["area"] = 1
    write(document, name="test/_annotations.coco.json")
    repair_dataset(write(document, name="train/_annotations.coco.json"), tmp_path / "out")
    listing = read(tmp_path / "out/repairs.json")
    assert [change["file"] for change in listing["changes"]] == [
        "train/_annotations.coco.json",
        "test/_annotations.coco.json",
    ]
    assert all((tmp_path / "out" / file["file"]).is_file() for file in listing["files"])


_SIDE = st.one_of(st.integers(-80, 80), st.floats(-80, 80, width=32), st.sampled_from([None, "9", 1e300, True, [], 0]))
_ID = st.sampled_from([1, 2, 3, "1", "x", 2.0, None, [], 2**70])
_ANNOTATION = st.fixed_dictionaries(
    {"image_id": _ID, "category_id": _ID, "bbox": st.lists(_SIDE, min_size=4, max_size=4)},
    optional={
        "id": _ID,
        "area": _SIDE,
        "iscrowd": st.sampled_from([0, 1, True, "1", 7, None]),
        "segmentation": st.one_of(
            st.lists(st.lists(_SIDE, max_size=9), max_size=2),
            st.just({"size": [48, 64], "counts": [0, 1536, 1536]}),
            st.just({"size": [48, 64], "counts": "~"}),
            st.none(),
        ),
        "extra": _SIDE,
    },
)
_DOCUMENT = st.fixed_dictionaries(
    {
        "images": st.lists(
            st.fixed_dictionaries(
                {"id": _ID, "file_name": st.sampled_from(["a.jpg", "b.jpg", "c\\d.jpg", "", None]), "height": _SIDE},
                optional={"width": st.just(64), "extra": _SIDE},
            ),
            max_size=3,
        ),
        "annotations": st.lists(st.one_of(_ANNOTATION, _SIDE), max_size=5),
        "categories": st.lists(
            st.fixed_dictionaries({"id": _ID, "name": st.sampled_from(["dent", "scratch", " ", 5])}), max_size=3
        ),
    },
    optional={"extra": _SIDE},
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(content=_DOCUMENT)
def test_a_repaired_file_has_nothing_left_to_mend_and_a_second_repair_changes_nothing(
    content: Document, tmp_path: Path
) -> None:
    source, once, twice = tmp_path / "source.json", tmp_path / "once", tmp_path / "twice"
    source.write_text(json.dumps(content))
    report = repair_dataset(source, once, pixels=False)
    assert not [code for code in report.counts if CODES[code].mends == "yes"]
    assert not repair_dataset(once / "source.json", twice, pixels=False).repairs
    assert (twice / "source.json").read_bytes() == (once / "source.json").read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(content=_DOCUMENT)
def test_a_bad_annotation_never_costs_its_image(content: Document, tmp_path: Path) -> None:
    source = tmp_path / "source.json"
    source.write_text(json.dumps(content))
    repair_dataset(source, tmp_path / "once", pixels=False)
    names = {image["file_name"] for image in content["images"] if image["file_name"]}
    kept = {image["file_name"] for image in read(tmp_path / "once/source.json")["images"] if image["file_name"]}
    assert kept == {name.replace("\\", "/") for name in names}
