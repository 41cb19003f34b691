"""Where a box goes next: a Kalman filter of constant velocity over its middle and size.

The state is (x, y, width, height) and the changes of each from frame to frame. As each of the four is independent of
the others, a covariance is told by three rows of four: of the values, between values and changes, of the changes.
"""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from nuclio_functions.tracking.picture import Box

Floats = NDArray[np.float64]

# Standard deviations in parts of the box's size.
_ACCELERATION = 0.05, 0.05, 0.01, 0.01
_FIRST_CHANGE = 0.3, 0.3, 0.05, 0.05
_FIRST_ERROR = 0.01


class Motion:
    """The filter; `mean` has eight numbers and `variances` (3, 4)."""

    def __init__(self, mean: Floats, variances: Floats) -> None:
        self._filter = cv2.KalmanFilter(8, 4, 0, cv2.CV_64F)
        self._filter.transitionMatrix = np.eye(8) + np.eye(8, k=4)
        self._filter.measurementMatrix = np.eye(4, 8)
        self._filter.statePost = mean.reshape(8, 1).copy()
        values, between, changes = (np.diag(row) for row in variances)
        self._filter.errorCovPost = np.block([[values, between], [between, changes]])

    @classmethod
    def start(cls, box: Box) -> "Motion":
        """A box that may go anywhere."""
        changes = np.square(np.array(_FIRST_CHANGE) * box.size)
        values = np.full(4, (_FIRST_ERROR * box.size) ** 2)
        mean = np.array([box.x, box.y, box.width, box.height, 0, 0, 0, 0])
        return cls(mean, np.stack([values, np.zeros(4), changes]))

    @property
    def mean(self) -> Floats:
        return cast(Floats, self._filter.statePost).ravel()

    @property
    def variances(self) -> Floats:
        covariance = cast(Floats, self._filter.errorCovPost)
        return np.stack([np.diag(covariance)[:4], np.diag(covariance, k=4), np.diag(covariance)[4:]])

    def predict(self) -> Box:
        """Where the box should be on the next frame."""
        size = float(np.sqrt(max(self.mean[2] * self.mean[3], 1)))
        noise = np.square(np.array(_ACCELERATION) * size)
        self._filter.processNoiseCov = np.block(
            [[np.diag(noise / 4), np.diag(noise / 2)], [np.diag(noise / 2), np.diag(noise)]]
        )
        x, y, width, height = self._filter.predict().ravel()[:4].tolist()
        return Box(x, y, max(width, 1), max(height, 1))

    def correct(self, seen: Box, *, error: float) -> Box:
        """Where the box is, given where it was seen with a standard `error` in parts of its size."""
        self._filter.measurementNoiseCov = np.eye(4) * (error * seen.size) ** 2
        measured = np.array([[seen.x], [seen.y], [seen.width], [seen.height]])
        x, y, width, height = self._filter.correct(measured).ravel()[:4].tolist()
        return Box(x, y, max(width, 1), max(height, 1))
