"""Putting what a snapshot tells onto frames of the same names, in whatever tasks they are now."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial
from typing import Any

import msgspec
from cvat_sdk import Client
from msgspec.structs import replace

from cvat.client import call, repeat
from cvat.contents import snapshot_of_task
from cvat.errors import CvatConflict
from cvat.jobs import list_tasks
from cvat.label_changes import compare_labels
from cvat.labels import Labels, read_labels
from cvat.wire import data_of, replace_wire, to_wire, track_to_wire
from datasets.snapshot import Frame, LabelSpec, Snapshot, TaskSnapshot, canonical_task
from datasets.snapshot_comparison import Difference, task_differences

_SHOWN = 3
Tasks = Mapping[int, TaskSnapshot]
"""What tasks have, by id."""
Place = tuple[int, int]
"""A task's id and the number of a frame there."""


def plan_placing(snapshot: Snapshot, present: Tasks) -> dict[int, TaskSnapshot]:
    """What each task would have after a snapshot is put onto it.

    A frame takes what the frame of its name had: in the task of the same name at the same place where there is one,
    else anywhere. Tracks run over a task's frames, so they need a task with the same ones in the same order.

    Raises:
        CvatConflict: something has no frame, or a task has other annotations; both are named.
    """
    planned = _place_tracks(snapshot, _place_objects(snapshot, present))
    for task_id, wanted in planned.items():
        if _has_any(present[task_id]) and (found := list(task_differences(wanted, present[task_id]))):
            raise CvatConflict(
                f"task {task_id} has other annotations, which would be lost ({found[0]}); "
                "restore into a project without any"
            )
    return planned


def _place_objects(snapshot: Snapshot, present: Tasks) -> dict[int, TaskSnapshot]:
    given: dict[Place, Frame] = {}
    left = [(task, frame) for task in snapshot.tasks for frame in task.frames if frame.objects or frame.deleted]
    left = _give(left, present, given, lambda task, frame: (task.name, frame.number, frame.name))
    left = _give(left, present, given, lambda task, frame: frame.name)
    if left:
        names = sorted({frame.name for _, frame in left})
        raise CvatConflict(
            f"the project has no frame for the annotations of {len(left)} frames, such as "
            f"{', '.join(map(repr, names[:_SHOWN]))}; push their images first"
        )
    return {
        task_id: replace(
            task, tracks=(), frames=tuple(_filled(frame, given.get((task_id, frame.number))) for frame in task.frames)
        )
        for task_id, task in present.items()
    }


def _give(
    left: Iterable[tuple[TaskSnapshot, Frame]],
    present: Tasks,
    given: dict[Place, Frame],
    key: Callable[[TaskSnapshot, Frame], Hashable],
) -> list[tuple[TaskSnapshot, Frame]]:
    """Give what frames had to those of the same key that have nothing yet, each once; returns what is left over."""
    waiting: dict[Hashable, list[tuple[TaskSnapshot, Frame]]] = defaultdict(list)
    for task, frame in left:
        waiting[key(task, frame)].append((task, frame))
    for task_id, task in present.items():
        for frame in task.frames:
            if (task_id, frame.number) not in given and waiting[key(task, frame)]:
                _, given[task_id, frame.number] = waiting[key(task, frame)].pop(0)
    return [one for found in waiting.values() for one in found]


def _filled(frame: Frame, source: Frame | None) -> Frame:
    return replace(frame, objects=source.objects if source else (), deleted=source is not None and source.deleted)


def _place_tracks(snapshot: Snapshot, planned: dict[int, TaskSnapshot]) -> dict[int, TaskSnapshot]:
    free = dict(planned)
    for source in snapshot.tasks:
        if source.tracks:
            names = [frame.name for frame in source.frames]
            fitting = [task_id for task_id, task in free.items() if [frame.name for frame in task.frames] == names]
            if not fitting:
                raise CvatConflict(
                    f"the project has no task with the frames of {source.name!r} in their order, over which its "
                    f"{len(source.tracks)} tracks run; push them as one task first"
                )
            named = [task_id for task_id in fitting if free[task_id].name == source.name]
            chosen = (named or fitting)[0]
            planned = {**planned, chosen: replace(free.pop(chosen), tracks=source.tracks)}
    return planned


def _has_any(task: TaskSnapshot) -> bool:
    return bool(task.tracks or any(frame.objects for frame in task.frames))


def place_annotations(client: Client, project_id: int, snapshot: Snapshot) -> list[Difference]:
    """Put a snapshot onto a project's frames by their names; gives what is not as it was, in the end.

    What is there already stays, so that one that was cut short can be begun anew.

    Raises:
        CvatConflict: as `plan_placing`, or the project's labels do not take the annotations; nothing was changed.
        CvatError: CVAT does not take them.
    """
    labels = read_labels(client, "project_id", project_id)
    planned = plan_placing(snapshot, _read_tasks(client, project_id, labels))
    _add_labels(client, project_id, snapshot, labels)
    labels = read_labels(client, "project_id", project_id)
    for task_id, present in _read_tasks(client, project_id, labels).items():
        if canonical_task(planned[task_id]) != present:
            repeat(partial(_write_task, client, task_id, planned[task_id], labels))
    restored = _read_tasks(client, project_id, labels)
    return [found for task_id, task in planned.items() for found in task_differences(task, restored[task_id])]


def _read_tasks(client: Client, project_id: int, labels: Labels) -> dict[int, TaskSnapshot]:
    tasks = list_tasks(client, project_id)
    return {task.id: snapshot_of_task(client, task, labels, [""] * task.size) for task in tasks}


def _add_labels(client: Client, project_id: int, snapshot: Snapshot, labels: Labels) -> None:
    changes = compare_labels([_as_sent(label) for label in snapshot.labels], labels.labels)
    if changes.conflicts:
        raise CvatConflict(f"the project's labels do not take the annotations: {'; '.join(changes.conflicts)}")
    if changes.wanted:
        body = msgspec.json.encode({"labels": changes.wanted})
        repeat(lambda: call(client, "PATCH", f"/api/projects/{project_id}", body=body))


def _as_sent(label: LabelSpec) -> dict[str, Any]:
    spec = {"name": label.name, "type": label.type, "attributes": msgspec.to_builtins(label.attributes)}
    if label.color:
        spec["color"] = label.color
    if label.sublabels:
        spec |= {"sublabels": [_as_sent(part) for part in label.sublabels], "svg": label.svg}
    return spec


def _write_task(client: Client, task_id: int, wanted: TaskSnapshot, labels: Labels) -> None:
    objects = [to_wire(one, frame.number, labels) for frame in wanted.frames for one in frame.objects]
    tracks = [track_to_wire(track, labels) for track in wanted.tracks]
    replace_wire(client, "tasks", task_id, data_of(objects, tracks))
    deleted = [frame.number for frame in wanted.frames if frame.deleted]
    body = msgspec.json.encode({"deleted_frames": deleted})
    call(client, "PATCH", f"/api/tasks/{task_id}/data/meta", body=body)
