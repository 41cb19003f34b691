"""Predictions as CVAT takes them. Points are pixels of the upright image."""

from collections.abc import Iterable, Sequence

from nuclio_functions.contract import Reply, make_reply
from nuclio_functions.masks import cvat_mask
from training.bundle import Bundle
from training.predicting.masks import outline
from training.predictors import ClassScore, Detection


def detected(bundle: Bundle, detections: Iterable[Detection]) -> list[Reply]:
    """What a bundle's detector found, in the bundle's shape."""
    return [_detected(found, bundle.spec.shape, bundle.name) for found in detections]


def classified(bundle: Bundle, ranked: Sequence[ClassScore], *, threshold: float | None = None) -> list[Reply]:
    """The best class as one tag; none when its score does not exceed `threshold`, by default the bundle's own."""
    best = ranked[0]
    floor = bundle.spec.threshold_of(best.class_name) if threshold is None else threshold
    return [make_reply(best.class_name, "tag", model=bundle.name, score=best.score)] if best.score > floor else []


def _detected(found: Detection, shape: str, model: str) -> Reply:
    """A detection as that shape; as a mask, too, where its parts or holes are more than a polygon holds."""
    if found.mask is None or shape == "rectangle":
        return make_reply(found.class_name, "rectangle", model=model, score=found.score, points=found.bbox_xyxy)
    edges = outline(found.mask)
    if shape == "polygon" and edges.is_exact:
        return make_reply(found.class_name, "polygon", model=model, score=found.score, points=edges.parts[0])
    points = edges.parts[0] if edges.parts else None
    return make_reply(
        found.class_name, "mask", model=model, score=found.score, points=points, mask=cvat_mask(found.mask)
    )
