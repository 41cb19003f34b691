"""A classifier's predictions on a test set, ready to be weighed in any way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datasets.coco import Dataset
from training.evaluation.counts import Quality, calibration_counts, quality, roc_areas, weigh
from training.evaluation.matching import Bools, Coco, Floats, Ints
from training.evaluation.precision import mean_of_known
from training.evaluation.resampling import families_of
from training.predictors import ClassScore

PRIMARY = "macro F1"


def to_results(truth: Dataset, predictions: Mapping[str, Sequence[ClassScore]]) -> list[Coco]:
    """Scores by SHA-256 as COCO's results without a box, numbered like `to_coco_pair`'s."""
    return [
        {"image_id": number, "category_id": truth.taxonomy.category_id(ranked.class_name), "score": ranked.score}
        for number, image in enumerate(truth.images, start=1)
        for ranked in predictions.get(image.sha256, ())
    ]


@dataclass(frozen=True)
class ClassifierEvaluation:
    """`results` are those of `to_results`. Images of `truth` that have not exactly one tag do not count."""

    truth: Dataset
    results: Sequence[Coco]

    primary_name = PRIMARY
    class_metric = "F1"

    @cached_property
    def families(self) -> Ints:
        return families_of(self.truth.images)

    @cached_property
    def class_names(self) -> dict[int, str]:
        """By category id, in the taxonomy's order."""
        return {category_id: self.truth.taxonomy.name(category_id) for category_id in self.truth.taxonomy.ids("tag")}

    @cached_property
    def objects(self) -> dict[str, int]:
        """How many images each class has in the truth."""
        return {name: int((self.expected == place).sum()) for place, name in enumerate(self.class_names.values())}

    @cached_property
    def expected(self) -> Ints:
        """(I,): the place of each image's class; -1 for one that does not count."""
        places = {category_id: place for place, category_id in enumerate(self.class_names)}
        tagged = (i.tags[0].category_id if len(i.tags) == 1 else None for i in self.truth.images)
        return np.array([-1 if tag is None else places[tag] for tag in tagged], np.int64)

    @cached_property
    def scores(self) -> Floats:
        """(I, C) in [0, 1]."""
        places = {category_id: place for place, category_id in enumerate(self.class_names)}
        scores = np.zeros((len(self.truth.images), len(places)))
        for result in self.results:
            scores[result["image_id"] - 1, places[result["category_id"]]] = result["score"]
        return scores

    @cached_property
    def confusion(self) -> Ints:
        """(I, C, C): the true class by the predicted one."""
        count = len(self.class_names)
        confusion = np.zeros((len(self.expected), count, count), np.int64)
        tagged = np.flatnonzero(self.expected >= 0)
        confusion[tagged, self.expected[tagged], self.scores[tagged].argmax(1)] = 1
        return confusion

    def primary(self, weights: Floats) -> Floats:
        """Macro F1 over the classes in the truth, by weighting: (B,)."""
        return mean_of_known(list(self.by_class(weights).values()))

    def by_class(self, weights: Floats) -> dict[str, Floats]:
        """F1 by weighting, (B,), of each class that has images; NaN where a weighting leaves none."""
        found = self.quality(weights)
        objects = weigh(weights, self.confusion).sum(2)
        return {
            name: np.where(objects[:, place] > 0, found[name].f1, np.nan)
            for place, name in enumerate(self.class_names.values())
            if self.objects[name]
        }

    def quality(self, weights: Floats, images: Bools | None = None) -> dict[str, Quality]:
        """Precision, recall and F1 by weighting, (B,) each, by class; on some images alone."""
        sums = weigh(weights if images is None else weights * images, self.confusion)
        hits, predicted, objects = np.einsum("bkk->bk", sums), sums.sum(1), sums.sum(2)
        of = quality(hits, predicted - hits, objects)
        return {
            name: Quality(of.precision[:, place], of.recall[:, place], of.f1[:, place])
            for place, name in enumerate(self.class_names.values())
        }

    def accuracy(self, weights: Floats) -> Floats:
        """(B,) in [0, 1]."""
        sums = weigh(weights, self.confusion)
        return quality(np.einsum("bkk->b", sums), np.zeros(len(sums)), sums.sum((1, 2))).recall

    def roc(self, weights: Floats) -> dict[str, Floats]:
        """AUC-ROC of each class against the others: (B,) by class."""
        tagged = self.expected >= 0
        return {
            name: roc_areas(self.scores[tagged, place], self.expected[tagged] == place, weights[:, tagged])
            for place, name in enumerate(self.class_names.values())
        }

    def calibration(self) -> Floats:
        """(I, 15, 3) of the best class of each image: `calibration_counts`."""
        tagged = np.flatnonzero(self.expected >= 0)
        best = self.scores[tagged]
        right = best.argmax(1) == self.expected[tagged]
        return calibration_counts(len(self.expected), tagged, best.max(1, initial=0), right)

    def primary_on(self, weights: Floats, images: Bools) -> Floats:
        """Macro F1 by weighting, (B,), on some images."""
        return self.primary(weights * images)
