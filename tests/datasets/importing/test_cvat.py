"""CVAT for images and for video."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from datasets.rle import decode_mask

DOOR, DENT, DIRTY = 1, 2, 4
META = (
    "<meta><task><labels>"
    "<label><name>dent</name><attributes>"
    "<attribute><name>confidence</name><input_type>text</input_type></attribute>"
    "<attribute><name>depth</name><input_type>number</input_type></attribute>"
    "</attributes></label>"
    "<label><name>door</name><attributes></attributes></label>"
    "<label><name>dirty</name><attributes></attributes></label>"
    "</labels></task></meta>"
)
BOX = '<box label="dent" occluded="0" xtl="1" ytl="2" xbr="11" ybr="22" z_order="0">{}</box>'


def cvat(inside: str = "", *, name: str = "a.jpg", more: str = "") -> str:
    image = f'<image id="0" name="{name}" width="64" height="48" {more}>{inside}</image>'
    return f"<?xml version='1.0'?><annotations><version>1.1</version>{META}{image}</annotations>"


def test_boxes_polygons_lines_and_tags_are_read(write: Any, load: Any) -> None:
    inside = (
        BOX.format("")
        + '<polygon label="door" occluded="1" points="1,2;11,2;11,22" z_order="0"></polygon>'
        + '<polyline label="dent" occluded="0" points="30,20;40,30" z_order="0"></polyline>'
        + '<points label="dent" occluded="0" points="30,30;40,40" z_order="0"></points>'
        + '<tag label="dirty"></tag>'
    )
    imported = load(write({"annotations.xml": cvat(inside), "images/a.jpg": 1}))
    (dataset,) = imported.datasets
    assert (imported.format, dataset.images[0].views[0].source) == ("cvat", "cars")
    assert [(a.category_id, a.bbox_xywh, dict(a.attributes)) for a in dataset.annotations] == [
        (DOOR, (1, 2, 10, 20), {"occluded": "true"}),
        (DENT, (1, 2, 10, 20), {}),
        (DENT, (30, 20, 10, 10), {}),
        (DENT, (30, 30, 10, 10), {}),
    ]
    assert [tag.category_id for tag in dataset.images[0].tags] == [DIRTY]
    assert dataset.images[0].views[0].category_ids == (DOOR, DENT, DIRTY)


def test_attributes_stay_text(write: Any, load: Any) -> None:
    attributes = '<attribute name="confidence">0.50</attribute><attribute name="depth">3</attribute>'
    (annotation,) = load(write({"a.xml": cvat(BOX.format(attributes)), "a.jpg": 1})).datasets[0].annotations
    assert annotation.attributes == {"confidence": "0.50", "depth": "3"}


def test_a_turned_box_keeps_its_rotation(write: Any, load: Any) -> None:
    turned = BOX.replace('z_order="0"', 'z_order="0" rotation="30.5"').format("")
    (annotation,) = load(write({"a.xml": cvat(turned), "a.jpg": 1})).datasets[0].annotations
    assert (annotation.bbox_xywh, annotation.attributes["rotation"]) == ((1, 2, 10, 20), "30.5")


def test_a_mask_keeps_its_pixels(write: Any, load: Any) -> None:
    mask = '<mask label="dent" occluded="0" rle="1, 4, 1" left="10" top="20" width="3" height="2" z_order="0"></mask>'
    (annotation,) = load(write({"a.xml": cvat(mask), "a.jpg": 1})).datasets[0].annotations
    expected = np.zeros((48, 64), np.uint8)
    expected[20:22, 10:13] = [[0, 1, 1], [1, 1, 0]]
    assert (decode_mask(annotation.segmentation).pixels == expected).all()
    assert annotation.bbox_xywh == (10, 20, 3, 2)


def test_images_of_every_subset_of_a_project_are_read(write: Any, load: Any) -> None:
    root = write({"a.xml": cvat(BOX.format(""), more='subset="Train"'), "images/a.jpg": 1})
    assert len(load(root).datasets[0].annotations) == 1


def test_a_track_is_there_in_the_frames_where_it_is_seen(write: Any, load: Any, by_name: Any) -> None:
    boxes = "".join(
        f'<box frame="{frame}" outside="{outside}" occluded="0" keyframe="1" xtl="1" ytl="2" xbr="11" ybr="22"/>'
        for frame, outside in ((0, 0), (1, 0), (2, 1))
    )
    size = "<original_size><width>64</width><height>48</height></original_size>"
    meta = META.replace("</task>", f"{size}</task>")
    track = f'<track id="5" label="dent" source="manual">{boxes}</track>'
    frames = {f"images/frame_{number:06d}.PNG": number for number in range(3)}
    root = write({"annotations.xml": f"<annotations>{meta}{track}</annotations>"} | frames)
    found = {name: [a.track_id for a in annotations] for name, (_, annotations) in by_name(load(root)).items()}
    assert found == {"frame_000000.PNG": [5], "frame_000001.PNG": [5], "frame_000002.PNG": []}


def test_what_cannot_be_read_is_told_and_leaves_the_classes_unknown(write: Any, load: Any) -> None:
    ellipse = '<ellipse label="dent" occluded="0" cx="9" cy="9" rx="3" ry="3" z_order="0"></ellipse>'
    imported = load(write({"a.xml": cvat(BOX.format("") + ellipse), "a.jpg": 1}))
    assert "1 ellipses, cuboids and skeletons cannot be read and were left out" in imported.notes[0]
    assert imported.datasets[0].images[0].not_exhaustive_category_ids == (DOOR, DENT, DIRTY)


def test_an_absent_image_can_be_skipped(write: Any, load: Any, refusal: Callable[..., str]) -> None:
    two = cvat(BOX.format("")).replace(
        "</annotations>", '<image id="1" name="b.jpg" width="64" height="48"/></annotations>'
    )
    root = write({"a.xml": two, "a.jpg": 1})
    assert "names 1 of 2 images that are absent, 'b.jpg' of cars/a first" in refusal(root)
    imported = load(root, skip_bad_images=True)
    assert (len(imported.datasets[0].images), imported.bad_images[0].file_name) == (1, "b.jpg")


@pytest.mark.parametrize(
    "text",
    [
        cvat(BOX.format(""))[:-20],
        cvat('<box label="dent" xtl="1"/>'),
        cvat('<polygon label="dent" points="1,x"/>'),
        "<annotations></annotations>",
    ],
)
def test_a_broken_file_is_refused_by_name(text: str, write: Any, refusal: Callable[..., str]) -> None:
    told = refusal(write({"a.xml": text, "a.jpg": 1}))
    assert "a.xml cannot be read as CVAT's XML: " in told
    assert told.endswith("; mend the file or export it again")


def test_a_name_outside_the_folder_is_refused(write: Any, refusal: Callable[..., str]) -> None:
    assert "file_name '../a.jpg' leaves the folder" in refusal(write({"a.xml": cvat(name="../a.jpg"), "a.jpg": 1}))


@pytest.mark.parametrize("rle", ["1, 4, 99999", "1, 4", "-1, 7", "x"])
def test_a_mask_whose_runs_do_not_fill_it_is_refused(rle: str, write: Any, refusal: Callable[..., str]) -> None:
    mask = f'<mask label="dent" occluded="0" rle="{rle}" left="10" top="20" width="3" height="2" z_order="0"></mask>'
    assert "a.xml cannot be read as CVAT's XML: " in refusal(write({"a.xml": cvat(mask), "a.jpg": 1}))


def test_a_mask_that_leaves_its_image_costs_only_itself(write: Any, load: Any) -> None:
    mask = '<mask label="dent" occluded="0" rle="1, 4, 1" left="63" top="20" width="3" height="2" z_order="0"></mask>'
    (dataset,) = load(write({"a.xml": cvat(BOX.format("") + mask), "a.jpg": 1})).datasets
    assert len(dataset.annotations) == 1
