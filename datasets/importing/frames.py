"""Which pixels a file's objects are in, and their way into those of the upright image."""

import math
from dataclasses import dataclass
from typing import Literal

from datasets.coco import BboxXywh, Polygons, Rle
from datasets.geometry import bounds, clip_box, clip_polygon, extent, rotation_of
from datasets.importing.foreign import ForeignImage, ForeignObject
from datasets.importing.geometry import scale_box, scale_polygons, turn_box, turn_mask, turn_points
from datasets.rle import decode_mask
from datasets.stored_image import StoredImage

Size = tuple[int, int]
Odd = Literal["turned", "scaled", "unsure which way up", "of another size"]
_SAME_SHAPE = 0.01


@dataclass(frozen=True, slots=True)
class Frame:
    """From a file's pixels to those of the upright image: first scaled to `size`, then turned as EXIF's `orientation`.

    Sizes are (width, height). `odd` is what had to be done about it, or what could not be told.
    """

    size: Size
    upright: Size
    across: float = 1.0
    down: float = 1.0
    orientation: int = 1
    odd: Odd | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """An object in the upright image; `bbox_xywh` is None when nothing of it is there."""

    bbox_xywh: BboxXywh | None
    segmentation: Polygons | Rle = ()
    clipped: bool = False


def find_frame(image: ForeignImage, stored: StoredImage) -> Frame:
    """Where the objects of an image's file are meant.

    The declared size tells whether they are in the raw pixels of an image that EXIF turns. It cannot tell for a square
    one, one that is turned by 180 degrees or mirrored, or when none is declared: then they are taken to be upright, as
    today's tools show images. A declared size of the same shape in another scale scales them.
    """
    upright = (stored.width, stored.height)
    sideways = stored.orientation >= 5
    raw = (stored.height, stored.width) if sideways else upright
    if image.normalized:
        return Frame(upright, upright, *upright)
    declared = image.declared_size
    if declared == upright or declared is None:
        told = stored.orientation == 1 or (declared is not None and raw != upright)
        return Frame(upright, upright, odd=None if told else "unsure which way up")
    if declared == raw:
        return Frame(raw, upright, orientation=stored.orientation, odd="turned")
    for size, orientation in ((upright, 1), (raw, stored.orientation if sideways else 1)):
        across, down = size[0] / declared[0], size[1] / declared[1]
        if abs(across - down) <= _SAME_SHAPE * max(across, down):
            return Frame(size, upright, across, down, orientation, "scaled")
    return Frame(upright, upright, odd="of another size")


def place(found: ForeignObject, frame: Frame) -> Placed:
    """An object in the upright image, clipped to it; a box that is turned itself stays as it was drawn."""
    segmentation = _place_segmentation(found.segmentation, frame)
    drawn = _usable(found.bbox_xywh)
    if drawn is None:
        around = _bounds_of(segmentation)
        return Placed(around, segmentation, clipped=around is not None and _reaches_out(found.segmentation, frame))
    moved = drawn if (frame.across, frame.down) == (1, 1) else scale_box(drawn, frame.across, frame.down)
    if frame.orientation != 1:
        moved = turn_box(moved, frame.orientation, frame.size)
    inside = moved if rotation_of(found.attributes) % 360 else clip_box(moved, *frame.upright)
    return Placed(inside, segmentation if inside else (), clipped=inside is not None and inside != moved)


def _usable(bbox_xywh: BboxXywh | None) -> BboxXywh | None:
    if bbox_xywh is None or not all(map(math.isfinite, bbox_xywh)) or bbox_xywh[2] <= 0 or bbox_xywh[3] <= 0:
        return None
    return bbox_xywh


def _place_segmentation(segmentation: Polygons | Rle, frame: Frame) -> Polygons | Rle:
    if isinstance(segmentation, Rle):
        fits = segmentation.size == (frame.size[1], frame.size[0]) and (frame.across, frame.down) == (1, 1)
        return turn_mask(segmentation, frame.orientation) if fits else ()
    if (frame.across, frame.down) != (1, 1):
        segmentation = scale_polygons(segmentation, frame.across, frame.down)
    turned = (
        turn_points(one, frame.orientation, frame.size) if frame.orientation != 1 else one
        for one in segmentation
        if len(one) >= 6 and all(map(math.isfinite, one))
    )
    return tuple(clipped for one in turned if (clipped := clip_polygon(one, *frame.upright)))


def _bounds_of(segmentation: Polygons | Rle) -> BboxXywh | None:
    if isinstance(segmentation, Rle):
        return decode_mask(segmentation).bbox_xywh
    return bounds([side for polygon in segmentation for side in polygon])


def _reaches_out(segmentation: Polygons | Rle, frame: Frame) -> bool:
    if isinstance(segmentation, Rle):
        return False
    scaled = scale_polygons(segmentation, frame.across, frame.down)
    left, top, right, bottom = extent([side for polygon in scaled for side in polygon])
    return left < 0 or top < 0 or right > frame.size[0] or bottom > frame.size[1]
