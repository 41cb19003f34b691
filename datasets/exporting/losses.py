"""What each format holds beside boxes, and what is therefore told as lost."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from datasets.coco import Annotation, Image, Polygons, Provenance, Rle
from datasets.exporting.selection import Selection
from datasets.exporting.settings import ExportFormat, Loss
from datasets.geometry import rotation_of

_FLAGS = ("true", "false", "1", "0")


class Feature(NamedTuple):
    """Something a dataset may have: what it is called, why a format lacks it, and how to count it."""

    what: str
    why: str
    count: Callable[[Selection], int]


def of_annotations(has: Callable[[Annotation], bool]) -> Callable[[Selection], int]:
    return lambda selection: sum(map(has, selection.dataset.annotations))


def of_images(has: Callable[[Image], bool]) -> Callable[[Selection], int]:
    return lambda selection: sum(map(has, selection.dataset.images))


def polygons_of(annotation: Annotation) -> Polygons:
    """Its polygons of three corners or more."""
    if isinstance(annotation.segmentation, Rle):
        return ()
    return tuple(polygon for polygon in annotation.segmentation if len(polygon) >= 6)


def is_mask(annotation: Annotation) -> bool:
    return isinstance(annotation.segmentation, Rle)


def plain_attributes(annotation: Annotation) -> dict[str, str]:
    """Those that are neither whether it is occluded nor how far it is rotated."""
    said = {"occluded": _FLAGS, "rotation": (annotation.attributes.get("rotation", ""),)}
    return {k: v for k, v in annotation.attributes.items() if v.lower() not in said.get(k, ())}


def is_occluded(annotation: Annotation) -> bool:
    return annotation.attributes.get("occluded", "").lower() in ("true", "1")


def is_rotated(annotation: Annotation) -> bool:
    return bool(rotation_of(annotation.attributes)) and not annotation.segmentation


def _degenerate(annotation: Annotation) -> bool:
    drawn = annotation.segmentation
    return not isinstance(drawn, Rle) and len(polygons_of(annotation)) < len(drawn)


def _shared_families(selection: Selection) -> int:
    families = [image.family for image in selection.dataset.images]
    return len(families) - len(set(families))


def _unchosen(selection: Selection) -> int:
    taxonomy = selection.dataset.taxonomy
    return len(set(taxonomy.ids()) - set(taxonomy.ids("tag")) - set(selection.shape_ids))


def _unknown(selection: Selection) -> int:
    return sum(bool(selection.unknown_ids(image.sha256)) for image in selection.dataset.images)


FEATURES: Mapping[str, Feature] = {
    "unknown": Feature(
        "images leave classes unknown",
        "the format has no word for it, and what is not marked is read as background; complete_only leaves them out",
        _unknown,
    ),
    "unchosen": Feature(
        "classes were not chosen",
        "nothing is told of them; those before the last chosen are listed all the same, so that numbers stay",
        _unchosen,
    ),
    "tags": Feature(
        "tags",
        "the format has no classes of whole images; folders are made from them",
        lambda s: sum(len(image.tags) for image in s.dataset.images),
    ),
    "tag_attributes": Feature(
        "tags with attributes",
        "the format keeps no attributes of tags",
        lambda s: sum(bool(tag.attributes) for image in s.dataset.images for tag in image.tags),
    ),
    "boxes": Feature(
        "annotations", "the format has classes of whole images alone", lambda s: len(s.dataset.annotations)
    ),
    "attributes": Feature(
        "annotations with attributes",
        "the format keeps none",
        of_annotations(lambda a: bool(plain_attributes(a))),
    ),
    "occluded": Feature("occluded objects", "the format does not tell them from others", of_annotations(is_occluded)),
    "rotation": Feature("rotated boxes", "written as the upright boxes around them", of_annotations(is_rotated)),
    "polygons": Feature("outlines", "written as their boxes", of_annotations(lambda a: bool(polygons_of(a)))),
    "masks": Feature("masks", "written as their boxes", of_annotations(is_mask)),
    "broken": Feature(
        "annotations with polygons of fewer than three corners",
        "those polygons were left out",
        of_annotations(_degenerate),
    ),
    "crowds": Feature("crowd regions", "the format has single objects alone", of_annotations(lambda a: a.iscrowd)),
    "scores": Feature("scores", "the format has none", of_annotations(lambda a: a.score is not None)),
    "tracks": Feature("track ids", "the format has none", of_annotations(lambda a: a.track_id is not None)),
    "drawn_by": Feature(
        "annotations by other than a person",
        "the format does not say who drew them (auto, semi-auto, file)",
        of_annotations(lambda a: a.source != "manual"),
    ),
    "origins": Feature("annotations with origins", "the format keeps none", of_annotations(lambda a: bool(a.origins))),
    "provenance": Feature(
        "images with licence, author or address",
        "the format keeps none: hand them on otherwise",
        of_images(lambda image: image.source != Provenance()),
    ),
    "families": Feature(
        "images that share a family with another",
        "the format keeps no families: do not split it anew",
        _shared_families,
    ),
    "splits": Feature("images with a split", "the format keeps none", of_images(lambda image: image.split is not None)),
}

_OUTLINED = {"polygons", "masks", "broken"}
HOLDS: Mapping[ExportFormat, frozenset[str]] = {
    "coco": frozenset(FEATURES) - {"unknown", "unchosen", "tags", "rotation", "broken"},
    "yolo": frozenset({"boxes", "splits", "broken"}),
    "voc": frozenset({"boxes", "unchosen", "splits", "broken", "attributes", "occluded", "tags"}),
    "cvat": frozenset(FEATURES)
    - {"unknown", "scores", "tracks", "origins", "provenance", "families", "crowds", "broken"},
    "mot": frozenset({"boxes", "splits", "broken", "occluded", "tracks", "families"}),
    "masks": frozenset({"boxes", "splits", "polygons", "masks", "unknown"}),
    "folders": frozenset(FEATURES) - {"boxes", "tag_attributes", "provenance", "families"},
}
_WHY: Mapping[tuple[ExportFormat, str], str] = {
    ("coco", "unknown"): "told in neg_category_ids and not_exhaustive_category_ids, which readers of plain COCO skip",
    ("coco", "tags"): "they lie in each image's `tags`, which readers other than Carloop skip",
    ("coco", "rotation"): "told in `attributes`; readers other than CVAT take the box as if it were upright",
    ("yolo", "unknown"): "YOLO reads those classes as background there; complete_only leaves these images out",
    ("yolo", "crowds"): "YOLO has single objects alone; they were left out, so that YOLO reads background there",
    ("voc", "crowds"): "written as objects that are `difficult`, which most trainers leave out",
    ("cvat", "crowds"): "written as common objects",
    ("cvat", "tracks"): "CVAT for images has none; export mot for them",
    ("mot", "crowds"): "written with 0 for confidence, which evaluations leave out",
    ("masks", "crowds"): "drawn as any region of their class",
}
_TURNED_WHY: Mapping[ExportFormat, str] = {
    "yolo": "boxes are for the image turned upright, as Ultralytics reads it (PNG and WebP with a late OpenCV alone)",
    "cvat": "boxes are for the image turned upright, as CVAT shows it",
}
_TURNED = "shapes are for the image turned upright; a reader that ignores EXIF (PIL, torchvision) must turn it first"


def losses_of(selection: Selection, format: ExportFormat) -> list[Loss]:
    """Everything this dataset has and the format cannot hold."""
    settings, held = selection.settings, HOLDS[format]
    if format == "yolo" and settings.polygons:
        held = held - {"broken"} | _OUTLINED - {"broken"}
    missing = [(name, feature) for name, feature in FEATURES.items() if name not in held]
    told = [Loss(f.what, f.count(selection), _WHY.get((format, name), f.why)) for name, f in missing]
    return [loss for loss in told if loss.count]


def told_turned(count: int, format: ExportFormat) -> list[Loss]:
    """The warning for images that EXIF turns."""
    why = _TURNED_WHY.get(format, _TURNED)
    return [Loss("images are stored turned, and EXIF says how", count, why)] if count else []
