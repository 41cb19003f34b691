"""Functions as a CVAT lists them and calls them; labels are matched by name and type, as CVAT does. Points in pixels.

Source: `cvat/apps/lambda_manager/views.py` of https://github.com/cvat-ai/cvat.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import quote

import msgspec
from cvat_sdk import Client
from msgspec import Struct

from cvat.client import address, call, read_all
from cvat.errors import CvatError
from cvat.jobs import Task
from cvat.labels import WireLabel, read_labels
from cvat.project import require_project
from nuclio_functions.contract import PRELABEL_ATTRIBUTES

_AREAS = {"mask", "polygon"}


class LambdaAttribute(Struct, frozen=True):
    """An attribute that a function says it gives."""

    name: str


class LambdaLabel(Struct, frozen=True):
    """A label that a function says it gives."""

    name: str
    type: str = "unknown"
    attributes: tuple[LambdaAttribute, ...] = ()


class LambdaFunction(Struct, frozen=True):
    """A function as CVAT lists it."""

    id: str
    kind: str
    labels_v2: tuple[LambdaLabel, ...] = ()


class _Frame(Struct):
    width: int
    height: int


class _Meta(Struct):
    frames: list[_Frame]
    start_frame: int = 0


@dataclass(frozen=True)
class Checked:
    """What a check of one function came to: how much it `found` on a frame, and in which time."""

    name: str
    problems: tuple[str, ...] = ()
    note: str = ""
    found: int | None = None
    seconds: float | None = None

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def check_functions(client: Client, project: str, names: Sequence[str]) -> list[Checked]:
    """Check functions by their names in Nuclio, against the labels and a frame of a project. Raises CvatError."""
    listed = {function.id: function for function in list_lambdas(client)}
    project_id = require_project(client, project)
    labels = read_labels(client, "project_id", project_id).labels
    tasks = [task for task in read_all(client, "/api/tasks", Task, {"project_id": project_id}) if task.size]
    checked = []
    for name in names:
        if name not in listed:
            there = ", ".join(sorted(listed)) or "none"
            checked.append(Checked(name, (f"CVAT at {address(client)} does not list it; it lists {there}",)))
            continue
        problems = tuple(compare_labels(listed[name].labels_v2, labels))
        checked.append(_ask(client, listed[name], tasks[0] if tasks else None, Checked(name, problems)))
    return checked


def list_lambdas(client: Client) -> list[LambdaFunction]:
    """CVAT's functions. Raises CvatError."""
    return msgspec.json.decode(call(client, "GET", "/api/lambda/functions"), type=list[LambdaFunction])


def compare_labels(given: Iterable[LambdaLabel], wanted: Iterable[WireLabel]) -> Iterator[str]:
    """What of a function's labels CVAT would drop without a word."""
    by_name = {label.name: label for label in wanted}
    for label in given:
        if label.name not in by_name:
            yield f"the project has no label {label.name!r}, so what the function finds of it vanishes; add it there"
        elif not _go_together(label.type, by_name[label.name].type):
            there = by_name[label.name].type
            yield f"label {label.name!r} is a {label.type} of the function and a {there} in the project, so it vanishes"
        else:
            yield from _attribute_problems(label, by_name[label.name])


def _attribute_problems(label: LambdaLabel, wanted: WireLabel) -> Iterator[str]:
    there = {attribute.name for attribute in wanted.attributes}
    for attribute in label.attributes:
        if attribute.name in PRELABEL_ATTRIBUTES and attribute.name not in there:
            yield f"label {label.name!r} has no attribute {attribute.name!r} in the project; push makes it"


def _go_together(given: str, wanted: str) -> bool:
    return given == wanted or wanted == "any" or given == "unknown" or {given, wanted} <= _AREAS


def _ask(client: Client, function: LambdaFunction, task: Task | None, checked: Checked) -> Checked:
    """The check with what a function said of a task's first frame."""
    if task is None:
        return replace(checked, note="no frame was asked about: the project has no task with images yet")
    began = time.perf_counter()
    try:
        meta = msgspec.json.decode(call(client, "GET", f"/api/tasks/{task.id}/data/meta"), type=_Meta)
        body = msgspec.json.encode(_question(function.kind, task.id, meta))
        answer = msgspec.json.decode(call(client, "POST", f"/api/lambda/functions/{quote(function.id)}", body=body))
    except CvatError as error:
        return replace(checked, problems=(*checked.problems, f"a frame of task {task.id} did not come back: {error}"))
    seconds = round(time.perf_counter() - began, 3)
    return replace(checked, found=_count(answer), seconds=seconds)


def _question(kind: str, task_id: int, meta: _Meta) -> dict[str, Any]:
    """A detector is asked for all, an interactor by a click in the middle, a tracker about the middle of the frame."""
    asked: dict[str, Any] = {"task": task_id, "frame": meta.start_frame}
    width, height = meta.frames[0].width, meta.frames[0].height
    if kind == "interactor":
        return {**asked, "pos_points": [[width / 2, height / 2]], "neg_points": [], "obj_bbox": None}
    if kind == "tracker":
        return {**asked, "shapes": [[width / 4, height / 4, 3 * width / 4, 3 * height / 4]], "states": []}
    return asked


def _count(answer: Any) -> int:
    if isinstance(answer, dict):
        return len(answer.get("shapes") or [answer])
    return len(answer)
