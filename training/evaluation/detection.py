"""A detector's predictions on a test set, matched once, ready to be weighed in any way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datasets.coco import Dataset
from training.evaluation.counts import (
    Quality,
    calibration_counts,
    quality,
    roc_areas,
    served_counts,
    weigh,
)
from training.evaluation.masks import has_mask, to_mask_pair
from training.evaluation.matching import (
    Area,
    Bools,
    ClassMatches,
    Coco,
    Floats,
    Ints,
    Matches,
    match,
    to_ground_truth,
)
from training.evaluation.mistakes import Mistakes, find_mistakes
from training.evaluation.precision import average_precision, mean_average_precision, mean_of_known
from training.evaluation.resampling import families_of

PRIMARY = "mAP50-95"


@dataclass(frozen=True)
class DetectorEvaluation:
    """`results` are COCO's, numbered like `truth`; `thresholds` are what is served above, by class name.

    Of `areas`, matched for objects of that size alone, the first is all. `category_ids` are the classes that count, the
    rectangle ones when none are given.
    """

    truth: Dataset
    results: Sequence[Coco]
    thresholds: Mapping[str, float]
    areas: Sequence[Area] = ("all",)
    category_ids: Sequence[int] | None = None

    primary_name = PRIMARY
    class_metric = "AP50"

    @cached_property
    def ground_truth(self) -> Coco:
        return to_ground_truth(self.truth, self._ids)

    @cached_property
    def matches(self) -> Matches:
        return self.by_area["all"]

    @cached_property
    def by_area(self) -> Mapping[Area, Matches]:
        return match(self.ground_truth, self.results, self.areas)

    @cached_property
    def mask_matches(self) -> Matches | None:
        """By masks rather than boxes; None where no result has one, or the truth has no outline."""
        if not any(map(has_mask, self.results)):
            return None
        pair = to_mask_pair(self.truth, self.results, self._ids)
        return match(*pair, by="segm")["all"] if pair else None

    @cached_property
    def families(self) -> Ints:
        return families_of(self.truth.images)

    @cached_property
    def class_names(self) -> dict[int, str]:
        """By category id, in the taxonomy's order."""
        return {category_id: self.truth.taxonomy.name(category_id) for category_id in self.matches}

    @cached_property
    def objects(self) -> dict[str, int]:
        """How many each class has in the truth."""
        return {name: int(self.matches[k].objects.sum()) for k, name in self.class_names.items()}

    @cached_property
    def mistakes(self) -> Mistakes:
        return find_mistakes(self.ground_truth, self.results, self._thresholds_by_id)

    def primary(self, weights: Floats) -> Floats:
        """mAP50-95 by weighting: (B,)."""
        return mean_average_precision(self.matches, weights)

    def primary_on(self, weights: Floats, images: Bools) -> Floats:
        """mAP50-95 by weighting, (B,), on some images, (I,)."""
        return mean_average_precision({k: found.on(images) for k, found in self.matches.items()}, weights)

    def by_class(self, weights: Floats) -> dict[str, Floats]:
        """AP50 by weighting, (B,), of each class that has objects."""
        known = {k: name for k, name in self.class_names.items() if self.objects[name]}
        return {name: average_precision(self.matches[k], weights, ious=1)[:, 0] for k, name in known.items()}

    def served(self, images: Bools | None = None) -> dict[str, Ints]:
        """(I, 3) hits, wrong and objects at the thresholds, by class; of some images alone."""
        chosen = self._on(images)
        return {name: served_counts(chosen[k], self._thresholds_by_id[k]) for k, name in self.class_names.items()}

    def served_quality(self, weights: Floats) -> dict[str, Quality]:
        """Precision, recall and F1 at IoU 0.5 and the thresholds, (B,) each, by class."""
        return {name: quality(*np.moveaxis(weigh(weights, by), -1, 0)) for name, by in self.served().items()}

    def roc(self, weights: Floats) -> dict[str, Floats]:
        """AUC-ROC of telling images that show a class from those known not to, by their best score: (B,) by class."""
        return {name: self._roc(k, weights) for k, name in self.class_names.items()}

    def calibration(self) -> Floats:
        """(I, 15, 3) of what is served: `calibration_counts`; right is a hit at IoU 0.5."""
        parts = [self._calibration(found, self._thresholds_by_id[k]) for k, found in self.matches.items()]
        counts: Floats = np.sum(parts, axis=0)
        return counts

    def sliced_map50(self, weights: Floats, images: Bools, area: Area = "all") -> Floats:
        """mAP50 by weighting, (B,), on some images, of objects of a size."""
        on = [found.on(images) for found in self.by_area[area].values()]
        return mean_of_known([average_precision(found, weights, ious=1)[:, 0] for found in on])

    @cached_property
    def _thresholds_by_id(self) -> dict[int, float]:
        return {k: self.thresholds[self.truth.taxonomy.name(k)] for k in self._ids}

    @cached_property
    def _ids(self) -> Sequence[int]:
        return self.truth.taxonomy.ids("rectangle") if self.category_ids is None else self.category_ids

    @cached_property
    def _known(self) -> list[set[int]]:
        return [self.truth.known_category_ids(image.sha256) for image in self.truth.images]

    def _on(self, images: Bools | None) -> Mapping[int, ClassMatches]:
        if images is None:
            return self.matches
        return {k: found.on(images) for k, found in self.matches.items()}

    def _roc(self, category_id: int, weights: Floats) -> Floats:
        found = self.matches[category_id]
        best = np.zeros(len(found.objects))
        np.maximum.at(best, found.image_of, found.scores)
        known = np.array([category_id in ids for ids in self._known], np.bool_)
        return roc_areas(best[known], found.objects[known] > 0, weights[:, known])

    def _calibration(self, found: ClassMatches, threshold: float) -> Floats:
        counted = (found.scores > threshold) & ~found.ignored[0]
        return calibration_counts(
            len(found.objects), found.image_of[counted], found.scores[counted], found.hits[0][counted]
        )
