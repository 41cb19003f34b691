"""What clients may send, except annotations (see `labeled`). As in CVAT, fields that are not known are dropped without
a word; wrong values are refused.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from cvat.embedded.errors import BadRequest

Name = Annotated[str, Field(min_length=1, max_length=256)]
Id = Annotated[int, Field(ge=0, lt=2**31)]
FrameFilter = Annotated[str, Field(pattern=r"^(step=[1-9]\d{0,8})?$")]
LabelType = Literal["any", "cuboid", "ellipse", "mask", "points", "polygon", "polyline", "rectangle", "skeleton", "tag"]


class Credentials(BaseModel):
    """A login."""

    username: str = ""
    password: str


class AttributeBody(BaseModel):
    """An attribute of a label, new or (with an id) to change."""

    id: int | None = None
    name: Name
    mutable: bool = False
    input_type: Literal["checkbox", "radio", "number", "text", "select"]
    default_value: str = ""
    values: list[str] = []


class LabelBody(BaseModel):
    """A label, new or (with an id) to change or delete."""

    id: int | None = None
    name: Name | None = None
    color: Annotated[str, Field(pattern=r"^(#[0-9A-Fa-f]{6})?$")] = ""
    type: LabelType = "any"
    attributes: list[AttributeBody] = []
    deleted: bool = False
    svg: str = ""
    sublabels: list["LabelBody"] = []


class ProjectBody(BaseModel):
    """A new project."""

    name: Name
    labels: list[LabelBody] = []
    bug_tracker: str = ""
    assignee_id: Id | None = None


class ProjectPatch(BaseModel):
    """Changes of a project."""

    name: Name | None = None
    labels: list[LabelBody] = []
    bug_tracker: str | None = None
    assignee_id: Id | None = None


class TaskBody(BaseModel):
    """A new task, in a project or with labels of its own."""

    name: Name
    project_id: Id | None = None
    labels: list[LabelBody] = []
    subset: Annotated[str, Field(max_length=64)] = ""
    bug_tracker: str = ""
    assignee_id: Id | None = None
    segment_size: Annotated[int, Field(ge=0, lt=2**31)] = 0
    overlap: Annotated[int, Field(ge=0, lt=2**31)] | None = None


class TaskPatch(BaseModel):
    """Changes of a task."""

    name: Name | None = None
    labels: list[LabelBody] = []
    subset: Annotated[str, Field(max_length=64)] | None = None
    bug_tracker: str | None = None
    assignee_id: Id | None = None


class JobPatch(BaseModel):
    """Changes of a job."""

    assignee: Id | None = None
    stage: Literal["annotation", "validation", "acceptance"] | None = None
    state: Literal["new", "in progress", "completed", "rejected"] | None = None


_NUMBERS = {
    "manual": ("frames",),
    "random_uniform": ("frame_count", "frame_share"),
    "random_per_job": ("frames_per_job_count", "frames_per_job_share"),
}


class FrameChoice(BaseModel):
    """Which frames are ground truth: those listed, or so many (or such a share) of all or of each job's."""

    frame_selection_method: Literal["manual", "random_uniform", "random_per_job"]
    frame_count: Annotated[int, Field(ge=1)] | None = None
    frame_share: Annotated[float, Field(gt=0, le=1)] | None = None
    frames_per_job_count: Annotated[int, Field(ge=1)] | None = None
    frames_per_job_share: Annotated[float, Field(gt=0, le=1)] | None = None
    random_seed: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _says_how_many(self) -> Self:
        names = _NUMBERS[self.frame_selection_method]
        if sum(bool(getattr(self, name)) for name in names) != 1:
            raise ValueError(f"{self.frame_selection_method} needs {' or '.join(names)}.")
        return self

    @property
    def is_drawn(self) -> bool:
        """Whether chance chooses."""
        return self.frame_selection_method != "manual"

    def number_of(self, frames: int) -> int:
        """How many to draw of `frames`."""
        count = self.frame_count or self.frames_per_job_count
        share = self.frame_share or self.frames_per_job_share
        return count or max(1, int((share or 0) * frames))


class JobBody(JobPatch, FrameChoice):
    """A new job, which only ground truth can be; others come with a task's images."""

    type: Literal["ground_truth"]
    task_id: Id
    frames: list[Id] = []


class ValidationBody(FrameChoice):
    """Ground truth that is chosen as a task gets its images; `frames` are their names."""

    mode: Literal["gt"]
    frames: list[str] = []


class MetaPatch(BaseModel):
    """Changes of the frame list: the frames marked deleted from now on."""

    deleted_frames: list[int]


class DataBody(BaseModel):
    """How uploaded files become frames."""

    image_quality: Annotated[int, Field(ge=0, le=100)] = 70
    chunk_size: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    start_frame: Annotated[int, Field(ge=0)] = 0
    stop_frame: Annotated[int, Field(ge=0)] | None = None
    frame_filter: FrameFilter = ""
    sorting_method: Literal["lexicographical", "natural", "predefined", "random"] = "lexicographical"
    upload_file_order: list[str] = []
    use_zip_chunks: bool = False
    server_files: list[str] = []
    validation_params: ValidationBody | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_would_be_ignored(cls, sent: dict[str, Any]) -> dict[str, Any]:
        """These change which frames there are or how jobs are cut; to drop them would build another task in silence."""
        unknown = ("job_file_mapping", "filename_pattern", "server_files_exclude")
        elsewhere = ("remote_files", "cloud_storage_id")
        wrong = {name: ["This server cannot do this."] for name in unknown if sent.get(name)}
        wrong |= {
            name: ["This server fetches nothing from elsewhere; upload the files."]
            for name in elsewhere
            if sent.get(name)
        }
        if wrong:
            raise BadRequest(wrong)
        return sent

    @property
    def frame_step(self) -> int:
        """Every how many images, or frames of a video, one is taken."""
        return int(self.frame_filter.removeprefix("step=") or 1)
