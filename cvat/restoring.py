"""Restoring a backup as a project, so that a restore that was cut short is finished by the next.

CVAT gives what it restores the name that the backup tells, which may be another project's, and knows no other way. So
an empty project beside it marks a restore while it lasts: what came after the mark under that name is its copy.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cvat_sdk import Client
from msgspec import Struct

from cvat.backup import Backup, read_snapshot
from cvat.client import address, call, read_all, repeat
from cvat.errors import CvatAbsent, CvatConflict, CvatRefused, told_in_a_sentence
from cvat.project import create_project, find_project
from cvat.tasks import await_requests
from datasets.snapshot_comparison import Difference, differences

_IMPORTS = {"action": "import", "target": "project"}


class _Project(Struct):
    id: int
    name: str


@dataclass(frozen=True)
class Restored:
    """The project that was restored, and what of it is not as it was backed up."""

    project_id: int
    differences: Sequence[Difference]


def restore_project(client: Client, backup: Backup, name: str) -> Restored:
    """Make the project anew, with its images. One of that name that is as it was backed up is taken for it.

    Raises:
        CvatConflict: there is another project of that name, or somebody changed what a restore that was cut short left.
        CvatError: CVAT does not take it.
    """
    mark = find_project(client, _mark(name))
    if mark is not None:
        await_requests(client, _IMPORTS)
    project_id = find_project(client, name)
    if project_id is None:
        mark = mark or create_project(client, _mark(name))
        project_id = _left_over(client, backup, mark) or _upload(client, backup.archive, mark)
        _rename(client, project_id, name)
        found = differences(backup.snapshot, read_snapshot(client, project_id))
    elif found := differences(backup.snapshot, read_snapshot(client, project_id)):
        raise CvatConflict(
            f"CVAT has a project {name!r} already, and it is not as it was backed up; restore under another --name, "
            "or rename the project there"
        )
    if mark is not None:
        _remove(client, mark)
    return Restored(project_id, found)


def _mark(name: str) -> str:
    return f"{name} (being restored)"


def _left_over(client: Client, backup: Backup, mark: int) -> int | None:
    """The copy that a restore which was cut short had made already."""
    named = backup.manifest.project
    every = read_all(client, "/api/projects", _Project, {"name": named})
    copies = [project.id for project in every if project.name == named and project.id > mark]
    for project_id in copies:
        if found := differences(backup.snapshot, read_snapshot(client, project_id)):
            raise CvatConflict(
                f"project {project_id} was left by a restore that was cut short, and is not as it was backed up any "
                f"more ({found[0]}); rename or remove it in CVAT, and restore again"
            )
    return min(copies, default=None)


def _upload(client: Client, archive: Path, mark: int) -> int:
    try:
        with told_in_a_sentence(f"restoring {archive}", address(client)):
            return int(client.projects.create_from_backup(archive).id)
    except CvatRefused:
        _remove(client, mark)
        raise


def _rename(client: Client, project_id: int, name: str) -> None:
    body = msgspec.json.encode({"name": name})
    repeat(lambda: call(client, "PATCH", f"/api/projects/{project_id}", body=body))


def _remove(client: Client, project_id: int) -> None:
    with suppress(CvatAbsent):
        call(client, "DELETE", f"/api/projects/{project_id}")
