"""VGG Image Annotator: both versions, all shapes, classes under any attribute."""

from collections.abc import Callable
from typing import Any

import pytest

DENT = 2
POLYGON = {"name": "polygon", "all_points_x": [1, 11, 11], "all_points_y": [2, 2, 22]}


def region(shape: dict[str, Any] = POLYGON, **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes or {"name": "dent"}}


def via(*regions: Any, name: str = "a.jpg", **entry: Any) -> dict[str, Any]:
    return {f"{name}123": {"filename": name, "size": 123, "regions": list(regions), "file_attributes": {}, **entry}}


def test_a_polygon_has_a_class_a_box_and_an_outline(write: Any, load: Any) -> None:
    imported = load(write({"via_region_data.json": via(region()), "a.jpg": 1}))
    (annotation,) = imported.datasets[0].annotations
    assert (imported.format, annotation.category_id, annotation.bbox_xywh) == ("via", DENT, (1, 2, 10, 20))
    assert annotation.segmentation == ((1, 2, 11, 2, 11, 22),)
    assert annotation.origins[0].annotation_id == "a.jpg#0"


def test_version_1_has_regions_by_number(write: Any, load: Any) -> None:
    root = write({"via.json": via(regions={"0": region(), "1": region()}), "a.jpg": 1})
    assert len(load(root).datasets[0].annotations) == 2


def test_a_project_file_is_read(write: Any, load: Any) -> None:
    options = {"type": "dropdown", "options": {"dent": "Dent", "door": "Door"}}
    project = {
        "_via_settings": {"project": {"name": "x"}},
        "_via_img_metadata": via(region(type="dent")),
        "_via_attributes": {"region": {"type": options}, "file": {}},
    }
    (dataset,) = load(write({"project.json": project, "a.jpg": 1})).datasets
    assert dataset.images[0].views[0].category_ids == (1, DENT)
    assert dataset.images[0].neg_category_ids == (1,)


def test_a_project_and_its_export_are_one_source(write: Any, load: Any) -> None:
    project = {"_via_settings": {}, "_via_img_metadata": via(region()), "_via_attributes": {}}
    imported = load(write({"a-project.json": project, "via_region_data.json": via(region()), "a.jpg": 1}))
    assert [d.images[0].views[0].source for d in imported.datasets] == ["cars/via_region_data"]
    assert imported.notes == ("cars/a-project says the same as cars/via_region_data and was read once",)


def test_two_files_over_the_same_photographs_are_two_sources_that_know_their_own_classes(write: Any, load: Any) -> None:
    root = write({"one.json": via(region()), "two.json": via(region(name="door")), "a.jpg": 1})
    one, two = load(root).datasets
    assert one.images[0].sha256 == two.images[0].sha256
    assert [d.images[0].views[0].category_ids for d in (one, two)] == [(DENT,), (1,)]


@pytest.mark.parametrize(
    ("shape", "bbox"),
    [
        ({"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}, (1, 2, 3, 4)),
        ({"name": "circle", "cx": 20, "cy": 20, "r": 5}, (15, 15, 10, 10)),
        ({"name": "ellipse", "cx": 20, "cy": 20, "rx": 8, "ry": 4}, (12, 16, 16, 8)),
        ({"name": "ellipse", "cx": 20, "cy": 20, "rx": 8, "ry": 4, "theta": 1.5707963267948966}, (16, 12, 8, 16)),
        ({"name": "polyline", "all_points_x": [3, 9, 6], "all_points_y": [1, 2, 8]}, (3, 1, 6, 7)),
    ],
)
def test_every_shape_with_an_extent_is_read(shape: dict[str, Any], bbox: Any, write: Any, load: Any) -> None:
    (annotation,) = load(write({"via.json": via(region(shape)), "a.jpg": 1})).datasets[0].annotations
    assert annotation.bbox_xywh == pytest.approx(bbox)


@pytest.mark.parametrize(
    "shape",
    [
        {"name": "point", "cx": 4, "cy": 5},
        {"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1]},
        {"name": "polygon", "all_points_x": ["x", 2, 3], "all_points_y": [1, 2, 3]},
        {"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [4, 4, 4]},
        {"name": "polyline", "all_points_x": [], "all_points_y": []},
        {"name": "rect", "x": 1},
        {"name": "circle", "cx": 1, "cy": "x", "r": 2},
        {"name": "star"},
        {},
        None,
        7,
    ],
)
def test_a_shape_without_extent_costs_only_itself_and_leaves_its_class_unknown(
    shape: Any, write: Any, load: Any
) -> None:
    imported = load(write({"via.json": via(region(), region(shape)), "a.jpg": 1}))
    (dataset,) = imported.datasets
    assert len(dataset.annotations) == 1
    assert dataset.images[0].not_exhaustive_category_ids == (DENT,)
    assert len(imported.notes) == 1


@pytest.mark.parametrize("attributes", [{"class": "dent"}, {"Damage": "dent"}, {"type": "dent", "note": "deep"}])
def test_the_class_is_found_under_any_attribute(attributes: dict[str, str], write: Any, load: Any) -> None:
    (annotation,) = load(write({"via.json": via(region(**attributes)), "a.jpg": 1})).datasets[0].annotations
    assert annotation.category_id == DENT
    assert dict(annotation.attributes) == ({"note": "deep"} if "note" in attributes else {})


def test_the_attribute_with_the_class_can_be_given(write: Any, load: Any, refusal: Callable[..., str]) -> None:
    root = write({"via.json": via(region(name="left", what="dent")), "a.jpg": 1})
    assert load(root, class_attribute="what").datasets[0].annotations[0].category_id == DENT
    assert "in an attribute 'kind'; the regions' attributes are: name, what" in refusal(root, class_attribute="kind")


def test_ticked_boxes_are_an_object_each(write: Any, load: Any) -> None:
    ticked = region(name={"dent": True, "door": True, "other": False})
    annotations = load(write({"via.json": via(ticked), "a.jpg": 1})).datasets[0].annotations
    assert [a.origins[0].annotation_id for a in annotations] == ["a.jpg#0:door", "a.jpg#0:dent"]


def test_an_image_without_regions_is_one_where_nothing_was_found(write: Any, load: Any) -> None:
    content = via(region()) | via(name="b.jpg")
    (dataset,) = load(write({"via.json": content, "a.jpg": 1, "b.jpg": 2})).datasets
    assert {image.views[0].file_name: image.neg_category_ids for image in dataset.images} == {
        "a.jpg": (),
        "b.jpg": (DENT,),
    }


def test_a_polygon_is_clipped_to_its_image_and_counted(write: Any, load: Any) -> None:
    square = {"name": "polygon", "all_points_x": [54, 74, 74, 54], "all_points_y": [-10, -10, 10, 10]}
    imported = load(write({"via.json": via(region(square)), "a.jpg": 1}))
    (annotation,) = imported.datasets[0].annotations
    assert annotation.bbox_xywh == (54, 0, 10, 10)
    assert imported.counts == {"clipped": 1}
