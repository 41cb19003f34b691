"""COCO folders of any layout, with a bad annotation costing nothing but itself."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pycocotools import mask as coco_mask

from datasets.coco import Rle
from datasets.importing.coco_reader import parse_segmentation, read_coco_source
from datasets.rle import decode_mask

DENT, DOOR = 2, 1


def small(*annotations: dict[str, Any], **image: Any) -> dict[str, Any]:
    """A COCO file of one photograph, 64 × 48 pixels."""
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48, **image}],
        "categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "door"}],
        "annotations": [{"id": n, "image_id": 1, "category_id": 1} | a for n, a in enumerate(annotations, start=1)],
    }


def test_roboflow_s_split_folders_are_one_source_each(write: Any, load: Any) -> None:
    box = {"bbox": [1, 2, 10, 12]}
    root = write(
        {f"{split}/_annotations.coco.json": small(box) for split in ("train", "valid", "test")}
        | {f"{split}/a.jpg": number for number, split in enumerate(("train", "valid", "test"))}
    )
    imported = load(root)
    assert imported.format == "coco"
    assert [d.images[0].views[0].source for d in imported.datasets] == ["cars/test", "cars/train", "cars/valid"]
    assert all(d.annotations[0].origins[0].annotation_id == "1" for d in imported.datasets)


def test_coco_s_own_layout_is_found(write: Any, load: Any) -> None:
    root = write({"annotations/instances_train2017.json": small({"bbox": [1, 2, 3, 4]}), "train2017/a.jpg": 1})
    (dataset,) = load(root).datasets
    assert dataset.images[0].views[0].source == "cars/instances_train2017"
    assert len(dataset.annotations) == 1


def test_an_annotation_says_where_it_came_from(write: Any, load: Any) -> None:
    root = write({"annotations.json": small({"category_id": 2, "bbox": [1, 2, 3, 4]}), "a.jpg": 1})
    (dataset,) = load(root).datasets
    (annotation,) = dataset.annotations
    assert (annotation.category_id, annotation.source) == (DOOR, "file")
    (origin,) = annotation.origins
    assert (origin.source, origin.annotation_id, origin.name) == ("cars", "1", "door")


def test_classes_of_the_file_that_are_not_found_are_absent_and_all_others_unknown(write: Any, load: Any) -> None:
    root = write({"annotations.json": small({"bbox": [1, 2, 3, 4]}), "a.jpg": 1})
    (dataset,) = load(root).datasets
    assert dataset.images[0].views[0].category_ids == (DOOR, DENT)
    assert dataset.images[0].neg_category_ids == (DOOR,)


def test_an_unused_class_above_the_others_was_not_searched_for(write: Any, load: Any) -> None:
    content = small({"bbox": [1, 2, 3, 4]})
    content["categories"] = [
        {"id": 0, "name": "door", "supercategory": "none"},
        {"id": 1, "name": "dent", "supercategory": "door"},
    ]
    (dataset,) = load(write({"annotations.json": content, "a.jpg": 1})).datasets
    assert dataset.images[0].views[0].category_ids == (DENT,)


def test_attributes_scores_tracks_and_crowds_are_kept(write: Any, load: Any) -> None:
    more = {"attributes": {"occluded": True, "depth": 1.5, "side": "left"}, "score": 0.5, "track_id": 7, "iscrowd": 1}
    (dataset,) = load(write({"annotations.json": small({"bbox": [1, 2, 3, 4]} | more), "a.jpg": 1})).datasets
    (annotation,) = dataset.annotations
    assert annotation.attributes == {"occluded": "true", "depth": "1.5", "side": "left"}
    assert (annotation.score, annotation.track_id, annotation.iscrowd) == (0.5, 7, True)


def test_licence_author_and_address_come_in_with_an_image(write: Any, load: Any) -> None:
    content = small(license=3, flickr_url="https://example.org/a.jpg")
    content |= {"licenses": [{"id": 3, "name": "CC BY 4.0"}], "info": {"contributor": "A. Person"}}
    (dataset,) = load(write({"annotations.json": content, "a.jpg": 1}), page_url="https://example.org").datasets
    source = dataset.images[0].source
    assert (source.license, source.author, source.url) == ("CC BY 4.0", "A. Person", "https://example.org/a.jpg")
    assert source.page_url == "https://example.org"


@pytest.mark.parametrize(
    "fields",
    [
        {"split": "train", "source": {"author": "B. Person"}},
        {"split": "val", "source": {"author": "B. Person"}, "sha256": "00"},
        {"split": "train", "source": "a camera", "sha256": "00"},
        {"split": "train", "source": {"author": 7}, "sha256": "00"},
    ],
)
def test_a_split_or_source_that_is_not_carloop_s_is_not_believed(fields: Any, write: Any, load: Any) -> None:
    content = small(**fields) | {"info": {"contributor": "A. Person"}}
    imported = load(write({"annotations.json": content, "a.jpg": 1}))
    (image,) = imported.datasets[0].images
    assert (image.split, image.source.author, imported.notes) == (None, "A. Person", ())


def test_a_box_is_made_from_the_outline_when_there_is_none(write: Any, load: Any) -> None:
    outline = {"segmentation": [[1, 2, 11, 2, 11, 22]], "bbox": []}
    (dataset,) = load(write({"annotations.json": small(outline), "a.jpg": 1})).datasets
    assert dataset.annotations[0].bbox_xywh == (1, 2, 10, 20)
    assert dataset.annotations[0].segmentation == ((1, 2, 11, 2, 11, 22),)


@pytest.mark.parametrize(
    "bad",
    [
        {"bbox": ["wide", 2, 3, 4]},
        {"bbox": None},
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, 0, 5]},
        {"bbox": [100, 100, 5, 5]},
        {"bbox": [1, 2, 1e308, -1e308]},
        {"bbox": [1, 2, float("nan"), 4]},
        {"bbox": [1, 2, float("inf"), 4]},
        {"bbox": {"x": 1}},
        {"bbox": [1, 2, 3, 4], "image_id": 99},
        {"bbox": [1, 2, 3, 4], "category_id": 99},
        {"bbox": [1, 2, 3, 4], "image_id": None},
        {"segmentation": [[1, 2, 3, 4]]},
        {"segmentation": {"size": [48, 64], "counts": [5]}},
        {"segmentation": {"size": [48, 64], "counts": "~~"}},
    ],
)
def test_a_bad_annotation_costs_only_itself_and_is_told(bad: dict[str, Any], write: Any, load: Any) -> None:
    good = {"bbox": [5, 5, 5, 5]}
    imported = load(write({"annotations.json": small(good, bad, good), "a.jpg": 1}))
    (dataset,) = imported.datasets
    assert [annotation.bbox_xywh for annotation in dataset.annotations] == [(5, 5, 5, 5)] * 2
    assert len(imported.notes) >= 1


@pytest.mark.parametrize("outline", [[["x"]], [[1, 2, 3, 4]], {"size": [48, 64], "counts": [0, 99999999999]}])
def test_a_broken_outline_leaves_the_box_and_is_told(outline: object, write: Any, load: Any) -> None:
    bad = {"bbox": [5, 5, 5, 5], "segmentation": outline}
    imported = load(write({"annotations.json": small(bad), "a.jpg": 1}))
    (dataset,) = imported.datasets
    assert (dataset.annotations[0].bbox_xywh, dataset.annotations[0].segmentation) == ((5, 5, 5, 5), ())
    assert imported.notes == (
        "1 objects keep only their box: their outline is broken or of another size than the image",
    )


@pytest.mark.parametrize("bbox", [[1, 2, 0, 0], [1, 2, "wide", 5], [float("nan")] * 4])
def test_the_class_of_a_lost_object_is_not_absent_but_unknown(bbox: object, write: Any, load: Any) -> None:
    (dataset,) = load(write({"annotations.json": small({"bbox": bbox}), "a.jpg": 1})).datasets
    assert dataset.images[0].neg_category_ids == (DOOR,)
    assert dataset.known_category_ids(dataset.images[0].sha256) == {DOOR}


def test_ids_given_twice_are_told_apart(write: Any, load: Any) -> None:
    boxes = [{"id": 1, "bbox": [1, 2, 3, 4]}, {"id": 1, "bbox": [5, 6, 7, 8]}, {"id": None, "bbox": [9, 9, 9, 9]}]
    (dataset,) = load(write({"annotations.json": small(*boxes), "a.jpg": 1})).datasets
    assert sorted(a.origins[0].annotation_id for a in dataset.annotations) == ["1", "1 #2", "image 1"]


def test_ids_that_look_like_those_made_unique_are_told_apart_too(write: Any, load: Any) -> None:
    boxes = [{"id": given, "bbox": [1, 2, 3 + at, 4]} for at, given in enumerate(["1 #2", 1, 1, 1, "1 #2", "1 #3"])]
    (dataset,) = load(write({"annotations.json": small(*boxes), "a.jpg": 1})).datasets
    own_ids = [a.origins[0].annotation_id for a in sorted(dataset.annotations, key=lambda a: a.bbox_xywh[2])]
    assert own_ids == ["1 #2", "1", "1 #3", "1 #4", "1 #2 #2", "1 #3 #2"]


def test_an_id_given_many_times_takes_no_longer_than_many_ids(write: Any) -> None:
    root = write({"annotations.json": small(*[{"id": 1, "bbox": [1, 2, 3, 4]}] * 10_000), "a.jpg": 1})
    start = time.process_time()
    source = read_coco_source(root / "annotations.json", root=root, name="cars")
    assert time.process_time() - start < 2
    assert len({found.annotation_id for found in source.images[0].objects}) == 10_000


def test_text_for_a_number_is_read(write: Any, load: Any) -> None:
    (dataset,) = load(write({"annotations.json": small({"bbox": ["1", "2", "3", "4"]}), "a.jpg": 1})).datasets
    assert dataset.annotations[0].bbox_xywh == (1, 2, 3, 4)


@pytest.mark.parametrize("records", ["images", "categories"])
def test_an_id_given_twice_is_refused(records: str, write: Any, refusal: Callable[..., str]) -> None:
    content = small({"bbox": [1, 2, 3, 4]})
    content[records].append(content[records][0])
    assert "id 1 is given twice; number them anew" in refusal(write({"annotations.json": content, "a.jpg": 1}))


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "C:\\cars\\a.jpg", "x/../../a.jpg"])
def test_a_name_outside_the_folder_is_refused(name: str, write: Any, refusal: Callable[..., str]) -> None:
    root = write({"annotations.json": small(file_name=name), "a.jpg": 1})
    assert f"file_name {name!r} leaves the folder" in refusal(root)


@pytest.mark.parametrize("images", [{}, 3, [{"id": 1}], [{"id": 1, "file_name": ""}]])
def test_what_is_not_coco_is_refused_with_the_place(images: object, write: Any, refusal: Callable[..., str]) -> None:
    root = write({"annotations.json": small() | {"images": images}, "a.jpg": 1})
    assert "annotations.json is not COCO: images" in refusal(root)


@given(data=st.data())
def test_masks_are_read_as_other_tools_write_them(data: st.DataObject) -> None:
    pixels = data.draw(
        npst.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1))
    )
    encoded = coco_mask.encode(np.asfortranarray(pixels))
    compressed = {"size": encoded["size"], "counts": encoded["counts"].decode()}
    column_wise = pixels.ravel(order="F").tolist()
    runs = [0] if column_wise[0] else []
    for number, value in enumerate(column_wise):
        if number == 0 or value != column_wise[number - 1]:
            runs.append(0)
        runs[-1] += 1
    for written in (compressed, {"size": encoded["size"], "counts": runs}):
        found = parse_segmentation(json.dumps(written).encode())  # type: ignore[arg-type]
        assert isinstance(found, Rle)
        assert (decode_mask(found).pixels == pixels).all()


@given(st.text(max_size=8), st.tuples(st.integers(-1, 9), st.integers(-1, 9)))
def test_broken_run_lengths_never_reach_the_library(counts: str, size: tuple[int, int]) -> None:
    found = parse_segmentation(json.dumps({"size": size, "counts": counts}).encode())  # type: ignore[arg-type]
    assert found == () or decode_mask(found).pixels.shape == size  # type: ignore[arg-type]


def test_a_file_alone_can_be_given(write: Any, load: Any) -> None:
    root: Path = write({"some.json": small({"bbox": [1, 2, 3, 4]}), "a.jpg": 1, "other.json": {"x": 1}})
    assert len(load(root / "some.json").datasets[0].annotations) == 1


def test_a_tag_of_a_class_that_is_not_named_is_left_out(write: Any, load: Any) -> None:
    content = small(tags=[{"category_id": 77}, {"category_id": 3, "attributes": {"how": "muddy"}}])
    content["categories"].append({"id": 3, "name": "dirty"})
    (dataset,) = load(write({"annotations.json": content, "a.jpg": 1})).datasets
    assert [(tag.category_id, tag.attributes) for tag in dataset.images[0].tags] == [(4, {"how": "muddy"})]


def test_two_files_of_one_folder_are_told_apart(write: Any, load: Any) -> None:
    one, two = small({"bbox": [1, 2, 3, 4]}), small({"bbox": [5, 6, 7, 8]})
    root = write({"annotations.json": one, "_annotations.coco.json": two, "a.jpg": 1})
    assert [d.images[0].views[0].source for d in load(root).datasets] == ["cars", "cars (2)"]
