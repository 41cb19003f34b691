"""How a dataset lies in a file: read back as it was, plain JSON to others, and told where it breaks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import UNSET, Raw

from datasets import records
from datasets.coco import Dataset, from_records, to_records
from datasets.errors import BadDataset
from datasets.records import (
    AnnotationRecord,
    CategoryRecord,
    CocoFile,
    Copy,
    ImageRecord,
    Origin,
    Provenance,
    Rle,
    Shape,
    Tag,
    View,
    bbox_text,
    encode_records,
    parse_bbox,
    parse_segmentation,
    read_records,
    segmentation_text,
    write_records,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SHAPE = Shape("b" * 64, 1, (1.5, 2, 3, 4), 12.0, ((1.0, 2.0, 3.0, 4.0, 5.0, 6.0),), True, {"a": "b"}, 0.5, "auto", 3)
VIEW = View("cvat", "Ünter/a\nb.jpg", "car", "train", (1, 2), (2,), (Tag(3),), Provenance(license="CC0-1.0"), "c" * 64)
WHOLE = CocoFile(
    [CategoryRecord(1, "dent \"'\u2028"), CategoryRecord(3, "clean", "tag")],
    [
        ImageRecord(
            id=7,
            sha256="a" * 64,
            file_name="images/aa/a.jpg",
            width=64,
            height=48,
            family="car\n1",
            split="test",
            source=Provenance("https://a.example", None, "Ann\r\n", "CC BY 4.0", "2026-01-01", "allowed"),
            tags=(Tag(3, {"sure": "no"}),),
            neg_category_ids=(1,),
            not_exhaustive_category_ids=(3,),
            views=(VIEW,),
            copies=(Copy("c" * 64, "images/cc/c.jpg", 32, 24),),
            near=("d" * 64,),
            derived_from="e" * 64,
            deleted=True,
        ),
        ImageRecord(id=8, sha256="f" * 64, file_name="f.jpg", width=1, height=1, family="f"),
    ],
    [
        AnnotationRecord(
            id=1,
            image_id=7,
            category_id=1,
            bbox=Raw(b"[1,2,3,4]"),
            area=12.0,
            iscrowd=1,
            segmentation=Raw(b'{"size":[48,64],"counts":"0"}'),
            source="semi-auto",
            origins=(Origin("cvat", "1", "Dent", SHAPE), Origin("roboflow", "2")),
            attributes={"depth": "5 mm\n"},
            score=0.5,
            track_id=4,
        ),
        AnnotationRecord(2, 8, 1, Raw(b"[0,0,1,1]")),
    ],
)


def plain(content: CocoFile) -> Any:
    return json.loads(msgspec.json.encode(content))


def test_every_field_comes_back_from_a_file(tmp_path: Path) -> None:
    write_records(WHOLE, tmp_path / "annotations.json")
    assert plain(read_records(tmp_path / "annotations.json")) == plain(WHOLE)


@given(data=st.data())
def test_any_dataset_comes_back_from_its_text(any_dataset: SearchStrategy[Dataset], data: st.DataObject) -> None:
    dataset = data.draw(any_dataset)
    text = b"".join(encode_records(to_records(dataset)))
    assert from_records(msgspec.json.decode(text, type=CocoFile), dataset.taxonomy) == dataset


@given(data=st.data(), lines=st.integers(1, 4))
def test_the_text_is_the_same_json_in_portions_of_any_size(
    any_dataset: SearchStrategy[Dataset], data: st.DataObject, lines: int
) -> None:
    content = to_records(data.draw(any_dataset))
    whole = b"".join(encode_records(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_LINES", lines)
        assert b"".join(encode_records(content)) == whole
    told = json.loads(whole)
    assert {name: told[name] for name in ("categories", "images", "annotations")} == plain(content)


def test_each_record_has_a_line_of_its_own_whatever_line_breaks_it_holds() -> None:
    lines = b"".join(encode_records(WHOLE)).decode().split("\n")
    found = [json.loads(line.rstrip(",")) for line in lines if line.startswith('{"id"') or line.startswith('{"sha256"')]
    assert len(found) == len(WHOLE.images) + len(WHOLE.annotations)


def test_a_file_of_nothing_is_json_too(tmp_path: Path) -> None:
    write_records(CocoFile([], [], []), tmp_path / "empty.json")
    told = json.loads((tmp_path / "empty.json").read_text())
    assert (told["images"], told["annotations"], told["categories"]) == ([], [], [])


def test_pycocotools_reads_boxes_polygons_and_masks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools.coco import COCO

    write_records(WHOLE, tmp_path / "annotations.json")
    coco = COCO(str(tmp_path / "annotations.json"))
    assert "Done" in capsys.readouterr().out
    assert sorted(coco.getImgIds()) == [7, 8]
    (crowd,) = coco.loadAnns(coco.getAnnIds(imgIds=[7], iscrowd=True))
    assert (crowd["bbox"], crowd["area"], crowd["segmentation"]["size"]) == ([1, 2, 3, 4], 12.0, [48, 64])
    (box,) = coco.loadAnns(coco.getAnnIds(imgIds=[8]))
    assert box["segmentation"] == []


def test_what_nobody_said_is_not_in_the_file() -> None:
    (told,) = json.loads(b"".join(encode_records(CocoFile([], [], [WHOLE.annotations[1]]))))["annotations"]
    assert {"attributes", "score", "track_id"}.isdisjoint(told)


def test_a_file_of_plain_coco_may_lack_what_carloop_adds_to_annotations(tmp_path: Path) -> None:
    image = {"id": 1, "sha256": "a" * 64, "file_name": "a.jpg", "width": 4, "height": 4, "family": "a", "more": 1}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "ignore": 0}
    content = {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "dent"}], "info": {}}
    (tmp_path / "a.json").write_text(json.dumps(content, indent=2))
    read = read_records(tmp_path / "a.json")
    (record,) = read.annotations
    assert (record.attributes, record.score, record.source, record.origins) == (UNSET, UNSET, "manual", ())
    assert parse_segmentation(record.segmentation) == ()
    assert read.images[0].views == ()


@given(bbox=st.tuples(FINITE, FINITE, FINITE, FINITE))
def test_a_box_comes_back_from_its_text_to_the_last_bit(bbox: tuple[float, float, float, float]) -> None:
    assert parse_bbox(bbox_text(bbox)) == bbox


@given(polygons=st.lists(st.lists(FINITE, min_size=1, max_size=8).map(tuple), max_size=3).map(tuple))
def test_polygons_come_back_from_their_text_to_the_last_bit(polygons: tuple[tuple[float, ...], ...]) -> None:
    assert parse_segmentation(segmentation_text(polygons)) == polygons


def test_a_mask_comes_back_from_its_text() -> None:
    rle = Rle((48, 64), "0\\`é")
    assert parse_segmentation(segmentation_text(rle)) == rle


@pytest.mark.parametrize("text", [b"[1,2,3]", b"[1,2,3,4,5]", b'"box"', b"null", b"[1,2,3,null]", b"[1,2,3"])
def test_a_box_that_is_not_four_numbers_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_bbox(Raw(text))


@pytest.mark.parametrize("text", [b"[1,2]", b'{"counts":"0"}', b'{"size":[1],"counts":"0"}', b"null", b"[[1,"])
def test_an_outline_that_is_neither_polygons_nor_a_mask_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_segmentation(Raw(text))


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[bytes], str]:
    """What is said of a file with this content."""

    def tell(content: bytes) -> str:
        path = tmp_path / "annotations.json"
        path.write_bytes(content)
        with pytest.raises(BadDataset) as caught:
            read_records(path)
        assert str(path) in str(caught.value)
        return str(caught.value)

    return tell


TEXT = b"".join(encode_records(WHOLE))


@given(end=st.integers(0, len(TEXT.rstrip()) - 1))
def test_a_file_cut_anywhere_is_told_with_the_place(tmp_path_factory: pytest.TempPathFactory, end: int) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.json"
    path.write_bytes(TEXT[:end])
    with pytest.raises(BadDataset, match=rf"not valid JSON at byte \d+ of {end}"):
        read_records(path)


def test_the_place_of_broken_json_is_told_in_bytes(broken: Callable[[bytes], str]) -> None:
    before = '{"categories": [{"id": 1, "name": "Tür"}], '.encode()
    assert f"at byte {len(before)} of {len(before) + 1}" in broken(before + b"x")


def test_bytes_that_are_no_utf_8_are_told(broken: Callable[[bytes], str]) -> None:
    assert "not valid JSON at byte" in broken(TEXT.replace("Ü".encode(), b"\xff\xfe"))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ((b'"sha256":"aaaa', b'"sha512":"aaaa'), "missing required field `sha256` - at `$.images[0]`"),
        ((b'"width":64', b'"width":"64"'), "Expected `int`, got `str` - at `$.images[0].width`"),
        (
            (b'"category_id":1,"bbox":[1,', b'"bbox":[1,'),
            "missing required field `category_id` - at `$.annotations[0]`",
        ),
        ((b'"source":"semi-auto"', b'"source":"robot"'), "Invalid enum value 'robot' - at `$.annotations[0].source`"),
        ((b'"split":"test"', b'"split":"valid"'), "Invalid enum value 'valid' - at `$.images[0].split`"),
    ],
)
def test_what_is_no_carloop_dataset_is_told_with_the_record(
    broken: Callable[[bytes], str], change: tuple[bytes, bytes], place: str
) -> None:
    assert TEXT.count(change[0]) == 1
    said = broken(TEXT.replace(*change))
    assert place in said
    assert said.endswith("import it first")


@pytest.mark.parametrize("content", [b"[]", b"{}", b"3", b'{"images": {}}', b'{"images": [[]]}'])
def test_other_json_is_told_to_be_no_dataset(broken: Callable[[bytes], str], content: bytes) -> None:
    assert "is not a Carloop dataset" in broken(content)


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="is not there"):
        read_records(tmp_path / "none.json")
    with pytest.raises(BadDataset, match="cannot be read: Is a directory"):
        read_records(tmp_path)


def test_a_file_that_cannot_be_encoded_leaves_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    write_records(WHOLE, path)
    before = path.read_bytes()
    broken = CocoFile([], [], [AnnotationRecord(1, 1, 1, Raw(b"[]"), attributes={"a": object()})])  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        write_records(broken, path)
    assert path.read_bytes() == before
