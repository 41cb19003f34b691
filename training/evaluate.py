"""Score predictions against truth. Boxes are xyxy pixels in predictions, xywh pixels in datasets.

Detectors by COCO's definitions (https://cocodataset.org/#detection-eval), computed by faster-coco-eval.
Partial labels are honoured as in LVIS (https://arxiv.org/abs/1908.03195): where an image was not annotated for a
class, that class is neither truth nor false positive there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypeVar

from datasets.coco import Dataset, Image
from training.assessability import Visibility, measure_visibility
from training.bundle import Bundle
from training.errors import UndecodableImage
from training.evaluation import classification, matching
from training.evaluation.classification import ClassifierEvaluation
from training.evaluation.detection import DetectorEvaluation
from training.evaluation.matching import to_coco_pair
from training.evaluation.scores import (
    ClassifierScores,
    DetectorScores,
    Scores,
    classifier_scores,
    detector_scores,
    scores_of,
)
from training.evaluation.subject import RESAMPLES, Subject
from training.predictors import (
    Classifier,
    ClassScore,
    Detection,
    Pixels,
    decode_ahead,
    decode_image,
    load_predictor,
)

__all__ = [
    "ClassifierScores",
    "DetectorScores",
    "evaluate_bundle",
    "measure_milliseconds",
    "predict_subject",
    "read_and_predict",
    "score_classifier",
    "score_detector",
    "to_coco_pair",
]

EVALUATION_THRESHOLD = 0.001
"""The whole precision-recall curve is scored, so that nearly every detection counts."""

Prediction = TypeVar("Prediction")
PredictStream = Callable[[Iterable[tuple[str, Pixels]]], Iterator[tuple[str, list[Prediction]]]]


def evaluate_bundle(bundle: Bundle, truth: Dataset, store: Path) -> Scores:
    """Score what would be served: the bundle's own predictor on every image of `truth`, read from `store`."""
    return scores_of(predict_subject(bundle, truth, store, test_set="").evaluation())


def predict_subject(
    bundle: Bundle,
    truth: Dataset,
    store: Path,
    *,
    test_set: str,
    resamples: int = RESAMPLES,
    seed: int = 0,
    on_image: Callable[[], None] = lambda: None,
) -> Subject:
    """All that the bundle's own predictor says of `truth`, and how well each picture shows, for a report of it."""
    predictor, truth = load_predictor(bundle), truth.live
    seen: dict[str, Visibility] = {}

    def look(sha256: str, pixels: Pixels) -> None:
        seen[sha256] = measure_visibility(pixels)
        on_image()

    if isinstance(predictor, Classifier):
        named = dict(read_and_predict(truth.images, store, predictor.predict_stream, look))
        results = classification.to_results(truth, named)
    else:
        predict = partial(predictor.predict_stream, threshold=EVALUATION_THRESHOLD)
        results = matching.stream_results(truth, read_and_predict(truth.images, store, predict, look))
    return Subject(
        model=bundle.name,
        bundle=bundle.digest,
        task=bundle.spec.task,
        test_set=test_set,
        thresholds={name: bundle.spec.threshold_of(name) for name in bundle.spec.class_names},
        truth=truth,
        results=results,
        visibility=seen,
        resamples=resamples,
        seed=seed,
    )


def measure_milliseconds(bundle: Bundle, truth: Dataset, store: Path, *, images: int = 20) -> float:
    """How long one image takes on this machine, in memory to predictions: the median of some, one after another."""
    predictor = load_predictor(bundle)
    contents = [(store / image.file_name).read_bytes() for image in truth.live.images[:images]]
    took = []
    for pixels in [decode_image(contents[0]), *map(decode_image, contents)]:  # the first is to warm up
        started = perf_counter()
        predictor.predict(pixels)
        took.append(perf_counter() - started)
    return 1000 * median(took[1:])


def read_and_predict(
    images: Sequence[Image],
    store: Path,
    predict_stream: PredictStream[Prediction],
    look: Callable[[str, Pixels], None] = lambda *_: None,
) -> Iterator[tuple[str, list[Prediction]]]:
    """(SHA-256, predictions) in order, few pictures in memory at a time; `look` sees each. Raises UndecodableImage."""
    return predict_stream(_seen_pixels(decode_ahead(_contents(images, store)), look))


def _contents(images: Iterable[Image], store: Path) -> Iterator[tuple[str, bytes]]:
    for image in images:
        try:
            yield image.sha256, (store / image.file_name).read_bytes()
        except OSError as error:
            raise UndecodableImage(
                f"{store / image.file_name} cannot be read: {error.strerror}; import it again, or take it out"
            ) from None


def _seen_pixels(
    pictures: Iterable[tuple[str, Pixels | UndecodableImage]], look: Callable[[str, Pixels], None]
) -> Iterator[tuple[str, Pixels]]:
    for sha256, decoded in pictures:
        if isinstance(decoded, UndecodableImage):
            raise UndecodableImage(f"image {sha256}: {decoded}")
        look(sha256, decoded)
        yield sha256, decoded


def score_detector(truth: Dataset, predictions: Mapping[str, Sequence[Detection]]) -> DetectorScores:
    """COCO's mAP over the rectangle classes that `truth` has boxes of; `predictions` by SHA-256."""
    return detector_scores(DetectorEvaluation(truth, matching.to_results(truth, predictions), {}))


def score_classifier(truth: Dataset, predictions: Mapping[str, Sequence[ClassScore]]) -> ClassifierScores:
    """Macro F1 and accuracy of the best class, over the images of `truth` with one tag; `predictions` by SHA-256."""
    return classifier_scores(ClassifierEvaluation(truth, classification.to_results(truth, predictions)))
