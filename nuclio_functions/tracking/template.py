"""What an object looks like: a small picture of it, by which it is known and found again.

Likeness is the normalized correlation of grey values, in [-1, 1]: it does not change with brightness or contrast.
"""

import cv2
import numpy as np

from nuclio_functions.tracking.picture import Box, Grey, confine, cut, fit

TEMPLATE_SIDE = 64
PLAIN = 2.0
"""A template that varies by less, in grey values, looks like anything."""
RECOGNIZED = 0.6
SCALES = 0.8, 0.9, 1.0, 1.1, 1.25
MAX_REACH = 3.0


def take(picture: Grey, box: Box) -> Grey:
    """What lies under a box."""
    return cut(picture, confine(box, picture), fit(box, TEMPLATE_SIDE))


def likeness(picture: Grey, box: Box, template: Grey) -> float:
    """How much what lies under a box looks like the template; 1 for a plain one."""
    if template.std() < PLAIN:
        return 1.0
    height, width = template.shape
    patch = cut(picture, confine(box, picture), (width, height))
    return _correlate(patch, template)[0]


def renew(template: Grey, picture: Grey, box: Box, *, share: float) -> Grey:
    """The template with a share of what lies under a box now, as objects turn and light changes."""
    height, width = template.shape
    patch = cut(picture, confine(box, picture), (width, height))
    renewed: Grey = cv2.addWeighted(template, 1 - share, patch, share, 0)
    return renewed


def find(picture: Grey, template: Grey, expected: Box, *, reach: float) -> Box | None:
    """Where the object lies up to `reach` times its size from where it is expected; None if it cannot be recognized."""
    if template.std() < PLAIN:
        return None
    height, width = template.shape
    around = 1 + 2 * min(reach, MAX_REACH)
    size = round(width * around), round(height * around)
    best, place = RECOGNIZED, None
    for scale in SCALES:
        box = expected.scaled(scale)
        window = confine(box.scaled(around), picture)
        searched = cut(picture, window, size)
        score, (x, y) = _correlate(searched, template)
        if score > best:
            left, top, *_ = window.xyxy
            gain_x, gain_y = window.width / size[0], window.height / size[1]
            middle = left + (x + width / 2) * gain_x, top + (y + height / 2) * gain_y
            best, place = score, Box(*middle, width * gain_x, height * gain_y)
    return place


def _correlate(picture: Grey, template: Grey) -> tuple[float, tuple[int, int]]:
    scores = np.nan_to_num(cv2.matchTemplate(picture, template, cv2.TM_CCOEFF_NORMED))
    _, best, _, place = cv2.minMaxLoc(scores)
    return float(best), place
