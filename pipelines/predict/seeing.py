"""Pictures through the models: each is decoded once, and several are computed on at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pipelines.predict.reading import Picture
from pipelines.predict.records import Found, Seen
from training.assessability import measure_visibility
from training.bundle import BundleSpec
from training.predictors import Classifier, Detection, Detector

DOUBT = 0.5
"""From this part of its threshold on, a score leaves in doubt whether something is there."""


@dataclass(frozen=True)
class _Under:
    picture: Picture
    found: tuple[Found, ...] = ()
    scores: tuple[tuple[str, float], ...] = ()


def see(
    pictures: Iterable[Picture], predictors: Sequence[Detector | Classifier], *, threshold: float | None
) -> Iterator[tuple[Picture, Seen]]:
    """What the models see in each picture, in order. A threshold of None is each class's own in its bundle."""
    stream: Iterable[_Under] = map(_Under, pictures)
    for predictor in predictors:
        stream = _detect(predictor, stream, threshold) if isinstance(predictor, Detector) else _rank(predictor, stream)
    for under in stream:
        yield under.picture, _seen(under)


def _detect(detector: Detector, stream: Iterable[_Under], threshold: float | None) -> Iterator[_Under]:
    spec = detector.bundle.spec
    lowest = min(map(spec.threshold_of, spec.class_names)) if threshold is None else threshold
    keyed = ((under, under.picture.pixels) for under in stream)
    for under, detections in detector.predict_stream(keyed, threshold=DOUBT * lowest):
        found = (_found(each, spec, threshold) for each in detections)
        yield replace(under, found=(*under.found, *(each for each in found if each)))


def _found(detection: Detection, spec: BundleSpec, threshold: float | None) -> Found | None:
    """None for what is below doubt."""
    floor = spec.threshold_of(detection.class_name) if threshold is None else threshold
    if detection.score <= DOUBT * floor:
        return None
    return Found(detection.class_name, detection.bbox_xyxy, detection.score, sure=detection.score > floor)


def _rank(classifier: Classifier, stream: Iterable[_Under]) -> Iterator[_Under]:
    keyed = ((under, under.picture.pixels) for under in stream)
    for under, ranked in classifier.predict_stream(keyed):
        yield replace(under, scores=tuple((each.class_name, each.score) for each in ranked))


def _seen(under: _Under) -> Seen:
    sha256, frame = under.picture.key
    height, width = under.picture.pixels.shape[:2]
    visibility = measure_visibility(under.picture.pixels)
    return Seen(sha256, frame, width, height, under.found, dict(under.scores), visibility)
