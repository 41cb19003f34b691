"""Outlines in design units: a frame is 1000 x 1000 of them, origin top left, whatever its size in pixels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Outline = NDArray[np.float64]
Point = tuple[float, float]
Rng = np.random.Generator

MIDDLE = 500.0


def outline(*points: Point) -> Outline:
    """The (N, 2) array of these corners."""
    return np.array(points, dtype=np.float64)


def rectangle(left: float, top: float, right: float, bottom: float) -> Outline:
    return outline((left, top), (right, top), (right, bottom), (left, bottom))


def rounded(corners: Outline, radius: float, *, steps: int = 5) -> Outline:
    """The polygon with each corner replaced by a quadratic curve that begins `radius` before it."""
    before, after = np.roll(corners, 1, axis=0) - corners, np.roll(corners, -1, axis=0) - corners
    t = np.linspace(0.0, 1.0, steps)[None, :, None]
    start, end = _stepped(corners, before, radius)[:, None], _stepped(corners, after, radius)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * corners[:, None] + t**2 * end
    return np.asarray(curve.reshape(-1, 2))


def _stepped(corners: Outline, edges: Outline, radius: float) -> Outline:
    lengths = np.linalg.norm(edges, axis=1, keepdims=True)
    return np.asarray(corners + edges * np.minimum(radius / np.maximum(lengths, 1e-9), 0.5))


def ellipse(centre: Point, radii: Point, *, degrees: float = 0.0, steps: int = 28) -> Outline:
    angles = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    ring = np.stack([np.cos(angles) * radii[0], np.sin(angles) * radii[1]], axis=1)
    return np.asarray(turned(ring, degrees) + np.array(centre))


def turned(points: Outline, degrees: float, *, about: Point = (0.0, 0.0)) -> Outline:
    """The points rotated clockwise as seen in the image."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    pivot = np.array(about)
    return np.asarray((points - pivot) @ np.array([[cos, sin], [-sin, cos]]) + pivot)


def lowered(points: Outline, by: float) -> Outline:
    """The points moved down."""
    return np.asarray(points + np.array([0.0, by]))


def mirrored(points: Outline) -> Outline:
    """The points on the other side of the frame's vertical middle line."""
    return np.asarray(points * np.array([-1.0, 1.0]) + np.array([2 * MIDDLE, 0.0]))


def symmetric(*left_half: Point) -> Outline:
    """A polygon from its left half, given from top to bottom or bottom to top."""
    left = outline(*left_half)
    return np.concatenate([left, mirrored(left)[::-1]])


def torn(centre: Point, radii: Point, rng: Rng, *, teeth: int = 11) -> Outline:
    """A jagged hole."""
    angles = np.sort((np.arange(teeth) + rng.uniform(-0.35, 0.35, teeth)) * 2 * np.pi / teeth)
    reach = rng.uniform(0.6, 1.0, teeth)[:, None] * np.array(radii)
    return np.asarray(np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach + np.array(centre))


def zigzag(start: Point, end: Point, rng: Rng, *, sway: float, steps: int = 5) -> Outline:
    """A broken line from `start` to `end` whose inner points stray up to `sway` to either side."""
    straight = np.linspace(start, end, steps + 1)
    along = np.array(end) - np.array(start)
    across = np.array([-along[1], along[0]]) / max(float(np.linalg.norm(along)), 1e-9)
    stray = rng.uniform(-sway, sway, steps + 1)
    stray[[0, -1]] = 0.0
    return np.asarray(straight + stray[:, None] * across)


def extent(points: Outline) -> tuple[float, float, float, float]:
    """left, top, right, bottom."""
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def inside(points: Outline, x: float, y: float) -> Point:
    """The place at the fractions x and y of the outline's extent."""
    left, top, right, bottom = extent(points)
    return left + x * (right - left), top + y * (bottom - top)


def at_height(start: Point, end: Point, y: float) -> float:
    """Where the line through two points has the height `y`."""
    return start[0] + (end[0] - start[0]) * (y - start[1]) / (end[1] - start[1])


def joined(outlines: Sequence[Outline]) -> Outline:
    """The points of several outlines, for their common extent."""
    return np.concatenate(list(outlines))
