"""What a dataset knows, as objects in the kinds that the project gives its classes."""

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from cvat.known import known_objects, snapshot_objects
from datasets.coco import Annotation, Image, Origin, Polygons, Rle, Tag, View, make_dataset
from datasets.crops import crop_of
from datasets.errors import UnknownCategory
from datasets.labelled import KeyFrame, LabelledObject, Track
from datasets.rle import encode_pixels
from datasets.snapshot import Frame, Snapshot, TaskSnapshot
from datasets.taxonomy import Category, Taxonomy

SQUARE = (10.0, 10.0, 30.0, 10.0, 30.0, 20.0, 10.0, 20.0)
TRIANGLE = (40.0, 10.0, 50.0, 10.0, 40.0, 20.0)


def drawn(kind: str, *, segmentation: Polygons | Rle = (), **fields: Any) -> list[LabelledObject]:
    """One annotation of a class that has this kind in the project; its version calls all rectangles."""
    version = Taxonomy(categories=(Category(name="scratch"), Category(name="dent")))
    project = Taxonomy(categories=(Category.model_validate({"name": "dent", "kind": kind}),))
    image = Image("ab" * 32, "images/ab.jpg", 64, 48, family="car")
    annotation = Annotation(
        sha256=image.sha256, category_id=2, bbox_xywh=(10.0, 10.0, 20.0, 10.0), segmentation=segmentation, **fields
    )
    known = known_objects(make_dataset(version, [image], [annotation]), project)
    objects = list(known.objects[image.sha256])
    assert known.undrawn == ({} if objects else {"dent": 1})
    return objects


def pixels_of(labelled: LabelledObject) -> np.ndarray:
    crop = crop_of(labelled.points)
    pixels = np.zeros((48, 64), np.uint8)
    height, width = crop.pixels.shape
    pixels[crop.top : crop.top + height, crop.left : crop.left + width] = crop.pixels
    return pixels


def test_a_box_is_drawn_turned_and_with_all_that_is_said_of_it() -> None:
    attributes = {"occluded": "true", "rotation": "370", "rust": "much", "model": "damage_detector@3"}
    (labelled,) = drawn("rectangle", attributes=attributes, score=0.5, source="auto")
    assert labelled == LabelledObject(
        "dent",
        (10.0, 10.0, 30.0, 20.0),
        score=0.5,
        model="damage_detector@3",
        attributes={"rust": "much"},
        rotation=10.0,
        occluded=True,
        source="auto",
    )


def test_an_ellipse_fills_its_box() -> None:
    (labelled,) = drawn("ellipse")
    assert (labelled.kind, labelled.points, labelled.bbox_xyxy) == (
        "ellipse",
        (20.0, 15.0, 30.0, 10.0),
        (10, 10, 30, 20),
    )


def test_outlines_of_several_parts_share_a_group() -> None:
    parts = drawn("polygon", segmentation=(SQUARE, TRIANGLE))
    assert [part.points for part in parts] == [SQUARE, TRIANGLE]
    assert {part.group for part in parts} == {1}
    (alone,) = drawn("polygon", segmentation=(SQUARE,))
    assert alone.group == 0


def test_a_box_is_outlined_where_outlines_are_wanted() -> None:
    (labelled,) = drawn("polygon")
    assert labelled.points == SQUARE


def test_a_mask_keeps_its_pixels() -> None:
    rng = np.random.default_rng(1)
    pixels = (rng.random((48, 64)) < 0.3).astype(np.uint8)
    pixels[:5] = 0
    (labelled,) = drawn("mask", segmentation=encode_pixels(pixels))
    assert labelled.kind == "mask"
    assert np.array_equal(pixels_of(labelled), pixels)


def test_an_outline_is_filled_where_masks_are_wanted() -> None:
    (labelled,) = drawn("mask", segmentation=(SQUARE,))
    assert pixels_of(labelled).sum() == 20 * 10


def test_a_mask_is_outlined_where_outlines_are_wanted() -> None:
    pixels = np.zeros((48, 64), np.uint8)
    pixels[10:20, 10:30] = 1
    (labelled,) = drawn("polygon", segmentation=encode_pixels(pixels))
    assert labelled.bbox_xyxy == pytest.approx((10, 10, 30, 20), abs=0.5)


