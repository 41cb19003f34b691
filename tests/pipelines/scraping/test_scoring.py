"""Scores by a published model, run for real on a graph that always answers the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.errors import BadProject
from pipelines.scraping.scoring import load_score
from scrapers.settings import RelevanceSettings
from tests.nuclio_functions.conftest import SIZE, write_constant_graph
from training.bundle import BundleSpec, write_bundle


def _publish(folder: Path, task: Any, classes: tuple[str, ...], answer: Any) -> Path:
    graph = write_constant_graph(folder / "graph.onnx", np.array(answer))
    model: Any = {"classifier": "cleanliness_classifier", "detector": "damage_detector"}[task]
    spec = BundleSpec(task=task, model=model, version="1", class_names=classes, image_size=SIZE)
    return folder / write_bundle(folder, spec, graph)


def test_a_classifiers_score_is_that_of_the_classes_that_are_cars(
    tmp_path: Path, photograph: Callable[[int], bytes]
) -> None:
    bundle = _publish(tmp_path, "classifier", ("car", "van", "cat"), [[0.5, 0.2, 0.3]])
    score = load_score(RelevanceSettings(bundle=bundle, classes=("car", "van"), min_score=0.5))
    assert score is not None
    assert score(photograph(1)) == pytest.approx(0.7, abs=1e-3)


def test_a_detectors_score_is_its_best_objects(tmp_path: Path, photograph: Callable[[int], bytes]) -> None:
    bundle = _publish(tmp_path, "detector", ("cat", "car"), [[[32.0], [32.0], [20.0], [10.0], [0.01], [0.87]]])
    settings = RelevanceSettings(bundle=bundle, classes=("car",), min_score=0.5)
    score = load_score(settings)
    assert score is not None
    assert score(photograph(1)) == pytest.approx(0.87, abs=1e-3)


def test_a_least_score_without_a_model_is_told() -> None:
    assert load_score(RelevanceSettings()) is None
    with pytest.raises(BadProject, match="name a published bundle's folder as bundle:"):
        load_score(RelevanceSettings(min_score=0.5))
