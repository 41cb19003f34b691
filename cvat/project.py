"""The CVAT project, made to have the labels that the project file wants."""

import msgspec
from cvat_sdk import Client
from msgspec import Struct

from cvat.client import address, call, read_all, repeat
from cvat.errors import CvatAbsent, CvatConflict, CvatRefused
from cvat.label_changes import compare_labels
from cvat.labels import label_specs, read_labels
from datasets.taxonomy import Taxonomy


class _Project(Struct):
    id: int
    name: str


def push_project(client: Client, name: str, taxonomy: Taxonomy) -> int:
    """The id of the project of that name, made or given the labels and attributes that it lacks.

    CVAT does not force unique names; the oldest counts. Labels that the taxonomy does not name are left alone.

    Raises:
        CvatConflict: a change would lose annotations; nothing was changed.
    """
    specs = label_specs(taxonomy)
    return repeat(lambda: _push_once(client, name, specs))


def find_project(client: Client, name: str) -> int | None:
    """The id of the oldest project of that name; None where there is none. Raises CvatError."""
    found = read_all(client, "/api/projects", _Project, {"name": name})
    return min((project.id for project in found if project.name == name), default=None)


def require_project(client: Client, name: str) -> int:
    """The id of the oldest project of that name. Raises CvatAbsent."""
    project_id = find_project(client, name)
    if project_id is None:
        raise CvatAbsent(f"CVAT at {address(client)} has no project {name!r}; make it with carloop cvat push")
    return project_id


def _push_once(client: Client, name: str, specs: list[dict[str, object]]) -> int:
    project_id = find_project(client, name) or create_project(client, name)
    changes = compare_labels(specs, read_labels(client, "project_id", project_id).labels)
    if changes.conflicts:
        raise CvatConflict(
            f"CVAT project {name!r} has labels that differ from the project file, and annotations would be lost by "
            f"changing them: {'; '.join(changes.conflicts)}; rename them there or choose another cvat: project:"
        )
    if changes.wanted:
        try:
            call(client, "PATCH", f"/api/projects/{project_id}", body=msgspec.json.encode({"labels": changes.wanted}))
        except CvatRefused:
            if compare_labels(specs, read_labels(client, "project_id", project_id).labels).wanted == changes.wanted:
                raise
            return _push_once(client, name, specs)  # somebody made some of these labels meanwhile
    return project_id


def create_project(client: Client, name: str) -> int:
    """A new project, unless somebody made an older one meanwhile: then ours, which is still empty, goes."""
    made = msgspec.json.decode(call(client, "POST", "/api/projects", body=msgspec.json.encode({"name": name})))["id"]
    oldest = find_project(client, name) or made
    if made != oldest:
        call(client, "DELETE", f"/api/projects/{made}")
    return int(oldest)
