"""What champion and challenger say of images, and how alike these are: the evidence that selection weighs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from datasets.coco import Image
from datasets.selecting.pool import Answers, Floats, Found
from pipelines.modelling.place import Place
from pipelines.selecting.features import Embedder
from training.bundle import Bundle, ModelName, Task, read_bundle, read_pointer
from training.errors import UndecodableImage
from training.predictors import Classifier, ClassScore, Detection, Detector, Pixels, decode_ahead, load_predictor

Models = Mapping[Task, Bundle]
"""The bundle of each task; tasks without a model are absent."""


@dataclass(frozen=True)
class Look:
    """What was seen of N images, in their order; `undecodable` has the reasons, by SHA-256, of those left out."""

    sha256s: tuple[str, ...]
    champion: Answers
    challenger: Answers
    embeddings: Floats | None
    undecodable: Mapping[str, str]


def find_champions(place: Place) -> Models:
    """The models that are served from here."""
    digests = {name: read_pointer(place.bundles, name) for name in get_args(ModelName)}
    return _by_task(place, [found for found in digests.values() if found])


def find_challengers(place: Place, champions: Models) -> Models:
    """The models described last, where they are not the champions."""
    versions = [place.registry.challenger(name) for name in get_args(ModelName)]
    digests = [version.bundle for version in versions if version and version.bundle]
    known = {bundle.digest for bundle in champions.values()}
    return _by_task(place, [found for found in digests if found not in known])


def _by_task(place: Place, digests: Iterable[str]) -> Models:
    bundles = [read_bundle(place.bundles, found) for found in digests]
    return {bundle.spec.task: bundle for bundle in bundles}


def embedding_model(models: Models) -> Bundle | None:
    """The classifier, which looks at the car as a whole, or else the detector."""
    return models.get("classifier") or models.get("detector")


def names_of(task: Task, champions: Models, challengers: Models) -> tuple[str, ...]:
    """The classes of a task's models; a challenger's new ones come last."""
    bundles = [models[task] for models in (champions, challengers) if task in models]
    return tuple(dict.fromkeys(name for bundle in bundles for name in bundle.spec.class_names))


class Looker:
    """Runs models over images, each image decoded once."""

    def __init__(self, champions: Models, challengers: Models, *, least_score: float) -> None:
        self.class_names = names_of("detector", champions, challengers)
        self.tag_names = names_of("classifier", champions, challengers)
        self._champions = _Seers(champions, self.class_names, self.tag_names, least_score)
        self._challengers = _Seers(challengers, self.class_names, self.tag_names, least_score)
        bundle = embedding_model(champions)
        self._embedder = Embedder(bundle) if bundle else None

    def look(self, images: Sequence[Image], store: Path, *, advance: Callable[[], object]) -> Look:
        """Everything about images that wait for labels."""
        return self._collect(images, store, advance, answered=True)

    def embed(self, images: Sequence[Image], store: Path, *, advance: Callable[[], object]) -> Floats | None:
        """(M, D) embeddings of images that are labelled; undecodable ones are left out."""
        return self._collect(images, store, advance, answered=False).embeddings if self._embedder else None

    def _collect(self, images: Sequence[Image], store: Path, advance: Callable[[], object], *, answered: bool) -> Look:
        contents = ((image.sha256, (store / image.file_name).read_bytes()) for image in images)
        seen: list[str] = []
        features: list[Floats] = []
        undecodable: dict[str, str] = {}
        for sha256, pixels in decode_ahead(contents):
            advance()
            if isinstance(pixels, UndecodableImage):
                undecodable[sha256] = str(pixels)
                continue
            seen.append(sha256)
            if self._embedder:
                features.append(self._embedder.embed(pixels))
            if answered:
                self._champions.see(pixels)
                self._challengers.see(pixels)
        embeddings = np.array(features, np.float32) if features else None
        return Look(tuple(seen), self._champions.take(), self._challengers.take(), embeddings, undecodable)


class _Seers:
    """One set of models, and what they have seen so far."""

    def __init__(
        self, models: Models, class_names: Sequence[str], tag_names: Sequence[str], least_score: float
    ) -> None:
        self._class_names, self._tag_names = class_names, tag_names
        predictors = {task: load_predictor(bundle) for task, bundle in models.items()}
        self._detector, self._classifier = predictors.get("detector"), predictors.get("classifier")
        self._least_score = least_score
        self._found: list[Found] = []
        self._probabilities: list[Floats] = []

    def see(self, pixels: Pixels) -> None:
        if isinstance(self._detector, Detector):
            detections = self._detector.predict(pixels, threshold=self._least_score)
            self._found.append(to_found(detections, self._class_names))
        if isinstance(self._classifier, Classifier):
            scores = self._classifier.predict(pixels)
            self._probabilities.append(to_probabilities(scores, self._tag_names))

    def take(self) -> Answers:
        """All that was seen since the last time."""
        found, probabilities = self._found, self._probabilities
        self._found, self._probabilities = [], []
        return Answers(found if self._detector else None, np.array(probabilities) if self._classifier else None)


def to_found(detections: Sequence[Detection], class_names: Sequence[str]) -> Found:
    """A predictor's detections as arrays; class ids are places in `class_names`."""
    return Found(
        np.array([detection.bbox_xyxy for detection in detections], float).reshape(-1, 4),
        np.array([detection.score for detection in detections], float),
        np.array([class_names.index(detection.class_name) for detection in detections], np.intp),
    )


def to_probabilities(scores: Sequence[ClassScore], class_names: Sequence[str]) -> Floats:
    """(T,) probabilities in the order of the class names; 0 for one that the classifier lacks."""
    of = {score.class_name: score.score for score in scores}
    return np.array([of.get(name, 0.0) for name in class_names])
