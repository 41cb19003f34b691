"""Making a task exactly once, whatever was cut short before and whoever else makes it now."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from cvat_sdk import Client
from cvat_sdk.core.exceptions import BackgroundRequestException, CvatSdkException
from cvat_sdk.exceptions import ApiException
from msgspec import Struct

from cvat.client import address, call, read_all
from cvat.errors import CvatAbsent, CvatConflict, CvatError, CvatRefused, told_in_a_sentence
from cvat.jobs import Task, list_jobs

_UNDER_WAY = ("queued", "started")
_LOG = logging.getLogger("carloop.cvat")


class _Made(Struct):
    id: int


class _Request(Struct):
    id: str
    status: str


def make_task(client: Client, spec: Mapping[str, Any], frames: int, fill: Callable[[int], None]) -> int:
    """The id of the whole task of that name in its project, made if need be.

    `fill` gives a new task its frames. One that was cut short is finished by the server, or made again: nobody can
    have worked on it. Where several clients made the same task, the oldest whole one counts and the others go.

    Raises:
        CvatConflict: the task has fewer frames than it ought to have.
        CvatError: CVAT does not make it.
    """
    with told_in_a_sentence(f"pushing task {spec['name']!r}", address(client)):
        if not any(task.size for task in _find(client, spec)):
            _make(client, spec, fill)
        return _settle(client, _find(client, spec), spec["name"], frames)


def _make(client: Client, spec: Mapping[str, Any], fill: Callable[[int], None]) -> None:
    made = msgspec.json.decode(call(client, "POST", "/api/tasks", body=msgspec.json.encode(spec)), type=_Made)
    try:
        fill(made.id)
    except (ApiException, CvatSdkException, CvatRefused):
        with suppress(CvatError):  # what cannot be removed now has no frames, and goes with the next push
            remove_task(client, made.id)
        raise


def remove_task(client: Client, task_id: int) -> None:
    """Remove a task; it may be gone already."""
    with suppress(CvatAbsent):
        call(client, "DELETE", f"/api/tasks/{task_id}")


def list_settled(client: Client, query: Mapping[str, Any], is_ours: Callable[[Task], bool]) -> list[Task]:
    """Tasks, oldest first, when the server has made what it can of those of ours that are without frames."""
    found = read_all(client, "/api/tasks", Task, query)
    if any([_await_frames(client, task.id) for task in found if not task.size and is_ours(task)]):
        found = read_all(client, "/api/tasks", Task, query)
    return found


def _find(client: Client, spec: Mapping[str, Any]) -> list[Task]:
    return list_settled(client, {"project_id": spec["project_id"], "name": spec["name"]}, lambda task: True)


def _await_frames(client: Client, task_id: int) -> bool:
    """Wait for frames that the server is making at the request of a client who is gone; gives whether it was."""
    return await_requests(client, {"task_id": task_id, "action": "create"})


def await_requests(client: Client, asked: Mapping[str, Any]) -> bool:
    """Wait for what the server still does at earlier requests of this kind; gives whether it did anything."""
    requests = read_all(client, "/api/requests", _Request, asked, sort="created_date")
    under_way = [request.id for request in requests if request.status in _UNDER_WAY]
    for rq_id in under_way:
        try:
            client.wait_for_completion(rq_id)
        except BackgroundRequestException as error:
            told = ", ".join(f"{name} {value}" for name, value in asked.items())
            _LOG.warning("what was begun before failed (%s: %s); again", told, error)
    return bool(under_way)


def _settle(client: Client, found: Sequence[Task], name: str, frames: int) -> int:
    """The oldest whole task of a name; the others are removed, unless somebody works on them."""
    whole = [task for task in found if task.size]
    if not whole:
        raise CvatAbsent(f"CVAT task {name!r} was removed while it was pushed; push again")
    kept = whole[0]
    if kept.size < frames:
        raise CvatConflict(f"CVAT task {name!r} has {kept.size} frames instead of {frames}; remove or rename it")
    for task in found:
        if task is not kept and (not task.size or _is_untouched(client, task.id)):
            remove_task(client, task.id)
    return kept.id


def _is_untouched(client: Client, task_id: int) -> bool:
    return all(job.is_new for job in list_jobs(client, task_id=task_id))
