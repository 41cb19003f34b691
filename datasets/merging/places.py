"""Where originals lie in the final pictures: those of one class at one place are one object without further ado."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.digests import COORDINATE_DECIMALS, hundredths, sort_by, sort_keys, starts_of_runs
from datasets.merging.atoms import Atoms


@dataclass(frozen=True)
class Frames:
    """For each picture: which its annotations are shown on, and the scale (x, y) from its pixels to that one's."""

    shown_on: NDArray[np.int64]
    scale: NDArray[np.float64]

    @property
    def scaled(self) -> dict[int, tuple[float, float]]:
        """The scale of each picture that is shown on another."""
        pictures = np.flatnonzero(self.shown_on != np.arange(len(self.shown_on))).tolist()
        return {picture: (float(self.scale[picture, 0]), float(self.scale[picture, 1])) for picture in pictures}


@dataclass(frozen=True)
class Places:
    """P distinct (picture, class, box to 0.01 px), in that order, and the originals at each.

    `members[starts[p]:starts[p + 1]]` are the atoms at place p. `boxes_xyxy` (P, 4) is in pixels of the shown picture.
    """

    pictures: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float64]
    members: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pictures)


def find_places(atoms: Atoms, frames: Frames) -> Places:
    """The places of all atoms, in canonical order whatever order the atoms are in."""
    boxes = _shown_boxes(atoms, frames)
    pictures, category_ids = frames.shown_on[atoms.pictures], atoms.columns[:, 1]
    order, keys = sort_by(sort_keys([pictures, category_ids, *boxes.T]))
    starts = np.flatnonzero(starts_of_runs(keys))
    del keys
    kept = order[starts]
    xywh = boxes[kept] / 10**COORDINATE_DECIMALS
    xywh[:, 2:] += xywh[:, :2]
    return Places(
        pictures=pictures[kept],
        category_ids=category_ids[kept],
        boxes_xyxy=xywh,
        members=order,
        starts=np.append(starts, len(order)),
    )


def _shown_boxes(atoms: Atoms, frames: Frames) -> NDArray[np.int64]:
    """Boxes as xywh in 0.01 px of the pictures that they are shown on: (N, 4)."""
    boxes = atoms.columns[:, 2:6]
    moved = np.flatnonzero(frames.shown_on[atoms.pictures] != atoms.pictures)
    if not len(moved):
        return boxes
    boxes = boxes.copy()
    scale = frames.scale[atoms.pictures[moved]]
    boxes[moved] = hundredths(boxes[moved] / 10**COORDINATE_DECIMALS * np.concatenate([scale, scale], axis=1))
    return boxes
