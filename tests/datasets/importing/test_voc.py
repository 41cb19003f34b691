"""Pascal VOC, with images where any tool has put them."""

from collections.abc import Callable
from typing import Any

import pytest

DENT = 2


def voc(*objects: str, name: str = "a.jpg", size: str = "<size><width>64</width><height>48</height></size>") -> str:
    return f"<annotation><filename>{name}</filename>{size}{''.join(objects)}</annotation>"


def thing(name: str = "dent", more: str = "", box: str = "1 2 11 22") -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=False)
    bndbox = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{name}</name>{more}<bndbox>{bndbox}</bndbox></object>"


@pytest.mark.parametrize(
    ("xml", "jpg"),
    [
        ("Annotations/a.xml", "JPEGImages/a.jpg"),
        ("annotations/a.xml", "images/a.jpg"),
        ("a.xml", "a.jpg"),
        ("labels/a.xml", "labels/a.jpg"),
    ],
)
def test_a_box_is_read_wherever_its_image_lies(xml: str, jpg: str, write: Any, load: Any) -> None:
    imported = load(write({xml: voc(thing()), jpg: 1}))
    (dataset,) = imported.datasets
    assert (imported.format, dataset.images[0].views[0].source) == ("voc", "cars")
    assert (dataset.annotations[0].category_id, dataset.annotations[0].bbox_xywh) == (DENT, (1, 2, 10, 20))


def test_split_folders_are_one_source_each(write: Any, load: Any) -> None:
    files = {"train/a.xml": voc(thing()), "train/a.jpg": 1, "valid/a.xml": voc(thing("door")), "valid/a.jpg": 2}
    assert [d.images[0].views[0].source for d in load(write(files)).datasets] == ["cars/train", "cars/valid"]


def test_flags_that_are_set_and_attributes_are_kept(write: Any, load: Any) -> None:
    more = (
        "<pose>Left</pose><truncated>1</truncated><difficult>0</difficult>"
        "<attributes><attribute><name>depth</name><value>deep</value></attribute></attributes>"
    )
    (annotation,) = load(write({"a.xml": voc(thing(more=more)), "a.jpg": 1})).datasets[0].annotations
    assert annotation.attributes == {"pose": "Left", "truncated": "true", "depth": "deep"}


def test_a_renamed_image_is_found_by_the_stem(write: Any, load: Any) -> None:
    files = {"Annotations/a.xml": voc(thing(), name="IMG_0001.JPG"), "JPEGImages/a.jpg": 1}
    assert load(write(files)).datasets[0].images[0].views[0].file_name == "JPEGImages/a.jpg"


@pytest.mark.parametrize(
    "bad", [thing(box="1 2 x 4"), thing(box="1 2 3"), thing(box="nan 2 3 4"), thing(box="9 9 1 1")]
)
def test_a_bad_object_costs_only_itself_and_is_told(bad: str, write: Any, load: Any) -> None:
    imported = load(write({"a.xml": voc(thing(), bad), "a.jpg": 1}))
    assert [a.bbox_xywh for a in imported.datasets[0].annotations] == [(1, 2, 10, 20)]
    assert imported.datasets[0].images[0].not_exhaustive_category_ids == (DENT,)
    assert len(imported.notes) == 1


def test_a_file_without_size_or_objects_is_read(write: Any, load: Any) -> None:
    files = {"a.xml": voc(size=""), "a.jpg": 1, "b.xml": voc(thing(), name="b.jpg"), "b.jpg": 2}
    assert len(load(write(files)).datasets[0].images) == 2


@pytest.mark.parametrize("text", ["<annotation><object></annotation>", "<annotation>"])
def test_broken_xml_is_refused_by_name(text: str, write: Any, refusal: Callable[..., str]) -> None:
    root = write({"a.xml": voc(thing()), "a.jpg": 1, "b.xml": text})
    assert f"{root}/b.xml is not valid XML: " in refusal(root)


def test_entities_of_its_own_are_refused(write: Any, refusal: Callable[..., str]) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><annotation>&a;</annotation>'
    assert "b.xml is not valid XML" in refusal(write({"a.xml": voc(thing()), "a.jpg": 1, "b.xml": bomb}))


def test_a_name_outside_the_folder_is_refused(write: Any, refusal: Callable[..., str]) -> None:
    assert "cannot be read as Pascal VOC" in refusal(write({"a.xml": voc(thing(), name="../../x.jpg"), "a.jpg": 1}))


def test_a_folder_whose_first_file_is_broken_is_not_passed_over(write: Any, refusal: Callable[..., str]) -> None:
    root = write(
        {"train/a.xml": voc(thing()), "train/a.jpg": 1, "valid/a.xml": "", "valid/b.xml": voc(), "valid/b.jpg": 2}
    )
    assert f"{root}/valid/a.xml is not valid XML: " in refusal(root)


def test_a_size_that_is_none_is_refused_by_name(write: Any, refusal: Callable[..., str]) -> None:
    root = write({"a.xml": voc(thing(), size="<size><width>wide</width><height>4</height></size>"), "a.jpg": 1})
    assert f"{root}/a.xml cannot be read as Pascal VOC: " in refusal(root)
