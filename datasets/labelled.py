"""What people and models say of an image: shapes, tags and tracks, in the kinds and coordinates that CVAT has.

Coordinates are pixels of the upright image, origin top left. `points` are, by kind (CVAT's `LabeledShape`,
https://docs.cvat.ai/docs/api_sdk/sdk/reference/models/labeled-shape/):

rectangle                    left, top, right, bottom, before it is turned by `rotation` about its centre
ellipse                      centre x, centre y, right, top, before it is turned
polygon, polyline, points    x1, y1, x2, y2, …
cuboid                       eight corners
mask                         run lengths over its box, first of pixels off, then left, top, right, bottom inclusive
skeleton, tag                none: a skeleton has `elements`, a tag is of the whole image
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

ShapeKind = Literal["rectangle", "ellipse", "polygon", "polyline", "points", "mask", "cuboid", "skeleton"]
Kind = Literal[ShapeKind, "tag"]
BboxXyxy = tuple[float, float, float, float]
_BOX = 4


class LabelledObject(Struct, frozen=True, omit_defaults=True, gc=False):
    """A shape or a tag on one image.

    `shape_id` is CVAT's id; `score`, in [0, 1], and `model` (name@version) are a prediction's. `rotation` is in
    degrees, clockwise. `outside` is said of a skeleton's elements and of a track's key frames that are not to be seen.
    `track_id` numbers the track that an object on one frame is taken from.
    """

    category: str
    points: tuple[float, ...] = ()
    shape_id: int | None = None
    score: float | None = None
    attributes: Mapping[str, str] = {}
    model: str | None = None
    kind: Kind = "rectangle"
    rotation: float = 0.0
    occluded: bool = False
    outside: bool = False
    z_order: int = 0
    group: int = 0
    source: str = "manual"
    elements: tuple["LabelledObject", ...] = ()
    track_id: int | None = None

    @property
    def is_tag(self) -> bool:
        return self.kind == "tag"

    @property
    def bbox_xyxy(self) -> BboxXyxy | None:
        """Left, top, right and bottom of the shape before it is turned; None for a tag and for what has no points."""
        if self.kind == "rectangle" and len(self.points) == _BOX:
            left, top, right, bottom = self.points
            return (left, top, right, bottom)
        if self.kind == "ellipse":
            x, y, right, top = self.points
            return (2 * x - right, top, right, 2 * y - top)
        if self.kind == "mask":
            left, top, right, bottom = self.points[-_BOX:]
            return (left, top, right + 1, bottom + 1)
        return _extent(self.points or [value for element in _seen(self.elements) for value in element.points])


class KeyFrame(Struct, frozen=True, omit_defaults=True):
    """How a tracked object is on one frame (by its number in the task), until the next key frame."""

    frame: int
    shape: LabelledObject


class Track(Struct, frozen=True, omit_defaults=True):
    """One object over the frames of a video; `attributes` are those that never change, key frames have the others."""

    category: str
    key_frames: tuple[KeyFrame, ...]
    attributes: Mapping[str, str] = {}
    group: int = 0
    source: str = "manual"
    track_id: int | None = None
    elements: tuple["Track", ...] = ()


def tag(category: str, *, shape_id: int | None = None, score: float | None = None) -> LabelledObject:
    """A class of the whole image."""
    return LabelledObject(category, shape_id=shape_id, score=score, kind="tag")


def _seen(elements: Sequence[LabelledObject]) -> Iterator[LabelledObject]:
    return (element for element in elements if not element.outside)


def _extent(points: Sequence[float]) -> BboxXyxy | None:
    xs, ys = points[::2], points[1::2]
    return (min(xs), min(ys), max(xs), max(ys)) if points else None
