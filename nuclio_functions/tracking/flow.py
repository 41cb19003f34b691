"""How the content of one crop lies on the next: corners followed by optical flow, and what most of them agree on.

Sources: Lucas and Kanade (1981) on pyramids (Bouguet, 2000); the check forward and backward is that of Kalal,
Mikolajczyk and Matas, "Forward-Backward Error" (2010).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from nuclio_functions.tracking.picture import Grey, Points

MAX_CORNERS = 150
MIN_CORNERS = 6
MIN_SHARE = 0.4
"""The share of corners that have to agree."""
MAX_RETURN_ERROR = 1.0
MAX_DISAGREEMENT = 1.5
SCALES = 0.75, 1.33

WINDOW = 15
"""The side of what is compared around a corner, in pixels."""


def follow(before: Grey, after: Grey, inside: Grey) -> NDArray[np.float64] | None:
    """The (2, 3) matrix of turning, scaling and moving by which what is `inside` went over from one crop to the other.

    None where too few corners can be followed, or they do not agree.
    """
    corners = cv2.goodFeaturesToTrack(before, MAX_CORNERS, qualityLevel=0.01, minDistance=3, mask=inside)
    if corners is None or len(corners) < MIN_CORNERS:
        return None
    after = as_bright_as(before, after)
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, None, winSize=(WINDOW, WINDOW), maxLevel=3)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, winSize=(WINDOW, WINDOW), maxLevel=3)
    returned = np.linalg.norm((back - corners).reshape(-1, 2), axis=1) < MAX_RETURN_ERROR
    kept = returned & (found.ravel() == 1) & (found_back.ravel() == 1)
    if kept.sum() < MIN_CORNERS:
        return None
    matrix, agreeing = cv2.estimateAffinePartial2D(
        corners[kept], there[kept], method=cv2.RANSAC, ransacReprojThreshold=MAX_DISAGREEMENT
    )
    if matrix is None or agreeing.sum() < max(MIN_CORNERS, MIN_SHARE * len(corners)):
        return None
    return matrix if SCALES[0] < scale_of(matrix) < SCALES[1] else None


def as_bright_as(model: Grey, crop: Grey) -> Grey:
    """A crop with the mean and the contrast of another: flow takes brightness for constant."""
    gain = model.std() / max(float(crop.std()), 1.0)
    shifted = (crop - crop.mean()) * gain + model.mean()
    alike: Grey = np.clip(shifted, 0, 255).astype(np.uint8)
    return alike


def scale_of(matrix: NDArray[np.float64]) -> float:
    """How much larger a matrix of `follow` makes things."""
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def apply(matrix: NDArray[np.float64], points: Points) -> Points:
    """Points moved by a (2, 3) matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]
