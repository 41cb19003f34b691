"""Datasets becoming tasks of a project, one for each subset: their images, and the annotations on them.

All is read, checked and unpacked first; then it is there with one commit, so an import that fails changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.annotations import Scope, create_annotations
from cvat.embedded.archives import Archive, open_archive
from cvat.embedded.background import Outcome, Work
from cvat.embedded.bodies import DataBody, LabelBody
from cvat.embedded.database import Database, timestamp
from cvat.embedded.errors import RefusedImport
from cvat.embedded.formats.files import Images
from cvat.embedded.formats.importers import IMPORTERS, Importer
from cvat.embedded.formats.target import Target, TargetFrame, stem
from cvat.embedded.images import media_type, probe
from cvat.embedded.imports import validated
from cvat.embedded.ingest import write_frames
from cvat.embedded.labeled import LabeledData
from cvat.embedded.labels import add_labels
from cvat.embedded.received import find_file, forget_file
from cvat.embedded.rows import find_project
from cvat.embedded.settings import Limits
from cvat.embedded.specs import LabelSpec, read_specs, top_labels
from cvat.embedded.store import Store
from cvat.embedded.tables import Job, Label, Request, Task

IMPORT_DATASET = "import:dataset"

#: A class of some formats that stands for no label.
_BACKGROUND = "background"


@dataclass(frozen=True)
class _Image:
    """An image of a dataset: its name, its file in the archive, and its number if the dataset gives one."""

    name: str
    member: str
    number: int | None


@dataclass(frozen=True)
class _Subset:
    """A task to be made: its images in `incoming`, the rows of its frames, and its annotations."""

    name: str
    files: Sequence[Path]
    rows: Sequence[dict[str, Any]]
    annotations: LabeledData


def dataset_request(session: Session, project_id: int, user_id: int, *, format_name: str, file_id: str) -> Request:
    """The request to import a received dataset. Raises NotFound."""
    return Request(
        id=f"action=import&target=project&target_id={find_project(session, project_id).id}&subresource=dataset",
        type=IMPORT_DATASET,
        target="project",
        owner_id=user_id,
        project_id=project_id,
        params={"file": file_id, "format": format_name},
    )


def import_dataset_with(database: Database, store: Store, limits: Limits) -> Work:
    """The work of a request for an import. The received file goes, whether it can be imported or not."""

    def work(request: Request) -> Outcome:
        file_id, file = find_file(database, store, request.params["file"])
        importer, project_id = IMPORTERS[request.params["format"]], request.project_id or 0
        with database.reading() as session:
            known = top_labels(read_specs(session, Label.project_id == project_id))
        try:
            with open_archive(file.path, file.name, limits=limits) as archive:
                labels = known or _new_labels(importer.label_names(archive))
                _check_labels(importer.label_names(archive), labels)
                subsets = _read_subsets(archive, importer, labels, store, limits)
        except Exception:
            forget_file(database, store, file_id)
            raise

        made: list[int] = []

        def commit(session: Session, row: Request) -> None:
            ids = {} if known else _add_labels(session, project_id, labels)
            for subset in subsets:
                _add_task(session, store, row.owner_id, project_id, subset, ids, made)

        def tidy() -> None:
            _remove_files(subsets)  # there are none, unless the request was deleted meanwhile
            forget_file(database, store, file_id)

        def undo() -> None:
            store.remove_tasks(made)
            tidy()

        return Outcome(commit, tidy, undo)

    return work


def _new_labels(names: Iterable[str]) -> dict[int, LabelSpec]:
    """The labels of a project that has none yet, under provisional ids."""
    return {number: LabelSpec(number, name, "any") for number, name in enumerate(names, 1) if name != _BACKGROUND}


def _check_labels(names: Iterable[str], labels: Mapping[int, LabelSpec]) -> None:
    known = {label.name for label in labels.values()} | {_BACKGROUND}
    for name in names:
        if name not in known:
            raise RefusedImport(f"Target project does not have label with name {name!r}; add it and import again")


def _read_subsets(
    archive: Archive, importer: Importer, labels: Mapping[int, LabelSpec], store: Store, limits: Limits
) -> list[_Subset]:
    subsets: list[_Subset] = []
    try:
        for name, images in importer.images_by_subset(archive).items():
            places = _find_images(archive, name, images)
            files, rows = _unpack(archive, places, store, limits)
            subsets.append(_Subset(name, files, rows, LabeledData()))
            target = _target(places, rows, labels, name)
            subsets[-1] = _Subset(name, files, rows, validated(importer.read_annotations(archive, target)))
        if not subsets:
            raise RefusedImport("there are no images in the dataset; send it with its images")
        store.sync([path for subset in subsets for path in subset.files])  # now, as the commit keeps others waiting
    except BaseException:
        _remove_files(subsets)
        raise
    return subsets


def _unpack(
    archive: Archive, places: Sequence[_Image], store: Store, limits: Limits
) -> tuple[list[Path], list[dict[str, Any]]]:
    """Images in `incoming`, and the rows of the frames they become."""
    unpacked = archive.unpack((image.member for image in places), store)
    files = [unpacked[image.member] for image in places]
    try:
        return files, [_row(number, image.name, unpacked[image.member], limits) for number, image in enumerate(places)]
    except BaseException:
        for path in files:
            path.unlink(missing_ok=True)
        raise


def _find_images(archive: Archive, subset: str, images: Images) -> list[_Image]:
    """Where in the archive the images of a subset lie, by name; a name gets the ending of its file."""
    members: dict[str, list[PurePosixPath]] = {}
    for member in archive.names:
        if media_type(member):
            members.setdefault(PurePosixPath(member).stem, []).append(PurePosixPath(member))
    found = []
    for name, number in images.items():
        wanted = PurePosixPath(stem(name))
        fitting = [
            path
            for path in members.get(wanted.name, ())
            if path.with_suffix("").parts[-len(wanted.parts) :] == wanted.parts
        ]
        if not fitting:
            raise RefusedImport(f"the image {name!r} is not in the archive; send the dataset with its images")
        suffix = PurePosixPath(name).suffix
        place = min(fitting, key=lambda path: (path.suffix != suffix, subset not in path.parts, len(path.parts)))
        found.append(_Image(str(wanted) + place.suffix, str(place), number))
    return sorted(found, key=lambda image: image.name)


def _row(number: int, name: str, path: Path, limits: Limits) -> dict[str, Any]:
    size = probe(path, name, max_pixels=limits.image_pixels)
    row = {"number": number, "name": name, "file": path.name, "time": None, "deleted": False}
    return {**row, "width": size.width, "height": size.height}


def _target(
    places: Sequence[_Image], rows: Sequence[dict[str, Any]], labels: Mapping[int, LabelSpec], subset: str
) -> Target:
    frames = [
        TargetFrame(
            index,
            index if image.number is None else image.number,
            image.name,
            row["width"],
            row["height"],
        )
        for index, (image, row) in enumerate(zip(places, rows, strict=True))
    ]
    return Target(frames, labels, subset=subset)


def _add_labels(session: Session, project_id: int, labels: Mapping[int, LabelSpec]) -> dict[int, int]:
    """Create labels; gives their ids by the provisional ones."""
    project = find_project(session, project_id)
    add_labels(session, project, [LabelBody(name=label.name) for label in labels.values()])
    made = {spec.name: spec.id for spec in read_specs(session, Label.project_id == project_id).values()}
    return {number: made[label.name] for number, label in labels.items()}


def _add_task(
    session: Session,
    store: Store,
    owner_id: int,
    project_id: int,
    subset: _Subset,
    ids: Mapping[int, int],
    made: list[int],
) -> None:
    """Make a subset a task, whose id is added to `made`."""
    task = Task(name=subset.name, project_id=project_id, subset=subset.name, owner_id=owner_id)
    task.created_date = task.updated_date = timestamp()
    session.add(task)
    session.flush()
    made.append(task.id)
    store.keep_in_task(task.id, subset.files)
    write_frames(session, task, [{**row, "task_id": task.id} for row in subset.rows], DataBody(), None)
    session.flush()
    jobs = session.scalars(select(Job).where(Job.task_id == task.id)).all()
    create_annotations(session, Scope(task, jobs), _relabelled(subset.annotations, ids))


def _relabelled(annotations: LabeledData, ids: Mapping[int, int]) -> LabeledData:
    """Annotations under the ids that new labels got; those of skeletons, which have parts, are never new."""
    return replace(
        annotations,
        tags=[replace(tag, label_id=ids.get(tag.label_id, tag.label_id)) for tag in annotations.tags],
        shapes=[replace(shape, label_id=ids.get(shape.label_id, shape.label_id)) for shape in annotations.shapes],
        tracks=[replace(track, label_id=ids.get(track.label_id, track.label_id)) for track in annotations.tracks],
    )


def _remove_files(subsets: Iterable[_Subset]) -> None:
    for path in (path for subset in subsets for path in subset.files):
        path.unlink(missing_ok=True)
