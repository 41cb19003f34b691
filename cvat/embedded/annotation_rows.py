"""Annotations as rows of the table and as CVAT shows them: conversions without a database."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvat.embedded.bodies import Shape, ShapeElement, Tag

TAG, SHAPE = "tag", "shape"

#: The columns that only a shape fills.
_NO_SHAPE = dict.fromkeys(("type", "occluded", "outside", "z_order", "rotation", "points"))

#: The default value of each attribute of each label, by their ids.
Defaults = Mapping[int, Mapping[int, str]]


@dataclass(frozen=True)
class Placed:
    """An annotation on its way into one job, under one id; its elements have ids of their own."""

    id: int
    job_id: int
    body: Tag | Shape
    element_ids: Sequence[int]


def place(
    bodies: Iterable[Tag | Shape],
    jobs: Mapping[int, Sequence[int]],
    ids: Iterator[int],
    kept: Mapping[int, int] | None,
) -> Iterator[Placed]:
    """Annotations in every job (`jobs`: by frame) that has their frame; those on other frames are dropped, as in CVAT.

    With `kept` (jobs by annotation id) annotations keep their ids and stay in one job, and those not named are dropped.
    """
    for body in bodies:
        for job_id in _jobs_for(body, jobs.get(body.frame, ()), kept):
            id_ = next(ids) if kept is None or body.id is None else body.id
            yield Placed(id_, job_id, body, [next(ids) for _ in _elements(body)])


def _jobs_for(body: Tag, jobs: Sequence[int], kept: Mapping[int, int] | None) -> Sequence[int]:
    if kept is None:
        return jobs
    if body.id is None or body.id not in kept:
        return ()
    return [kept[body.id]] if kept[body.id] in jobs else jobs[:1]


def rows_of(placed: Placed) -> list[dict[str, Any]]:
    """The row of an annotation, then those of its elements."""
    own = _row(placed.body, placed.id, placed.job_id, None)
    pairs = zip(placed.element_ids, _elements(placed.body), strict=True)
    return [own, *(_row(element, id_, placed.job_id, placed.id) for id_, element in pairs)]


def answer(placed: Placed) -> dict[str, Any]:
    """What was stored: as sent, with ids."""
    told = {**placed.body.model_dump(), "id": placed.id}
    for id_, element in zip(placed.element_ids, told.get("elements", ()), strict=True):
        element["id"] = id_
    return told


def show(row: Any, defaults: Defaults) -> dict[str, Any]:
    """A row as CVAT shows it, with a value for every attribute of the label."""
    values = dict(row.attributes)
    for spec_id, value in defaults.get(row.label_id, {}).items():
        values.setdefault(spec_id, value)
    told = {
        "id": row.id,
        "label_id": row.label_id,
        "frame": row.frame,
        "group": row.group,
        "source": row.source,
    }
    told["attributes"] = [{"spec_id": spec_id, "value": value} for spec_id, value in values.items()]
    return told if row.kind == TAG else {**told, **{name: getattr(row, name) for name in _NO_SHAPE}}


def show_all(rows: Sequence[Any], defaults: Defaults, *, copies: bool) -> dict[str, Any]:
    """Rows by frame and age as annotations; with `copies`, those that several jobs have alike are shown once."""
    elements = defaultdict[int, list[dict[str, Any]]](list)
    for row in sorted((row for row in rows if row.parent_id is not None), key=lambda row: row.id):
        elements[row.parent_id].append(show(row, defaults))
    tops = [row for row in rows if row.parent_id is None]
    if copies:
        tops = list(_without_copies(tops))
    return {
        "version": 0,
        "tags": [show(row, defaults) for row in tops if row.kind == TAG],
        "shapes": [{**show(row, defaults), "elements": elements[row.id]} for row in tops if row.kind == SHAPE],
        "tracks": [],
    }


def _without_copies(rows: Iterable[Any]) -> Iterator[Any]:
    first_job: dict[str, int] = {}
    for row in rows:
        content = repr(
            (row.kind, row.frame, row.label_id, row.group, row.attributes, row.type, row.points, row.rotation)
        )
        if first_job.setdefault(content, row.job_id) == row.job_id:
            yield row


def _elements(body: Tag | Shape) -> Sequence[ShapeElement]:
    return body.elements if isinstance(body, Shape) else ()


def _row(body: Tag, id_: int, job_id: int, parent_id: int | None) -> dict[str, Any]:
    row = {
        "id": id_,
        "job_id": job_id,
        "parent_id": parent_id,
        "label_id": body.label_id,
        "kind": TAG,
        "frame": body.frame,
        "group": body.group,
        "source": body.source,
        "attributes": [[attribute.spec_id, attribute.value] for attribute in body.attributes],
    }
    if not isinstance(body, ShapeElement):
        return {**row, **_NO_SHAPE}
    return {**row, "kind": SHAPE, **{name: getattr(body, name) for name in _NO_SHAPE}}
