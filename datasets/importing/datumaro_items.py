"""datumaro's items as our records. datumaro is imported where it is used: it takes half a second."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasets.errors import BadDataset
from datasets.geometry import bounds
from datasets.importing.foreign import ForeignObject, ForeignTag
from datasets.importing.texts import attribute_texts
from datasets.rle import encode_pixels

_DEFAULTS = {"false", "Unspecified"}  # of flags that a format has for every object


class Lenient:
    """datumaro's error policy that goes on: it keeps the items with an unreadable annotation, by their id.

    `folder` and `suffix` are where an item's file is.
    """

    def __init__(self, folder: Path, suffix: str, form: str) -> None:
        self.lost: list[str] = []
        self._folder, self._suffix, self._form = folder, suffix, form

    def report_annotation_error(self, error: Exception, *, item_id: tuple[str, str]) -> None:
        """Called by datumaro, which then leaves out the annotation."""
        self.lost.append(item_id[0])

    def report_item_error(self, error: Exception, *, item_id: tuple[str, str]) -> None:
        """Called by datumaro, which would then leave out the whole image."""
        raise _unreadable(self._folder / f"{item_id[0]}{self._suffix}", self._form, error) from error


@contextmanager
def told(path: Path, form: str) -> Iterator[None]:
    """Whatever datumaro raises for a broken file becomes a BadDataset that names it."""
    try:
        yield
    except BadDataset:
        raise
    except Exception as error:
        raise _unreadable(path, form, error) from error


def _unreadable(path: Path, form: str, error: Exception) -> BadDataset:
    """The error in a sentence; those that only Python's innards explain are named by their kind."""
    cause = error.__cause__ or error
    inner = isinstance(cause, AttributeError | TypeError | LookupError | AssertionError) or not str(cause)
    reason = f"something is missing or not what it should be ({cause!r})" if inner else " ".join(str(cause).split())
    return BadDataset(f"{path} cannot be read as {form}: {reason}; mend the file or export it again")


def label_names(reader: Any) -> list[str]:
    """All class names that a datumaro reader declares, by label number."""
    from datumaro.components.annotation import AnnotationType

    return [label.name for label in reader.categories()[AnnotationType.label].items]


def convert_object(
    found: Any, names: list[str], annotation_id: str, *, missing: str | None = None
) -> ForeignObject | None:
    """One datumaro annotation as ours; None for a broken one or a kind without extent.

    `missing` is what a class is called that the annotation lacks.
    """
    name = names[found.label] if found.label is not None else missing
    convert = _CONVERT.get(found.type.name)
    if convert is None or name is None:
        return None
    attributes = {key: value for key, value in found.attributes.items() if key not in ("track_id", "score")}
    try:
        drawn = convert(found)
    except (IndexError, TypeError, ValueError):
        return None
    track_id, score = found.attributes.get("track_id"), found.attributes.get("score")
    return ForeignObject(
        annotation_id=annotation_id,
        name=name,
        bbox_xywh=drawn.get("bbox_xywh"),
        segmentation=drawn.get("segmentation", ()),
        attributes=drawn.get("attributes", {}) | wanted_attributes(attributes),
        track_id=None if track_id is None else int(track_id),
        score=None if score is None else float(score),
    )


def convert_tag(found: Any, names: list[str]) -> ForeignTag | None:
    """One datumaro label as ours."""
    return None if found.label is None else ForeignTag(names[found.label], wanted_attributes(found.attributes))


def wanted_attributes(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Attributes as text, without flags that are not set."""
    return {name: text for name, text in attribute_texts(attributes).items() if text not in _DEFAULTS}


def _turned_box(found: Any) -> dict[str, Any]:
    x, y = found.cx - found.w / 2, found.cy - found.h / 2
    return {"bbox_xywh": (x, y, found.w, found.h), "attributes": {"rotation": f"{found.r:g}"} if found.r % 360 else {}}


def _around(found: Any) -> dict[str, Any]:
    """Lines and several points have no area: what they are around is known as a box."""
    return {"bbox_xywh": bounds([float(value) for value in found.points])}


def _mask(found: Any) -> dict[str, Any]:
    """The mask is made only now, which fails when its run lengths do not fit."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)  # pycocotools with NumPy 2
        return {"segmentation": encode_pixels(found.image)}


_CONVERT: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "bbox": lambda found: {"bbox_xywh": tuple(float(value) for value in found.get_bbox())},
    "rotated_bbox": _turned_box,
    "polygon": lambda found: {"segmentation": (tuple(float(value) for value in found.points),)},
    "polyline": _around,
    "points": _around,
    "mask": _mask,
}
