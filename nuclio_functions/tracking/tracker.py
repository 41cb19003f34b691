"""Shapes followed from frame to frame; all that is remembered of one between two calls is its `TrackState`.

Corners in the shape are followed by optical flow from the frame before. Where they are lost, or what they lead to does
not look like the object, it is searched for by its looks around where its motion leads; where it isn't found either,
as when something hides it, the shape goes on with its motion.
"""

from typing import Annotated

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from nuclio_functions.contract import MAX_COORDINATE, Coordinate, Shape
from nuclio_functions.tracking import flow, template
from nuclio_functions.tracking.motion import Motion
from nuclio_functions.tracking.picture import MAX_SIDE, Box, Grey, Points, StoredGrey, box_around, confine, cut, fit

NEIGHBOURHOOD = 2.0
"""The side of what is remembered of a frame, in sides of the box."""
FAMILIAR = 0.4
"""What flow leads to has to be at least as like the template."""
CERTAIN = 0.7
"""From this likeness on the template takes a little of what is seen."""
RENEWED_SHARE = 0.1
MARGIN = 2 * (flow.WINDOW // 2) + 1
LEAST_INNER = 0.25
MAX_SETTLING = 0.15
"""In sides of the template: what is farther off is something else."""
MAX_COASTING = 30
"""A shape that has been lost for more frames stays where it is."""
MAX_VARIANCE = 1e12
_FLOW_ERROR, _FOUND_ERROR = 0.005, 0.03

Extent = Annotated[Coordinate, Field(gt=0)]
Variance = Annotated[float, Field(allow_inf_nan=False, ge=-MAX_VARIANCE, le=MAX_VARIANCE)]


class TrackState(BaseModel):
    """What is known of an object after a frame; as JSON plain numbers and text, and bounded in size.

    `shape` may reach out of the frame. `mean` and `variances` are those of its motion. `window` (middle and size) is
    the part of the frame that `crop` shows, of use only while the object is not `lost`, for so many frames.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    shape: Shape
    mean: Annotated[tuple[Coordinate, ...], Field(min_length=8, max_length=8)]
    variances: Annotated[tuple[Variance, ...], Field(min_length=12, max_length=12)]
    lost: Annotated[int, Field(strict=True, ge=0, le=10**6)]
    window: tuple[Coordinate, Coordinate, Extent, Extent]
    crop: StoredGrey
    template: StoredGrey


def start(picture: Grey, shape: Shape) -> tuple[Shape, TrackState]:
    """A shape as it was drawn on a picture."""
    points = _points_of(shape)
    box = confine(box_around(points), picture)
    return shape, _remember(picture, shape, points, Motion.start(box), template.take(picture, box))


def advance(picture: Grey, state: TrackState) -> tuple[Shape, TrackState]:
    """Where a shape lies on the next picture, clipped to it."""
    points = _points_of(state.shape)
    motion = Motion(np.array(state.mean), np.array(state.variances).reshape(3, 4))
    expected = confine(motion.predict(), picture)
    if (flown := _flown(picture, state, points, expected)) is not None:
        motion.correct(confine(box_around(flown), picture), error=_FLOW_ERROR)
        return _on(picture, state.shape, flown), _remember(
            picture, state.shape, flown, motion, _renewed(picture, state, flown)
        )
    if (found := _found(picture, state, points, expected)) is not None:
        motion.correct(confine(box_around(found), picture), error=_FOUND_ERROR)
        return _on(picture, state.shape, found), _remember(picture, state.shape, found, motion, state.template)
    return _coast(picture, state, points, motion, expected)


def _flown(picture: Grey, state: TrackState, points: Points, expected: Box) -> Points | None:
    """Where flow leads, if that looks like the object."""
    if state.lost:
        return None
    size = state.crop.shape[1], state.crop.shape[0]
    before = Box(*state.window)
    after = Box(expected.x, expected.y, before.width, before.height)
    on_crop = before.move(points, before.within(size))
    matrix = flow.follow(state.crop, cut(picture, after, size), _inside(on_crop, state))
    if matrix is None:
        return None
    if state.shape.type == "polygon":
        moved = flow.apply(matrix, on_crop)
    else:
        moved = _as_box(on_crop, flow.apply(matrix, on_crop).mean(axis=0), flow.scale_of(matrix))
    moved = _settled(picture, state, after.within(size).move(moved, after))
    return moved if template.likeness(picture, box_around(moved), state.template) >= FAMILIAR else None


def _settled(picture: Grey, state: TrackState, points: Points) -> Points:
    """A rectangle laid more exactly on what looks like the template, lest small errors of each frame add up.

    A polygon stays: it turns, but the template doesn't.
    Source: Matthews, Ishikawa and Baker, "The Template Update Problem" (2004).
    """
    size = state.template.shape[1], state.template.shape[0]
    box = box_around(points)
    if state.shape.type == "polygon" or (box.x, box.y) != (confine(box, picture).x, confine(box, picture).y):
        return points
    matrix = flow.follow(state.template, cut(picture, box, size), np.full_like(state.template, 255))
    if matrix is None:
        return points
    on_crop = box.move(points, box.within(size))
    moved = _as_box(on_crop, flow.apply(matrix, on_crop).mean(axis=0), flow.scale_of(matrix))
    is_near = np.abs(moved - on_crop).max() <= MAX_SETTLING * max(size)
    return box.within(size).move(moved, box) if is_near else points


def _as_box(corners: Points, middle: Points, scale: float) -> Points:
    """A box that is never turned, at another place and of another size."""
    placed: Points = (corners - corners.mean(axis=0)) * scale + middle
    return placed


def _inside(on_crop: Points, state: TrackState) -> Grey:
    """255 where the shape lies on its crop, less a margin in which flow would see the ground, too."""
    mask = np.zeros(state.crop.shape, np.uint8)
    corners = on_crop.clip(-(2**15), 2**15).round().astype(np.int32)
    if state.shape.type == "polygon":
        cv2.fillPoly(mask, [corners], 255)
    else:
        cv2.rectangle(mask, corners[0].tolist(), corners[1].tolist(), 255, cv2.FILLED)
    inner = cv2.erode(mask, np.ones((MARGIN, MARGIN), np.uint8), borderValue=0)
    return inner if inner.sum() > LEAST_INNER * mask.sum() else mask


def _found(picture: Grey, state: TrackState, points: Points, expected: Box) -> Points | None:
    """Where something looks like the object; the longer it has been lost, the farther away."""
    place = template.find(picture, state.template, expected, reach=1 + state.lost / 2)
    return None if place is None else _settled(picture, state, box_around(points).move(points, place))


def _coast(picture: Grey, state: TrackState, points: Points, motion: Motion, expected: Box) -> tuple[Shape, TrackState]:
    if state.lost >= MAX_COASTING:
        expected = confine(box_around(points), picture)
        motion = Motion.start(expected)
    moved = box_around(points).move(points, expected)
    known = _remember(picture, state.shape, moved, motion, state.template)
    return _on(picture, state.shape, moved), known.model_copy(update={"lost": min(state.lost + 1, 10**6)})


def _renewed(picture: Grey, state: TrackState, points: Points) -> Grey:
    """What the object looks like from now on; of a polygon, which turns with it, what it looks like now."""
    box = box_around(points)
    if state.shape.type == "polygon":
        return template.take(picture, box)
    if template.likeness(picture, box, state.template) < CERTAIN:
        return state.template
    return template.renew(state.template, picture, box, share=RENEWED_SHARE)


def _remember(picture: Grey, shape: Shape, points: Points, motion: Motion, looks: Grey) -> TrackState:
    window = confine(box_around(points).scaled(NEIGHBOURHOOD), picture)
    return TrackState(
        shape=_with(shape, points),
        mean=tuple(motion.mean.clip(-MAX_COORDINATE, MAX_COORDINATE).round(4).tolist()),
        variances=tuple(motion.variances.clip(-MAX_VARIANCE, MAX_VARIANCE).round(6).ravel().tolist()),
        lost=0,
        window=(window.x, window.y, window.width, window.height),
        crop=cut(picture, window, fit(window, MAX_SIDE)),
        template=looks,
    )


def _points_of(shape: Shape) -> Points:
    """(N, 2); of a rectangle its left top and its right bottom."""
    points = np.array(shape.points).reshape(-1, 2)
    return np.sort(points, axis=0) if shape.type == "rectangle" else points


def _on(picture: Grey, shape: Shape, points: Points) -> Shape:
    height, width = picture.shape
    return _with(shape, points.clip(0, (width, height)))


def _with(shape: Shape, points: Points) -> Shape:
    return Shape(type=shape.type, points=tuple(points.ravel().tolist()), bare=shape.bare)
