"""Scores of class probabilities, beside scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from training.classifying.scores import auc_roc, calibration_error, precision_recall, score

CHANCE = np.random.default_rng(0)
TARGETS = CHANCE.integers(0, 3, 200)
LOGITS = CHANCE.normal(size=(200, 3)) + 1.5 * np.eye(3)[TARGETS]
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)


def test_scores_are_scikit_learns() -> None:
    found = score(PROBABILITIES, TARGETS, ("a", "b", "c"))
    best = PROBABILITIES.argmax(1)

    assert found.macro_f1 == pytest.approx(metrics.f1_score(TARGETS, best, average="macro"))
    assert found.accuracy == pytest.approx(metrics.accuracy_score(TARGETS, best))
    assert found.auc_roc == pytest.approx(metrics.roc_auc_score(TARGETS, PROBABILITIES, multi_class="ovr"))
    assert found.confusion == metrics.confusion_matrix(TARGETS, best).tolist()
    assert found.by_class["b"].precision == pytest.approx(metrics.precision_score(TARGETS, best, average=None)[1])


def test_a_class_without_images_changes_neither_f1_nor_auc() -> None:
    wide = np.hstack([PROBABILITIES, np.zeros((200, 1))])
    narrow, found = score(PROBABILITIES, TARGETS, "abc"), score(wide, TARGETS, "abcd")

    assert found.macro_f1 == narrow.macro_f1
    assert found.auc_roc == narrow.auc_roc


def test_one_class_alone_has_no_auc() -> None:
    assert auc_roc(np.array([[0.9, 0.1]]), np.array([0])) is None


def test_calibration_error_is_how_far_sure_is_from_right() -> None:
    sure = np.array([[0.9, 0.1]] * 10)

    assert calibration_error(sure, np.array([0] * 9 + [1])) == pytest.approx(0)
    assert calibration_error(sure, np.array([0] * 4 + [1] * 6)) == pytest.approx(0.5)


def test_precision_against_recall_goes_from_the_surest_on() -> None:
    recalls, precisions = precision_recall(np.array([0.9, 0.8, 0.1]), np.array([True, False, True]))

    assert recalls == [0.5, 0.5, 1]
    assert precisions == pytest.approx([1, 0.5, 2 / 3])
