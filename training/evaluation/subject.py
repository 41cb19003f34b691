"""What is evaluated: predictions of one model on one test set, and how sure to be. All a report is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from datasets.coco import Dataset
from training.assessability import Visibility
from training.evaluation.classification import ClassifierEvaluation
from training.evaluation.detection import DetectorEvaluation
from training.evaluation.matching import Area, Coco, shape_ids

RESAMPLES = 1000
SubjectTask = Literal["detector", "classifier", "segmenter"]
Evaluation = DetectorEvaluation | ClassifierEvaluation


@dataclass(frozen=True)
class Subject:
    """`model` is name@version; `test_set` the digest of the version that `truth` is.

    `results` are COCO's, numbered in the order of `truth`; a classifier's lack the box. `thresholds` are by class name.
    A detector is of rectangle classes, a segmenter of all but tags.
    """

    model: str
    bundle: str
    task: SubjectTask
    test_set: str
    thresholds: Mapping[str, float]
    truth: Dataset = field(repr=False)
    results: Sequence[Coco] = field(repr=False)
    visibility: Mapping[str, Visibility] = field(default_factory=dict, repr=False)
    resamples: int = RESAMPLES
    seed: int = 0

    def evaluation(self, areas: Sequence[Area] = ("all",)) -> Evaluation:
        """The predictions, ready to be weighed; a detector's for objects of these sizes too."""
        if self.task == "classifier":
            return ClassifierEvaluation(self.truth, self.results)
        ids = shape_ids(self.truth.taxonomy) if self.task == "segmenter" else None
        return DetectorEvaluation(self.truth, self.results, self.thresholds, areas, ids)

    def told(self) -> dict[str, Any]:
        """All but truth, results and visibility, as JSON."""
        return {
            "model": self.model,
            "bundle": self.bundle,
            "task": self.task,
            "test_set": self.test_set,
            "thresholds": dict(self.thresholds),
            "resamples": self.resamples,
            "seed": self.seed,
        }
