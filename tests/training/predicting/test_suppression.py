from typing import Any

import cv2
import numpy as np
import pytest

from training.predicting.suppression import MAX_DETECTIONS, suppress


def anchors_of(rows: list[tuple[float, ...]]) -> np.ndarray:
    return np.array(rows, np.float32).T


def many_anchors(*, classes: int, spread: float, seed: int) -> np.ndarray:
    """8,400 anchors that all score: around a few places, or all over a square of 640 pixels."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(50, 590, (40, 2))[rng.integers(0, 40, 8400)] + rng.normal(0, spread, (8400, 2))
    return np.concatenate([centres, rng.uniform(10, 80, (8400, 2)), rng.uniform(0.01, 1, (8400, classes))], axis=1).T


def all_at_once(anchors: np.ndarray, iou_threshold: float) -> list[int]:
    """The same by OpenCV alone, which compares all with all."""
    boxes = np.concatenate([anchors[:2] - anchors[2:4] / 2, anchors[2:4]]).T
    scores, class_ids = anchors[4:].max(axis=0), anchors[4:].argmax(axis=0)
    kept: Any = cv2.dnn.NMSBoxesBatched(boxes.tolist(), scores.tolist(), class_ids.tolist(), -1.0, iou_threshold)
    return list(kept[:MAX_DETECTIONS])


def test_overlapping_boxes_of_other_classes_both_stay() -> None:
    kept = suppress(
        anchors_of([(50, 50, 20, 20, 0.9, 0.0), (51, 50, 20, 20, 0.8, 0.0), (51, 50, 20, 20, 0.0, 0.7)]), 0.25, 0.6
    )

    assert kept.boxes_xyxy.tolist() == [[40, 40, 60, 60], [41, 40, 61, 60]]
    assert kept.scores.tolist() == pytest.approx([0.9, 0.7])
    assert kept.class_ids.tolist() == [0, 1]
    assert kept.anchors.tolist() == [0, 2]


def test_each_class_has_its_own_threshold() -> None:
    anchors = anchors_of([(50, 50, 20, 20, 0.5, 0.0), (150, 50, 20, 20, 0.0, 0.5), (250, 50, 20, 20, 0.9, 0.0)])

    kept = suppress(anchors, np.array([0.6, 0.4], np.float32), 0.6)

    assert kept.anchors.tolist() == [2, 1]


@pytest.mark.parametrize(("classes", "spread"), [(1, 4.0), (8, 8.0), (3, 300.0)])
def test_thousands_of_boxes_end_as_if_all_had_been_compared(classes: int, spread: float) -> None:
    anchors = many_anchors(classes=classes, spread=spread, seed=classes).astype(np.float32)

    assert suppress(anchors, 0.001, 0.6).anchors.tolist() == all_at_once(anchors, 0.6)


def test_where_nothing_scores_nothing_stays() -> None:
    kept = suppress(anchors_of([(50, 50, 20, 20, 0.1)]), 0.25, 0.6)

    assert kept.boxes_xyxy.shape == (0, 4)
    assert len(kept.scores) == len(kept.class_ids) == len(kept.anchors) == 0
