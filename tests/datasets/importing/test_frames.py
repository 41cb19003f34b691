"""Which pixels a file's objects are in: raw or upright, in this scale or another."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageOps

from datasets.coco import BboxXywh
from datasets.importing.geometry import turn_box, turn_mask
from datasets.rle import decode_mask, encode_pixels

ORIENTATIONS = range(1, 9)
WIDTH, HEIGHT = 64, 48


def marked(orientation: int, box: tuple[int, int, int, int] = (10, 4, 20, 8)) -> bytes:
    """A black photograph, 64 × 48 raw pixels, with a white box in them, that EXIF turns."""
    picture = PillowImage.new("L", (WIDTH, HEIGHT))
    x, y, width, height = box
    picture.paste(255, (x, y, x + width, y + height))
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    content = io.BytesIO()
    picture.save(content, "PNG", exif=exif)
    return content.getvalue()


def white_box(content: bytes) -> BboxXywh:
    """Where the box is when the photograph is shown upright."""
    found = ImageOps.exif_transpose(PillowImage.open(io.BytesIO(content))).getbbox()
    assert found is not None
    return (found[0], found[1], found[2] - found[0], found[3] - found[1])


def coco(width: int | None, height: int | None, *boxes: Any, **more: Any) -> dict[str, Any]:
    size = {} if width is None else {"width": width, "height": height}
    return {
        "images": [{"id": 1, "file_name": "a.png", **size}],
        "categories": [{"id": 1, "name": "dent"}],
        "annotations": [{"id": n, "image_id": 1, "category_id": 1, "bbox": box, **more} for n, box in enumerate(boxes)],
    }


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_boxes_outlines_and_masks_turn_as_the_photograph_does(orientation: int) -> None:
    raw = (10.0, 4.0, 20.0, 8.0)
    upright = white_box(marked(orientation))
    assert turn_box(raw, orientation, (WIDTH, HEIGHT)) == upright
    pixels = np.zeros((HEIGHT, WIDTH))
    pixels[4:12, 10:30] = 1
    assert decode_mask(turn_mask(encode_pixels(pixels), orientation)).bbox_xywh == upright


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_in_raw_pixels_are_turned_and_told(orientation: int, write: Any, load: Any) -> None:
    content = marked(orientation)
    outline = {"segmentation": [[10, 4, 30, 4, 30, 12, 10, 12]]}
    imported = load(write({"annotations.json": coco(WIDTH, HEIGHT, [10, 4, 20, 8], **outline), "a.png": content}))
    (annotation,) = imported.datasets[0].annotations
    assert annotation.bbox_xywh == white_box(content)
    xs, ys = annotation.segmentation[0][::2], annotation.segmentation[0][1::2]
    assert (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)) == white_box(content)
    assert imported.counts == {"turned": 1}


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_in_upright_pixels_stay(orientation: int, write: Any, load: Any) -> None:
    imported = load(write({"annotations.json": coco(HEIGHT, WIDTH, [10, 4, 20, 8]), "a.png": marked(orientation)}))
    assert imported.datasets[0].annotations[0].bbox_xywh == (10, 4, 20, 8)
    assert imported.notes == ()


@pytest.mark.parametrize(("orientation", "declared"), [(3, (WIDTH, HEIGHT)), (2, (WIDTH, HEIGHT)), (6, (None, None))])
def test_where_the_size_cannot_tell_boxes_stay_and_are_flagged(
    orientation: int, declared: Any, write: Any, load: Any
) -> None:
    imported = load(write({"annotations.json": coco(*declared, [10, 4, 20, 8]), "a.png": marked(orientation)}))
    assert imported.datasets[0].annotations[0].bbox_xywh == (10, 4, 20, 8)
    assert "don't tell which way up" in imported.notes[0]


def test_boxes_of_an_image_that_was_made_smaller_are_scaled_with_it(write: Any, load: Any) -> None:
    imported = load(write({"annotations.json": coco(2 * WIDTH, 2 * HEIGHT, [20, 8, 40, 16]), "a.png": marked(1)}))
    assert imported.datasets[0].annotations[0].bbox_xywh == (10, 4, 20, 8)
    assert imported.counts == {"scaled": 1}


@pytest.mark.parametrize(
    ("rotation", "expected"), [("90", (60, 40, 9, 9)), ("nan", (60, 40, 4, 8)), ("", (60, 40, 4, 8))]
)
def test_a_box_that_is_turned_by_some_number_stays_as_it_was_drawn_and_others_are_clipped(
    rotation: str, expected: BboxXywh, write: Any, load: Any
) -> None:
    content = coco(WIDTH, HEIGHT, [60, 40, 9, 9], attributes={"rotation": rotation})
    imported = load(write({"annotations.json": content, "a.png": marked(1)}))
    assert imported.datasets[0].annotations[0].bbox_xywh == expected


def test_a_size_of_another_shape_is_flagged(write: Any, load: Any) -> None:
    imported = load(write({"annotations.json": coco(100, 300, [10, 4, 20, 8]), "a.png": marked(1)}))
    assert imported.datasets[0].annotations[0].bbox_xywh == (10, 4, 20, 8)
    assert imported.counts == {"of another size": 1}


def test_a_mask_of_another_size_than_its_image_leaves_the_box(write: Any, load: Any) -> None:
    mask = {"segmentation": {"size": [4, 4], "counts": [2, 14]}}
    imported = load(write({"annotations.json": coco(WIDTH, HEIGHT, [10, 4, 20, 8], **mask), "a.png": marked(1)}))
    (annotation,) = imported.datasets[0].annotations
    assert (annotation.bbox_xywh, annotation.segmentation) == ((10, 4, 20, 8), ())
    assert imported.counts == {"masks": 1}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_store_tells_how_a_photograph_is_turned(orientation: int, store: Any) -> None:
    stored = store.write_image(marked(orientation))
    assert stored.orientation == orientation
    assert (stored.width, stored.height) == ((WIDTH, HEIGHT) if orientation < 5 else (HEIGHT, WIDTH))


def test_an_orientation_that_is_none_counts_as_upright(store: Any, photograph: Callable[..., bytes]) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 77
    assert store.write_image(photograph(exif=exif)).orientation == 1
