"""From a YOLO's anchors to the boxes that stay. Boxes are pixels of the square that the graph sees."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.predicting.pictures import Floats

MAX_DETECTIONS = 300
_CHUNK = 512


@dataclass(frozen=True, slots=True)
class Kept:
    """The boxes that stay, best first: (N, 4) xyxy, (N,) scores and class ids, and which anchors they were."""

    boxes_xyxy: Floats
    scores: Floats
    class_ids: NDArray[np.intp]
    anchors: NDArray[np.intp]


def suppress(anchors: Floats, thresholds: Floats | float, iou_threshold: float) -> Kept:
    """What stays of YOLO's (4 + classes, A) anchors, centre xywh and scores: at most 300 boxes.

    Each anchor stands for its best class, and counts when its score exceeds that class's threshold (one for each
    class, or one for all). Within a class a box goes that overlaps a better one by more than `iou_threshold`.
    """
    all_scores = anchors[4:].max(axis=0)
    likely = np.flatnonzero(all_scores > np.min(thresholds))
    class_ids = anchors[4:, likely].argmax(axis=0)
    if np.ndim(thresholds):
        above = all_scores[likely] > np.asarray(thresholds)[class_ids]
        likely, class_ids = likely[above], class_ids[above]
    order = np.argsort(-all_scores[likely], kind="stable")
    likely, class_ids, scores = likely[order], class_ids[order], all_scores[likely[order]]
    centre_x, centre_y, width, height = anchors[:4, likely]
    left, top = centre_x - width / 2, centre_y - height / 2
    kept = _best(np.stack([left, top, width, height], axis=1), scores, class_ids, iou_threshold)
    boxes_xyxy = np.stack([left, top, left + width, top + height], axis=1)[kept]
    return Kept(boxes_xyxy, scores[kept], class_ids[kept], likely[kept])


def _best(boxes_xywh: Floats, scores: Floats, class_ids: NDArray[np.intp], iou_threshold: float) -> NDArray[np.intp]:
    """Which of the boxes, sorted by score, stay: at most 300.

    What stays of the best boxes stays whatever follows them. So not all are compared, which would take most of a
    second where thousands lie apart, but ever more until there are enough.
    """
    count = min(_CHUNK, len(scores))
    while True:
        some = (boxes_xywh[:count].tolist(), scores[:count].tolist(), class_ids[:count].tolist())
        kept = np.asarray(cv2.dnn.NMSBoxesBatched(*some, -1.0, iou_threshold), dtype=np.intp)
        if len(kept) >= MAX_DETECTIONS or count == len(scores):
            return kept[:MAX_DETECTIONS]
        count = min(2 * count, len(scores))
