"""What a trained classifier says of pictures: the exported graph's probabilities, as they would be served."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.files import digest
from training.bundle import MODEL_FILE, Bundle, BundleSpec, file_sha256
from training.classifying.pictures import read_contents, why_skipped
from training.classifying.samples import Sample
from training.classifying.scores import Probabilities, Targets
from training.errors import UndecodableImage
from training.predictors import Classifier, Pixels, decode_ahead


@dataclass(frozen=True)
class Answers:
    """Probabilities (N, K) of `samples`; `skipped` could not be decoded, and why."""

    samples: tuple[Sample, ...]
    probabilities: Probabilities
    skipped: tuple[str, ...] = ()

    @property
    def targets(self) -> Targets:
        """(N,) output indices of the true classes."""
        return np.array([sample.target for sample in self.samples], np.int64)

    def worst(self, most: int) -> list[int]:
        """The numbers of those that were wrong, the surest first, of a family the surest alone."""
        found, sure = self.probabilities.argmax(1), self.probabilities.max(1)
        wrong = np.flatnonzero(found != self.targets)
        worst: dict[str, int] = {}
        for number in wrong[np.argsort(-sure[wrong], kind="stable")].tolist():
            worst.setdefault(self.samples[number].family, number)
        return list(worst.values())[:most]


def read_answers(training: Path, samples: Sequence[Sample], class_names: Sequence[str], *, image_size: int) -> Answers:
    """What the graph in a training's folder says of each picture that can be decoded."""
    skipped: list[str] = []
    spec = BundleSpec(
        task="classifier",
        model="cleanliness_classifier",
        version="0",
        class_names=tuple(class_names),
        image_size=image_size,
        files={MODEL_FILE: file_sha256(training / MODEL_FILE)},
    )
    classifier = Classifier(Bundle(training, digest(spec.model_dump(mode="json")), spec))
    stream = classifier.predict_stream(_decoded(samples, skipped))
    answered = [(sample, {one.class_name: one.score for one in ranked}) for sample, ranked in stream]
    rows = [[scores[name] for name in class_names] for _, scores in answered]
    probabilities = np.array(rows, np.float64).reshape(-1, len(class_names))
    return Answers(tuple(sample for sample, _ in answered), probabilities, tuple(skipped))


def _decoded(samples: Sequence[Sample], skipped: list[str]) -> Iterator[tuple[Sample, Pixels]]:
    for sample, decoded in decode_ahead(read_contents(samples)):
        if isinstance(decoded, UndecodableImage):
            skipped.append(why_skipped(sample, decoded))
        else:
            yield sample, decoded


def to_csv(answers: Answers, class_names: Sequence[str], *, root: Path) -> str:
    """A row a picture: its path below `root`, its class, and each class's probability with every digit."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(["path", "label", *class_names])
    for sample, row in zip(answers.samples, answers.probabilities.tolist(), strict=True):
        path = sample.path.relative_to(root) if sample.path.is_relative_to(root) else sample.path
        writer.writerow([path, class_names[sample.target], *row])
    return target.getvalue()
