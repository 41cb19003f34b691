import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from shapely import Polygon, box

from nuclio_functions.contract import Shape
from nuclio_functions.tracking.tracker import MAX_COASTING, TrackState, advance, start

NOISE = np.random.default_rng(0).integers(0, 256, (240, 320), np.uint8)
PLAIN = np.full((240, 320), 90, np.uint8)
BOX = Shape(type="rectangle", points=(100, 100, 160, 150))


def passed_on(state: TrackState) -> TrackState:
    """A state as it comes back from CVAT."""
    return TrackState.model_validate(json.loads(json.dumps(state.model_dump())))


def follow(frames: Sequence[Any], shape: Shape) -> list[Shape]:
    """Where the shape is found on each frame after the first."""
    _, state = start(frames[0].picture, shape)
    found = []
    for frame in frames[1:]:
        shape, state = advance(frame.picture, passed_on(state))
        found.append(shape)
    return found


def iou(one: Polygon, other: Polygon) -> float:
    return float(one.intersection(other).area / one.union(other).area)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("moves", 0.97),
        ("grows", 0.97),
        ("darkens", 0.95),
        ("flickers", 0.95),
        ("speeds up", 0.95),
        ("is hidden", 0.95),
    ],
)
def test_a_box_is_followed_far_better_than_a_copy_of_it(
    film: Callable[[str], Sequence[Any]], name: str, least: float
) -> None:
    frames = film(name)

    found = follow(frames, Shape(type="rectangle", points=frames[0].bbox))

    followed = [iou(box(*shape.points), box(*frame.bbox)) for shape, frame in zip(found, frames[1:], strict=True)]
    copied = [iou(box(*frames[0].bbox), box(*frame.bbox)) for frame in frames[1:]]
    assert np.mean(followed) > least
    assert np.mean(copied) < 0.4


def test_a_polygon_turns_with_its_object(turning: Sequence[Any]) -> None:
    found = follow(turning, Shape(type="polygon", points=tuple(turning[0].corners.ravel())))

    last = Polygon(np.reshape(found[-1].points, (-1, 2)))
    assert iou(last, Polygon(turning[-1].corners)) > 0.93
    assert {len(shape.points) for shape in found} == {8}


def test_a_box_is_where_it_was_drawn_to_begin_with_in_whatever_order_its_corners_come() -> None:
    shape, state = start(NOISE, Shape(type="rectangle", points=(160, 100, 100, 150), bare=True))

    assert shape.points == (160, 100, 100, 150)
    assert state.shape == Shape(type="rectangle", points=(100, 100, 160, 150), bare=True)
    assert advance(NOISE, state)[0].points == pytest.approx((100, 100, 160, 150), abs=0.1)


def test_what_nothing_tells_of_goes_on_with_its_motion_and_then_stays() -> None:
    _, state = start(NOISE, BOX)
    for number in (1, 2, 3):
        shape, state = advance(np.roll(NOISE, 4 * number, axis=1), state)
    assert shape.points[0] == pytest.approx(112, abs=0.5)

    shape, state = advance(PLAIN, state)
    assert shape.points[:2] == pytest.approx((116, 100), abs=1.5)
    assert state.lost == 1
    for _ in range(MAX_COASTING):
        shape, state = advance(PLAIN, passed_on(state))
    assert advance(PLAIN, state)[0].points == shape.points


def test_a_shape_is_never_told_outside_of_the_picture() -> None:
    _, state = start(NOISE, Shape(type="rectangle", points=(-30, 200, 40, 300)))

    for _ in range(3):
        shape, state = advance(NOISE, state)
        left, top, right, bottom = shape.points
        assert 0 <= left < right <= 320
        assert 0 <= top < bottom <= 240


SHAPES = [
    Shape(type="rectangle", points=(5, 5, 5, 5)),
    Shape(type="rectangle", points=(100, 100, 102, 101)),
    Shape(type="rectangle", points=(-1e6, -1e6, 1e6, 1e6)),
    Shape(type="rectangle", points=(5e5, 5e5, 6e5, 6e5)),
    Shape(type="polygon", points=(9, 9, 9, 9, 9, 9)),
    Shape(type="polygon", points=(-1e6, 0, 1e6, 0, 5, 1e6)),
]
PICTURES = [NOISE, PLAIN, NOISE[:1, :1], NOISE[:3]]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: str(shape.points))
def test_odd_shapes_and_pictures_that_change_their_size_are_borne(shape: Shape) -> None:
    for first in PICTURES:
        _, begun = start(first, shape)
        for second in PICTURES:
            found, state = advance(second, passed_on(begun))
            advance(first, passed_on(state))
            assert np.isfinite(found.points).all()


@pytest.mark.parametrize("shape", [BOX, *SHAPES], ids=lambda shape: str(shape.points))
def test_a_state_stays_small(shape: Shape) -> None:
    _, state = start(NOISE, shape)

    assert len(json.dumps(state.model_dump())) < 60_000


def test_a_broken_state_is_refused_whatever_is_broken() -> None:
    _, state = start(NOISE, BOX)
    sound = state.model_dump(mode="json")
    broken: list[dict[str, Any]] = [
        *({key: value for key, value in sound.items() if key != missing} for missing in sound),
        *({**sound, key: value} for key in sound for value in (None, "x", 7, True, [], {}, [float("nan")] * 8)),
        {**sound, "more": 1},
        {**sound, "mean": [*sound["mean"], 0]},
        {**sound, "window": [10, 10, 0, 5]},
        {**sound, "lost": -1},
        {**sound, "crop": "A" * 1_000_000},
        {**sound, "crop": sound["crop"][:-40]},
    ]
    accepted = [change for change in broken if _is_state(change)]

    assert [change["lost"] for change in accepted] == [7]


def _is_state(value: Any) -> bool:
    try:
        TrackState.model_validate(value)
    except ValidationError:
        return False
    return True


def test_a_state_with_absurd_numbers_gives_a_shape_all_the_same() -> None:
    _, state = start(NOISE, BOX)
    sound = state.model_dump(mode="json")

    for key in ("mean", "variances", "window"):
        for place, _ in enumerate(sound[key]):
            for value in (1e6, 1e-9) if key == "window" else (1e6, -1e6, 0.0):
                numbers = [*sound[key][:place], value, *sound[key][place + 1 :]]
                shape, following = advance(NOISE, TrackState.model_validate({**sound, key: numbers}))
                assert np.isfinite(shape.points).all()
                passed_on(following)
