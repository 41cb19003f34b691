"""`project.json` and `task.json` of a backup. As with CVAT, fields that are not known are dropped."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, Field, ValidationError, model_validator

from cvat.embedded.archives import Archive
from cvat.embedded.bodies import DataBody, FrameFilter, LabelBody, Name
from cvat.embedded.errors import RefusedUpload
from cvat.embedded.specs import AttributeSpec, LabelSpec, top_labels
from cvat.embedded.tables import ANNOTATION, Frame, Project, Task

PROJECT, TASK, ANNOTATIONS, DATA = "project.json", "task.json", "annotations.json", "data/"
MANIFEST = "manifest.jsonl"

_VERSION = "1.0"

Layout = TypeVar("Layout", bound=BaseModel)

_Frame = Annotated[int, Field(ge=0, lt=2**31)]


class DataLayout(BaseModel):
    """How the files of a task become its frames. Without a range all of them do."""

    chunk_size: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    image_quality: Annotated[int, Field(ge=0, le=100)] = 70
    start_frame: _Frame = 0
    stop_frame: _Frame | None = None
    frame_filter: FrameFilter = ""
    storage: Literal["local"] = "local"
    sorting_method: Literal["lexicographical", "natural", "predefined", "random"] = "lexicographical"
    chunk_type: Literal["imageset", "video"] = "imageset"
    deleted_frames: list[_Frame] = []

    @property
    def options(self) -> DataBody:
        """The options of an upload of the same files."""
        fields = self.model_dump(include=set(DataBody.model_fields))
        return DataBody(**fields, use_zip_chunks=self.chunk_type == "imageset")


class JobLayout(BaseModel):
    """A job of a task; ground truth has `frames`, by their places in the source. CVAT keeps only its status; stage and
    state are Carloop's."""

    start_frame: _Frame
    stop_frame: _Frame
    type: str = ANNOTATION
    frames: list[_Frame] = []
    status: Literal["annotation", "validation", "completed"] = "annotation"
    stage: Literal["annotation", "validation", "acceptance"] | None = None
    state: Literal["new", "in progress", "completed", "rejected"] | None = None

    @property
    def progress(self) -> tuple[str, str]:
        """Stage and state: as written, or such that they show as the status."""
        stages = {"annotation": "annotation", "validation": "validation", "completed": "acceptance"}
        states = {"completed": "completed"}
        return self.stage or stages[self.status], self.state or states.get(self.status, "new")


class TaskLayout(BaseModel):
    """`task.json`."""

    version: Literal["1.0"]
    name: Name
    bug_tracker: str = ""
    subset: Annotated[str, Field(max_length=64)] = ""
    labels: list[LabelBody] = []
    data: DataLayout
    jobs: Annotated[list[JobLayout], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_jobs(self) -> "TaskLayout":
        if not any(job.type == ANNOTATION for job in self.jobs):
            raise ValueError("there is no job for annotation")
        return self

    @property
    def segments(self) -> tuple[int, int]:
        """How many frames a job has, and how many it shares with the next, as CVAT tells them from the first two."""
        first, *others = [job for job in self.jobs if job.type == ANNOTATION]
        overlap = first.stop_frame - others[0].start_frame + 1 if others else 0
        return first.stop_frame - first.start_frame + 1, max(overlap, 0)


class ProjectLayout(BaseModel):
    """`project.json`."""

    version: Literal["1.0"]
    name: Name
    bug_tracker: str = ""
    labels: list[LabelBody] = []


def read_layout(layout: type[Layout], name: str, archive: Archive) -> Layout:
    """A file of a backup. Raises RefusedUpload where it is missing or not as it has to be."""
    try:
        return layout.model_validate_json(archive.read(name))
    except ValidationError as error:
        raise RefusedUpload(f"{name}: this is not what a backup has there: {error}") from None


def project_json(project: Project, specs: Mapping[int, LabelSpec]) -> bytes:
    """A project as `project.json`."""
    told = {"name": project.name, "bug_tracker": project.bug_tracker, "status": "annotation", "version": _VERSION}
    return orjson.dumps({**told, "labels": _labels(specs)})


def task_json(
    task: Task, specs: Mapping[int, LabelSpec], jobs: Sequence[Mapping[str, Any]], data: Mapping[str, Any]
) -> bytes:
    """A task as `task.json`."""
    told = {
        "name": task.name,
        "bug_tracker": task.bug_tracker,
        "status": "annotation",
        "subset": task.subset,
        "labels": _labels(specs),
        "version": _VERSION,
        "data": data,
        "jobs": jobs,
    }
    return orjson.dumps(told)


def _labels(specs: Mapping[int, LabelSpec]) -> list[dict[str, Any]]:
    return [_label(spec) for spec in top_labels(specs).values()]


def _label(spec: LabelSpec) -> dict[str, Any]:
    svg = spec.svg
    for part in spec.parts.values():
        svg = svg.replace(f'data-label-id="{part.id}"', f'data-label-name="{part.name}"')
    told = {
        "name": spec.name,
        "color": spec.color,
        "attributes": [_attribute(attribute) for attribute in spec.attributes.values()],
        "type": spec.type,
        "sublabels": [_label(part) for part in spec.parts.values()],
    }
    return {**told, "svg": svg} if spec.type == "skeleton" else told


def _attribute(spec: AttributeSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "mutable": spec.mutable,
        "input_type": spec.input_type,
        "default_value": spec.default_value,
        "values": list(spec.values),
    }


def manifest_jsonl(frames: Iterable[Frame]) -> bytes:
    """The order of images, as CVAT's manifests tell it."""
    head = [{"version": "1.1"}, {"type": "images"}]
    return b"\n".join(map(orjson.dumps, [*head, *map(_manifest_entry, frames)])) + b"\n"


def _manifest_entry(frame: Frame) -> dict[str, Any]:
    path = PurePosixPath(frame.name)
    size = {"width": frame.width, "height": frame.height}
    return {"name": str(path.with_suffix("")), "extension": path.suffix, **size, "meta": {"related_images": []}}
