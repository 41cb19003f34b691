"""Truth and predictions as of a fair detector, made from a seed. Boxes of truth are xywh pixels, of predictions xyxy.

Nine of ten objects are found, every tenth of them as another class; a third are found again, less well; the rest of
the predictions are anywhere, with low scores. Sides are 8 to 400 pixels: some are small, some medium, some large.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from datasets.coco import Annotation, Dataset, Image, make_dataset, with_negatives
from datasets.taxonomy import Category, Taxonomy
from training.predictors import Detection

CLASSES = tuple(f"c{number}" for number in range(1, 9))
WIDTH, HEIGHT = 1280, 960


def make_truth_and_predictions(
    *, images: int, truths: int, detections: int, seed: int
) -> tuple[Dataset, Mapping[str, list[Detection]]]:
    """So many of each; images have different numbers of them, and every image was searched for every class."""
    random = np.random.default_rng(seed)
    sha256s = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(images)]
    share = random.gamma(2, size=images)
    places = random.choice(images, truths, p=share / share.sum())
    boxes_xyxy, category_ids = _random_boxes(truths, random), random.integers(1, len(CLASSES) + 1, truths)
    taxonomy = Taxonomy(categories=tuple(Category(name=name) for name in CLASSES))
    annotations = [
        Annotation(sha256s[place], category_id, (left, top, right - left, bottom - top))
        for place, category_id, (left, top, right, bottom) in zip(
            places.tolist(), category_ids.tolist(), boxes_xyxy.tolist(), strict=True
        )
    ]
    records = [Image(sha256, f"{sha256}.jpg", WIDTH, HEIGHT, family=sha256) for sha256 in sha256s]
    truth = with_negatives(make_dataset(taxonomy, records, annotations), taxonomy.ids())
    found = _find(places, boxes_xyxy, category_ids, detections, images, random)
    predictions: dict[str, list[Detection]] = {sha256: [] for sha256 in sha256s}
    for place, category_id, bbox_xyxy, score in zip(*(column.tolist() for column in found), strict=True):
        predictions[sha256s[place]].append(Detection(CLASSES[category_id - 1], tuple(bbox_xyxy), score))
    return truth, predictions


def _random_boxes(count: int, random: np.random.Generator) -> NDArray[np.float64]:
    sides = np.exp(random.uniform(np.log(8), np.log(400), (count, 2)))
    left_top = random.uniform(size=(count, 2)) * ((WIDTH, HEIGHT) - sides)
    return np.concatenate([left_top, left_top + sides], axis=1).round(2)


def _find(
    places: NDArray[np.int64],
    boxes_xyxy: NDArray[np.float64],
    category_ids: NDArray[np.int64],
    count: int,
    images: int,
    random: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """So many detections: image, class, box and score."""
    once = np.flatnonzero(random.uniform(size=len(places)) < 0.9)
    again = random.choice(once, len(once) // 3, replace=False)
    hits = np.concatenate([once, again])[:count]
    jitter = np.where(np.arange(len(hits)) < len(once), 0.04, 0.12)[:, None]
    sides = boxes_xyxy[hits, 2:] - boxes_xyxy[hits, :2]
    moved = boxes_xyxy[hits] + random.normal(0, 1, (len(hits), 4)) * jitter * np.tile(sides, 2)
    moved = np.concatenate([np.minimum(moved[:, :2], moved[:, 2:]), np.maximum(moved[:, :2], moved[:, 2:])], axis=1)
    guessed = (category_ids[hits] + (random.uniform(size=len(hits)) < 0.1) - 1) % len(CLASSES) + 1
    rest = count - len(hits)
    return (
        np.concatenate([places[hits], random.integers(0, images, rest)]),
        np.concatenate([guessed, random.integers(1, len(CLASSES) + 1, rest)]),
        np.concatenate([moved.clip(0, (WIDTH, HEIGHT) * 2), _random_boxes(rest, random)]),
        np.concatenate([random.beta(5, 2, len(hits)), random.beta(1, 6, rest)]),
    )
