"""Backups of a project: CVAT's own, with its images, and a snapshot of what is drawn, told by names alone.

A backup is a folder with `project.zip` as CVAT makes it, `annotations.json` (datasets.snapshot) and `manifest.json`,
which comes last and has the digests of both.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cvat_sdk import Client
from cvat_sdk.core.downloading import Downloader
from cvat_sdk.core.helpers import make_request_headers
from cvat_sdk.exceptions import ApiException
from msgspec import Struct

from cvat.client import address, repeat
from cvat.contents import snapshot_of_task, specs_of
from cvat.errors import CvatConflict, told_in_a_sentence
from cvat.jobs import list_tasks
from cvat.labels import read_labels
from cvat.project import require_project
from datasets.errors import BadDataset
from datasets.files import MANIFEST, new_folder, write_bytes, write_json
from datasets.snapshot import Snapshot, decode_snapshot, encode_snapshot, make_snapshot

ARCHIVE = "project.zip"
ANNOTATIONS = "annotations.json"
_FORM = 1
_ROUNDS = 3
_ACCEPTED, _UNDER_WAY = 202, 409


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup is of, and the SHA-256 of each of its files."""

    form: int
    project: str
    tasks: int
    frames: int
    objects: int
    sha256: dict[str, str]


@dataclass(frozen=True)
class Backup:
    """A backup that is whole."""

    manifest: Manifest
    archive: Path
    snapshot: Snapshot


class _Request(Struct):
    rq_id: str


def read_snapshot(client: Client, project_id: int) -> Snapshot:
    """All that is drawn in a project; images are told by the names of frames. Raises CvatError."""
    labels = read_labels(client, "project_id", project_id)
    tasks = [snapshot_of_task(client, task, labels, [""] * task.size) for task in list_tasks(client, project_id)]
    return make_snapshot(specs_of(labels), tasks)


def write_backup(client: Client, project: str, folder: Path) -> Manifest:
    """Back up the project of that name into a new folder, which is there once it is whole.

    Raises:
        BadDataset: there is something at that path.
        CvatConflict: the project changed each time that it was fetched.
        CvatError: CVAT does not give it.
    """
    if folder.exists():
        raise BadDataset(f"{folder} is there already; name a new folder for the backup")
    project_id = require_project(client, project)
    with new_folder(folder) as part:
        snapshot = _fetch(client, project_id, part / ARCHIVE)
        write_bytes(part / ANNOTATIONS, encode_snapshot(snapshot))
        manifest = _describe(project, snapshot, part)
        write_json(part / MANIFEST, msgspec.to_builtins(manifest))
    return manifest


def _fetch(client: Client, project_id: int, path: Path) -> Snapshot:
    """CVAT's backup at `path`, and what it holds: what was drawn before it was made, and still is."""
    before = read_snapshot(client, project_id)
    for _ in range(_ROUNDS):
        repeat(lambda: _download(client, project_id, path))
        after = read_snapshot(client, project_id)
        if after == before:
            return after
        before = after
    raise CvatConflict(
        f"CVAT project {project_id} changed each of the {_ROUNDS} times that it was fetched; "
        "back it up when nobody works in it"
    )


def _download(client: Client, project_id: int, path: Path) -> None:
    path.unlink(missing_ok=True)
    with told_in_a_sentence(f"backing up project {project_id}", address(client)):
        request, _ = client.wait_for_completion(_begin(client, project_id))
        Downloader(client).download_file(request.result_url, path)


def _begin(client: Client, project_id: int) -> str:
    """Have CVAT make a backup from now on: one that it is making already may lack what came since."""
    while True:
        answer = client.api_client.rest_client.POST(
            f"{address(client)}/api/projects/{project_id}/backup/export",
            headers=make_request_headers(client.api_client),
            _check_status=False,
        )
        if answer.status not in (_ACCEPTED, _UNDER_WAY):
            raise ApiException(http_resp=answer)
        rq_id = msgspec.json.decode(answer.data, type=_Request).rq_id
        if answer.status == _ACCEPTED:
            return rq_id
        client.wait_for_completion(rq_id)


def _describe(project: str, snapshot: Snapshot, folder: Path) -> Manifest:
    frames = [frame for task in snapshot.tasks for frame in task.frames]
    objects = sum(len(frame.objects) for frame in frames) + sum(len(task.tracks) for task in snapshot.tasks)
    digests = {name: _sha256(folder / name) for name in (ARCHIVE, ANNOTATIONS)}
    return Manifest(_FORM, project, len(snapshot.tasks), len(frames), objects, digests)


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read_backup(folder: Path) -> Backup:
    """A backup, checked against its manifest. Raises BadDataset when it is none, or was changed or cut short."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        digests = {name: _sha256(folder / name) for name in (ARCHIVE, ANNOTATIONS)}
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadDataset(f"{folder} is no whole backup ({error}); name one that carloop cvat backup made") from None
    if manifest.form != _FORM:
        raise BadDataset(f"{folder} has form {manifest.form}, this Carloop reads {_FORM}; use the one that made it")
    for name, found in digests.items():
        if manifest.sha256.get(name) != found:
            raise BadDataset(f"{folder / name} is not what was backed up: its digest differs; take another backup")
    content = (folder / ANNOTATIONS).read_bytes()
    return Backup(manifest, folder / ARCHIVE, decode_snapshot(content, told_in=folder / ANNOTATIONS))
