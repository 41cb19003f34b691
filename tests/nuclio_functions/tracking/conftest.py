"""Rendered films: a textured box that moves over a textured ground, and where it truly is."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.uint8]
Bbox = tuple[float, float, float, float]

WIDTH, HEIGHT = 480, 360
BOX_WIDTH, BOX_HEIGHT = 72, 48
FRAMES = 24


def texture(width: int, height: int, *, seed: int, smooth: float) -> Grey:
    """Smoothed noise of full contrast."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), smooth)
    stretched: Grey = cv2.normalize(blurred, None, 20, 235, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    return stretched


GROUND = texture(WIDTH, HEIGHT, seed=1, smooth=4)
SURFACE = texture(BOX_WIDTH, BOX_HEIGHT, seed=2, smooth=2)
COVER = texture(WIDTH, HEIGHT, seed=3, smooth=3)


@dataclass(frozen=True)
class Frame:
    """A picture and the four corners of the box on it, (4, 2), clockwise from the left top."""

    picture: Grey
    corners: NDArray[np.float64]

    @property
    def bbox(self) -> Bbox:
        (left, top), (right, bottom) = self.corners.min(axis=0).tolist(), self.corners.max(axis=0).tolist()
        return left, top, right, bottom


def draw(
    x: float,
    y: float,
    *,
    scale: float = 1,
    turn: float = 0,
    brightness: float = 1,
    cover: tuple[int, int, int, int] | None = None,
    seed: int = 0,
) -> Frame:
    """The box with its left top at (x, y) before it is scaled about it and turned by degrees about its middle."""
    cos, sin = math.cos(math.radians(turn)) * scale, math.sin(math.radians(turn)) * scale
    middle = np.array([x + BOX_WIDTH * scale / 2, y + BOX_HEIGHT * scale / 2])
    linear = np.array([[cos, -sin], [sin, cos]])
    shift = middle - linear @ [BOX_WIDTH / 2, BOX_HEIGHT / 2]
    by_pixels = np.column_stack([linear, shift + linear @ [0.5, 0.5] - 0.5])  # OpenCV counts from pixels' middles
    surface = cv2.warpAffine(SURFACE, by_pixels, (WIDTH, HEIGHT))
    there = cv2.warpAffine(np.full_like(SURFACE, 255), by_pixels, (WIDTH, HEIGHT))
    picture = np.where(there > 127, surface, GROUND).astype(np.float64) * brightness
    if cover:
        left, top, right, bottom = cover
        picture[top:bottom, left:right] = COVER[top:bottom, left:right]
    picture += np.random.default_rng(seed).normal(0, 2, picture.shape)
    ends = np.array([[0, 0], [BOX_WIDTH, 0], [BOX_WIDTH, BOX_HEIGHT], [0, BOX_HEIGHT]])
    return Frame(picture.clip(0, 255).astype(np.uint8), ends @ linear.T + shift)


def shifting(**more: Callable[[int], float]) -> Iterator[Frame]:
    """A box that moves by 5 pixels a frame, and changes in more ways."""
    for number in range(FRAMES):
        yield draw(60 + 5 * number, 90 + 3 * number, seed=number, **{key: value(number) for key, value in more.items()})


def hidden(first: int, last: int) -> Iterator[Frame]:
    """A box that moves, and is wholly covered on some frames."""
    for number in range(FRAMES):
        x, y = 60 + 6 * number, 90 + 2 * number
        cover = (x - 12, y - 12, x + BOX_WIDTH + 12, y + BOX_HEIGHT + 12) if first <= number <= last else None
        yield draw(x, y, cover=cover, seed=number)


FILMS: dict[str, Callable[[], Iterator[Frame]]] = {
    "moves": shifting,
    "grows": lambda: shifting(scale=lambda number: 1 + 0.02 * number),
    "darkens": lambda: shifting(brightness=lambda number: 1 - 0.02 * number),
    "flickers": lambda: shifting(brightness=lambda number: 0.6 if number % 2 else 1.0),
    "speeds up": lambda: (draw(40 + 0.5 * n * n, 100, seed=n) for n in range(FRAMES)),
    "is hidden": lambda: hidden(9, 13),
}


@pytest.fixture(scope="session")
def film() -> Callable[[str], Sequence[Frame]]:
    """A film by its name."""
    return lambda name: list(FILMS[name]())


@pytest.fixture(scope="session")
def turning() -> Sequence[Frame]:
    """A box that moves and turns by 2 degrees a frame."""
    return [draw(100 + 3 * number, 120, turn=2 * number, seed=number) for number in range(FRAMES)]


@pytest.fixture(scope="session")
def encode() -> Callable[[Grey], bytes]:
    """A picture as a PNG."""

    def to_png(picture: Grey) -> bytes:
        content = BytesIO()
        Image.fromarray(picture).save(content, "PNG")
        return content.getvalue()

    return to_png
