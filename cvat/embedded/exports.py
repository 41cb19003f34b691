"""Exports of annotations, with or without images, as zip files made in the background."""

import hashlib
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.annotations import Scope, read_annotations
from cvat.embedded.background import Outcome, Work
from cvat.embedded.database import Database
from cvat.embedded.formats import coco, cvat_images
from cvat.embedded.formats.dataset import AttributeSpec, Dataset, DatasetFrame, LabelSpec
from cvat.embedded.frames import read_frame
from cvat.embedded.labels import labels_of
from cvat.embedded.store import Store
from cvat.embedded.tables import Attribute, Frame, Job, Label, Request, Task
from datasets.errors import BadInput

EXPORT_ANNOTATIONS, EXPORT_DATASET = "export:annotations", "export:dataset"


@dataclass(frozen=True)
class Format:
    """How a format writes: the one file of annotations, and the place of each image."""

    annotation_file: Callable[[Dataset], tuple[str, bytes]]
    image_name: Callable[[Dataset, DatasetFrame], str]


FORMATS: Mapping[str, Format] = {
    "COCO 1.0": Format(coco.annotation_file, coco.image_name),
    "CVAT for images 1.1": Format(cvat_images.annotation_file, cvat_images.image_name),
}


def export_request(task: Task, user_id: int, *, format_name: str, with_images: bool) -> Request:
    """The request for an export of a task; the same export has the same id, as in CVAT."""
    subresource = "dataset" if with_images else "annotations"
    written = format_name.replace(" ", "_").replace(".", "~")
    return Request(
        id=f"action=export&target=task&target_id={task.id}&user_id={user_id}&format={written}&subresource={subresource}",
        type=EXPORT_DATASET if with_images else EXPORT_ANNOTATIONS,
        target="task",
        owner_id=user_id,
        project_id=task.project_id,
        task_id=task.id,
        format=format_name,
        params={"with_images": with_images},
    )


def export_with(database: Database, store: Store) -> Work:
    """The work of a request for an export."""

    def export(request: Request) -> Outcome:
        with database.reading() as session:
            dataset = read_dataset(session, store, cast(int, request.task_id))
        name = hashlib.sha256(request.id.encode()).hexdigest() + ".zip"
        write_export(dataset, FORMATS[str(request.format)], store, name, with_images=request.params["with_images"])

        def commit(_session: Session, finished: Request) -> None:
            finished.result_file = name

        return Outcome(commit)

    return export


def read_dataset(session: Session, store: Store, task_id: int) -> Dataset:
    """A task as an export sees it. Frames marked deleted are left out."""
    task = session.get(Task, task_id)
    if task is None or not task.size:
        raise BadInput(f"task {task_id} has no images to export; upload some first")
    jobs = session.scalars(select(Job).where(Job.task_id == task_id)).all()
    annotations = read_annotations(session, Scope(task, jobs))
    tags, shapes = _by_frame(annotations["tags"]), _by_frame(annotations["shapes"])
    wanted = select(Frame).where(Frame.task_id == task_id, Frame.deleted.is_(False)).order_by(Frame.number)
    frames = [
        DatasetFrame(
            number=frame.number,
            name=frame.name,
            width=frame.width,
            height=frame.height,
            path=store.task_file(task_id, frame.file),
            tags=tags[frame.number],
            shapes=shapes[frame.number],
        )
        for frame in session.scalars(wanted)
    ]
    return Dataset(
        task_id=task_id,
        task_name=task.name,
        size=task.size,
        subset=task.subset or "default",
        labels=_read_labels(session, task),
        frames=frames,
    )


def write_export(dataset: Dataset, format_: Format, store: Store, name: str, *, with_images: bool) -> None:
    """Write the zip of an export in one go; an earlier one of the name stays until this one is complete."""
    with store.writing() as written:
        _write_zip(dataset, format_, written, with_images=with_images)
        store.keep({written: store.export_file(name)})


def _write_zip(dataset: Dataset, format_: Format, path: Path, *, with_images: bool) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(*format_.annotation_file(dataset))
        for frame in dataset.frames if with_images else ():
            # Images hardly shrink, so packing them would cost time for nothing.
            content = read_frame(frame.path, quality=None)
            archive.writestr(format_.image_name(dataset, frame), content, zipfile.ZIP_STORED)


def _by_frame(annotations: list[dict[str, Any]]) -> defaultdict[int, list[dict[str, Any]]]:
    found = defaultdict[int, list[dict[str, Any]]](list)
    for annotation in annotations:
        found[annotation["frame"]].append(annotation)
    return found


def _read_labels(session: Session, task: Task) -> dict[int, LabelSpec]:
    attributes = defaultdict[int, dict[int, AttributeSpec]](dict)
    wanted = select(Attribute).join(Label, Label.id == Attribute.label_id).where(labels_of(task)).order_by(Attribute.id)
    for row in session.scalars(wanted):
        attributes[row.label_id][row.id] = AttributeSpec(
            name=row.name,
            input_type=row.input_type,
            mutable=row.mutable,
            default_value=row.default_value,
            values=row.values.split("\n"),
        )
    specs: dict[int, LabelSpec] = {}
    parts = defaultdict[int | None, dict[int, LabelSpec]](dict)
    for label in session.scalars(select(Label).where(labels_of(task)).order_by(Label.id)):
        spec = LabelSpec(label.id, label.name, label.type, label.color, attributes[label.id], parts[label.id])
        (parts[label.parent_id] if label.parent_id else specs)[label.id] = spec
    return specs
