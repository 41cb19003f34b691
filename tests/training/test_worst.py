"""The grid of worst errors of a detector that marks nothing, or too much, on three photographs of two cars."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.coco import Annotation, Image, make_dataset, with_negatives
from datasets.crops import Crop
from datasets.taxonomy import Category, Taxonomy
from training.charts import FOUND, TRUTH, draw_grid
from training.evaluation.matching import to_results
from training.evaluation.subject import Subject
from training.predictors import Detection
from training.worst import worst_tiles

TAXONOMY = Taxonomy(categories=(Category(name="dent"), Category(name="clean", kind="tag")))
SQUARE = (10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0)
STRAY = Detection("dent", (40, 40, 50, 50), 0.9)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> tuple[Subject, Path]:
    """Two photographs of one car, of which the second has an error more, and one of another."""
    store = tmp_path_factory.mktemp("store")
    cv2.imwrite(str(store / "a.png"), np.full((60, 80, 3), 120, np.uint8))
    images = [
        Image(letter * 64, "a.png", 80, 60, family=car)
        for letter, car in zip("abc", ("one", "one", "two"), strict=True)
    ]
    annotations = [Annotation(one.sha256, 1, (10, 10, 20, 20), segmentation=(SQUARE,)) for one in images]
    truth = with_negatives(make_dataset(TAXONOMY, images, annotations), [1])
    results = to_results(truth, {"b" * 64: [STRAY]})
    return Subject("d@1", "b" * 64, "detector", "t" * 64, {"dent": 0.25}, truth, results), store


def test_of_a_cars_photographs_the_worst_alone_is_shown(subject: tuple[Subject, Path]) -> None:
    captions = [tile.caption for tile in worst_tiles(*subject)]

    assert captions == ["bbbbbbbb: 1 missed, 1 spurious", "cccccccc: 1 missed, 0 spurious"]


def test_boxes_are_drawn_of_a_model_without_masks(subject: tuple[Subject, Path]) -> None:
    tile = worst_tiles(*subject)[0]

    assert [(box.colour, box.outline) for box in tile.boxes] == [(TRUTH, ()), (FOUND, ())]


def test_outlines_are_drawn_of_a_model_with_masks(subject: tuple[Subject, Path]) -> None:
    boxed, store = subject
    masked = replace(STRAY, mask=Crop(40, 40, np.ones((10, 10), np.bool_)))
    tiles = worst_tiles(replace(boxed, results=to_results(boxed.truth, {"b" * 64: [masked]})), store)

    assert all(box.outline for tile in tiles for box in tile.boxes)
    corners = np.array(tiles[0].boxes[1].outline[0]).reshape(-1, 2)
    assert corners.min(0) == pytest.approx([40, 40], abs=0.5)
    assert corners.max(0) == pytest.approx([50, 50], abs=0.5)
    assert draw_grid(tiles).startswith(b"\x89PNG")