@pytest.mark.parametrize(
    ("segmentation", "kind"), [((), "rectangle"), ((SQUARE,), "polygon"), (encode_pixels(np.ones((48, 64))), "mask")]
)
def test_a_class_of_any_kind_is_drawn_as_it_is_known(segmentation: Polygons | Rle, kind: str) -> None:
    assert [labelled.kind for labelled in drawn("any", segmentation=segmentation)] == [kind]


@pytest.mark.parametrize("kind", ["skeleton", "polyline", "points", "cuboid"])
def test_what_cannot_be_drawn_from_a_box_is_counted(kind: str) -> None:
    assert drawn(kind) == []


def test_an_empty_mask_is_counted_as_not_drawn() -> None:
    assert drawn("mask", segmentation=encode_pixels(np.zeros((48, 64)))) == []


def test_tags_come_with_their_attributes() -> None:
    taxonomy = Taxonomy(categories=(Category(name="dirty", kind="tag"),))
    image = Image("ab" * 32, "images/ab.jpg", 64, 48, family="car", tags=(Tag(1, {"where": "left"}),))
    known = known_objects(make_dataset(taxonomy, [image], []), taxonomy)
    assert known.objects == {image.sha256: [LabelledObject("dirty", kind="tag", attributes={"where": "left"})]}


def test_a_class_that_the_project_lacks_is_told() -> None:
    version = Taxonomy(categories=(Category(name="scratch"),))
    image = Image("ab" * 32, "images/ab.jpg", 64, 48, family="car")
    annotation = Annotation(sha256=image.sha256, category_id=1, bbox_xywh=(1.0, 1.0, 5.0, 5.0))
    with pytest.raises(UnknownCategory, match="'scratch' is not in the project"):
        known_objects(make_dataset(version, [image], [annotation]), Taxonomy(categories=(Category(name="dent"),)))


def test_a_model_looked_at_every_image_of_the_source_that_it_made() -> None:
    taxonomy = Taxonomy(categories=(Category(name="dent"),))
    by_model, by_people = (View(source, "a.jpg", "car") for source in ("model", "people"))
    views = [(by_model,), (by_model, by_people), (by_people,)]
    images = [Image(f"{n:064x}", f"images/{n}.jpg", 64, 48, "car", views=found) for n, found in enumerate(views)]
    guess = Annotation(
        images[0].sha256, 1, (1.0, 1.0, 5.0, 5.0), {"model": "m@1"}, 0.5, "auto", origins=(Origin("model", "1"),)
    )
    drawn = Annotation(images[2].sha256, 1, (1.0, 1.0, 5.0, 5.0), origins=(Origin("people", "1"),))
    known = known_objects(make_dataset(taxonomy, images, [guess, drawn]), taxonomy)
    assert known.predicted == {images[0].sha256, images[1].sha256}


def test_a_pulled_version_keeps_what_coco_cannot_hold() -> None:
    line = LabelledObject("dent", (1.0, 2.0, 3.0, 4.0), kind="polyline", rotation=0.0, occluded=True, z_order=3)
    guess = LabelledObject("dent", (1.0, 1.0, 9.0, 9.0), source="auto", model="damage_detector@1", score=0.5)
    drift = LabelledObject("sticker", (1.0, 1.0, 9.0, 9.0))
    moving = Track(
        "dent",
        (KeyFrame(0, replace(guess, source="manual")), KeyFrame(1, replace(guess, outside=True))),
    )
    older = TaskSnapshot("old", "", (Frame(0, "a.jpg", "aa", 64, 48, objects=(drift,)),))
    frames = (Frame(0, "a.jpg", "aa", 64, 48, objects=(line, guess, drift)), Frame(1, "b.jpg", "bb", 64, 48))
    snapshot = Snapshot(tasks=(older, TaskSnapshot("new", "", frames, (moving,))))
    taxonomy = Taxonomy(categories=(Category(name="dent", kind="any"),))
    accepted = replace(guess, model=None, score=None)
    assert snapshot_objects(snapshot, taxonomy) == {
        "aa": [line, accepted, replace(accepted, source="manual")],
        "bb": [],
    }
