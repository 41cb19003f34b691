"""Conflicts for annotators to decide, as CVAT's issues: a message at a place on a frame, which a person resolves."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from cvat_sdk import Client
from msgspec import Struct

from cvat.client import call, read_all
from cvat.errors import CvatAbsent
from cvat.jobs import Job
from datasets.merging.conflicts import Conflict
from datasets.records import BboxXywh

_ABOUT_OBJECTS = ("class", "place", "presence", "name", "tag")
_TOLD: Mapping[str, str] = {
    "class": "Sources see different classes here: {categories}",
    "place": "Sources draw {categories} differently here: one object or two?",
    "presence": "Some sources see {categories} here, others looked for it and did not find it",
    "name": "Sources have different names for this {categories}",
    "tag": "Sources disagree whether the image is {categories}",
}


class Issue(Struct, frozen=True):
    """A message on an image; `position` is x, y of a point or the sides of a box, in pixels."""

    message: str
    position: tuple[float, ...]


class _Posted(Struct):
    id: int
    frame: int
    position: tuple[float, ...]


class _Comment(Struct):
    issue: int
    message: str


def issues_of(conflicts: Iterable[Conflict], boxes: Mapping[int, BboxXywh]) -> dict[str, list[Issue]]:
    """What annotators can decide, by image; `boxes` are those of the conflicts' annotations."""
    issues: dict[str, list[Issue]] = defaultdict(list)
    for conflict in conflicts:
        if conflict.kind in _ABOUT_OBJECTS:
            told = _TOLD[conflict.kind].format(categories=" or ".join(conflict.categories))
            said = f" ({', '.join(conflict.sources)})" if conflict.sources else ""
            detail = f"; {conflict.detail}" if conflict.detail else ""
            place = _around([boxes[number] for number in conflict.annotation_ids if number in boxes])
            issues[conflict.sha256].append(Issue(told + said + detail, place))
    return issues


def _around(boxes: Sequence[BboxXywh]) -> tuple[float, ...]:
    """The box around boxes, or the corner of the image."""
    if not boxes:
        return (0.0, 0.0)
    lefts, tops, widths, heights = zip(*boxes, strict=True)
    rights = (left + width for left, width in zip(lefts, widths, strict=True))
    bottoms = (top + height for top, height in zip(tops, heights, strict=True))
    return (min(lefts), min(tops), max(rights), max(bottoms))


def write_issues(client: Client, job: Job, wanted: Iterable[tuple[int, Issue]]) -> int | None:
    """Give a job those issues that it lacks; how many it has of them then, None where the server has no issues.

    Raises:
        CvatError: the server does not take one.
    """
    pairs = list(wanted)
    if not pairs:
        return 0
    try:
        present = _read_messages(client, job.id)
    except CvatAbsent:
        return None
    for frame, issue in pairs:
        if (frame, issue.message) not in present:
            body = {"job": job.id, "frame": frame, "position": issue.position, "message": issue.message}
            call(client, "POST", "/api/issues", body=msgspec.json.encode(body))
    return len(pairs)


def _read_messages(client: Client, job_id: int) -> set[tuple[int, str]]:
    frame_of = {issue.id: issue.frame for issue in read_all(client, "/api/issues", _Posted, {"job_id": job_id})}
    if not frame_of:
        return set()
    comments = read_all(client, "/api/comments", _Comment, {"job_id": job_id})
    return {(frame_of[comment.issue], comment.message) for comment in comments if comment.issue in frame_of}
