"""A canvas that takes design units and holds RGB pixels, several to each pixel of the finished frame."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.coco import BboxXywh
from datasets.rendering.geometry import Outline, Point, extent

Colour = tuple[int, int, int]
Pixels = NDArray[np.uint8]
Alpha = NDArray[np.float32]

OVERSAMPLING = 2
VISIBLE_CHANGE = 20
_FRACTION_BITS = 4
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)


@dataclass(frozen=True)
class Camera:
    """How the design is seen: `flipped` left to right, scaled and turned about its middle, then moved."""

    scale: float = 1.0
    degrees: float = 0.0
    shift: Point = (0.0, 0.0)
    flipped: bool = False

    def matrix(self, pixels_per_unit: float) -> NDArray[np.float64]:
        """The (2, 3) affine map from design units to pixels."""
        turn = cv2.getRotationMatrix2D((500, 500), self.degrees, self.scale)
        turn[:, 2] += self.shift
        flip = np.array([[-1.0, 0, 1000], [0, 1, 0], [0, 0, 1]]) if self.flipped else np.eye(3)
        return np.asarray(pixels_per_unit * (turn @ flip))


@dataclass(frozen=True)
class Region:
    """A part of the canvas and how much of a colour each of its pixels takes, (H, W) in [0, 1]."""

    rows: slice
    columns: slice
    alpha: Alpha


class Canvas:
    """`pixels` is (H, W, 3) uint8 RGB, square."""

    def __init__(self, size: int, camera: Camera) -> None:
        self.size = size
        self.pixels: Pixels = np.zeros((size * OVERSAMPLING, size * OVERSAMPLING, 3), np.uint8)
        self._scale = size * OVERSAMPLING / 1000 * camera.scale
        self._matrix = camera.matrix(size * OVERSAMPLING / 1000)

    def fill(self, shape: Outline, colour: Colour) -> None:
        cv2.fillPoly(self.pixels, [self._fixed(shape)], colour, cv2.LINE_AA, _FRACTION_BITS)

    def stroke(self, line: Outline, colour: Colour, width: float, *, closed: bool = False) -> None:
        thickness = max(1, round(width * self._scale))
        cv2.polylines(self.pixels, [self._fixed(line)], closed, colour, thickness, cv2.LINE_AA, _FRACTION_BITS)

    def blend(self, shape: Outline, colour: Colour, alpha: float, *, soften: float = 0.0) -> None:
        """Mix `colour` in; `soften` blurs the shape's edge over that many units."""
        region = self.region(shape, soften=soften)
        self.mix(region, colour, region.alpha * np.float32(alpha))

    def fade(self, shape: Outline, colour: Colour, *, top: float, bottom: float) -> None:
        """Mix `colour` in, by an amount that runs from `top` to `bottom` over the shape's height; below 0 is none."""
        region = self.region(shape)
        ramp = np.linspace(top, bottom, region.alpha.shape[0], dtype=np.float32).clip(0, 1)
        self.mix(region, colour, region.alpha * ramp[:, None])

    def mix(self, region: Region, colour: Colour, alpha: Alpha) -> None:
        if alpha.size:
            under = self.pixels[region.rows, region.columns].astype(np.float32)
            under += (np.array(colour, np.float32) - under) * alpha[..., None]
            self.pixels[region.rows, region.columns] = np.rint(under).astype(np.uint8)

    def region(self, shape: Outline, *, soften: float = 0.0) -> Region:
        """The pixels that a shape covers, and how fully."""
        sigma = soften * self._scale
        points = self.to_pixels(shape)
        left, top, right, bottom = extent(points)
        margin = 2 + 2 * sigma
        columns, rows = self._span(left - margin, right + margin), self._span(top - margin, bottom + margin)
        mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        if mask.size:
            moved = _fixed_point(points - np.array([columns.start, rows.start]))
            cv2.fillPoly(mask, [moved], 255, cv2.LINE_AA, _FRACTION_BITS)
            mask = cv2.GaussianBlur(mask, (0, 0), sigma) if sigma > 0.3 else mask
        return Region(rows, columns, mask.astype(np.float32) / np.float32(255))

    @contextmanager
    def clipped(self, shape: Outline) -> Iterator[None]:
        """Whatever is drawn within the block shows inside `shape` only."""
        before = self.pixels.copy()
        yield
        mask = np.zeros(self.pixels.shape[:2], np.uint8)
        cv2.fillPoly(mask, [self._fixed(shape)], 255, cv2.LINE_8, _FRACTION_BITS)
        self.pixels = cv2.copyTo(self.pixels, mask, before)

    def changed_since(self, before: Pixels) -> BboxXywh | None:
        """The tight box, in pixels of the finished frame, of what looks different from `before`."""
        red, green, blue = cv2.split(cv2.absdiff(self.pixels, before))
        change = cv2.max(cv2.max(red, green), blue) > VISIBLE_CHANGE
        x, y, width, height = cv2.boundingRect(change.astype(np.uint8))
        if not width:
            return None
        return x / OVERSAMPLING, y / OVERSAMPLING, width / OVERSAMPLING, height / OVERSAMPLING

    def finished(self) -> Pixels:
        """The (size, size, 3) frame."""
        return np.asarray(cv2.resize(self.pixels, (self.size, self.size), interpolation=cv2.INTER_AREA))

    def to_pixels(self, points: Outline) -> Outline:
        return np.asarray(points @ self._matrix[:, :2].T + self._matrix[:, 2])

    def _fixed(self, points: Outline) -> NDArray[np.int32]:
        return _fixed_point(self.to_pixels(points))

    def _span(self, start: float, stop: float) -> slice:
        last = self.pixels.shape[0]
        return slice(min(max(int(start), 0), last), min(max(int(np.ceil(stop)), 0), last))


def _fixed_point(points: Outline) -> NDArray[np.int32]:
    return np.asarray(np.rint(points * 2**_FRACTION_BITS), np.int32)
