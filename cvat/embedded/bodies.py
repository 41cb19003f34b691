"""What clients may send. As in CVAT, fields that are not known are dropped without a word; wrong values are refused."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, FiniteFloat, ValidationInfo, field_validator, model_validator

from cvat.embedded.errors import BadRequest

Name = Annotated[str, Field(min_length=1, max_length=256)]
Id = Annotated[int, Field(ge=0, lt=2**31)]
LabelType = Literal["any", "cuboid", "ellipse", "mask", "points", "polygon", "polyline", "rectangle", "skeleton", "tag"]
ShapeType = Literal["rectangle", "polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton"]

#: How many coordinates a shape has: the exact number, or the smallest where there may be more.
_EXACT_COORDINATES = {"rectangle": 4, "ellipse": 4, "cuboid": 16, "skeleton": 0}
_LEAST_COORDINATES = {"polygon": 6, "polyline": 4, "points": 2, "mask": 6}


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


class MetaPatch(BaseModel):
    """Changes of the frame list: the frames marked deleted from now on."""

    deleted_frames: list[int]


class DataBody(BaseModel):
    """How uploaded files become frames."""

    image_quality: Annotated[int, Field(ge=0, le=100)] = 70
    chunk_size: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    start_frame: Annotated[int, Field(ge=0)] = 0
    stop_frame: Annotated[int, Field(ge=0)] | None = None
    frame_filter: Annotated[str, Field(pattern=r"^(step=[1-9]\d{0,8})?$")] = ""
    sorting_method: Literal["lexicographical", "natural", "predefined", "random"] = "lexicographical"
    upload_file_order: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_would_be_ignored(cls, sent: dict[str, Any]) -> dict[str, Any]:
        """These change which frames there are or how jobs are cut; to drop them would build another task in silence."""
        unknown = ("server_files", "remote_files", "cloud_storage_id", "job_file_mapping", "filename_pattern")
        wrong = {name: ["This server cannot do this."] for name in (*unknown, "validation_params") if sent.get(name)}
        if wrong:
            raise BadRequest(wrong)
        return sent

    @property
    def frame_step(self) -> int:
        """Every how many files one is taken."""
        return int(re.sub(r"\D", "", self.frame_filter) or 1)


def _as_text(value: object) -> object:
    """Numbers are taken as text, as CVAT does."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class AttributeValue(BaseModel):
    """The value of one attribute of an annotation."""

    spec_id: int
    value: Annotated[str, BeforeValidator(_as_text), Field(max_length=4096)]


class Tag(BaseModel):
    """A label of a whole frame."""

    id: int | None = None
    frame: Id
    label_id: int
    group: Id | None = None
    source: Annotated[str, Field(min_length=1, max_length=16)] = "manual"
    attributes: list[AttributeValue] = []


class ShapeElement(Tag):
    """A shape. Points are absolute pixels, x before y; a mask's are run lengths and its box."""

    type: ShapeType
    occluded: bool = False
    outside: bool = False
    z_order: Annotated[int, Field(ge=-(2**31), lt=2**31)] = 0
    rotation: Annotated[float, Field(ge=0, le=360)] = 0.0
    points: list[FiniteFloat] = []

    @field_validator("points")
    @classmethod
    def _has_right_length(cls, points: list[float], info: ValidationInfo) -> list[float]:
        kind = info.data.get("type", "")
        exact, least = _EXACT_COORDINATES.get(kind), _LEAST_COORDINATES.get(kind, 0)
        if exact is not None and len(points) != exact:
            raise ValueError(f"A {kind} has {exact} coordinates, not {len(points)}.")
        if len(points) < least or (kind != "mask" and len(points) % 2):
            raise ValueError(f"A {kind} cannot have {len(points)} coordinates.")
        return points


class Shape(ShapeElement):
    """A shape that may be a skeleton, made of elements."""

    elements: Annotated[list[ShapeElement], Field(validate_default=True)] = []

    @field_validator("elements")
    @classmethod
    def _belong_to_skeleton(cls, elements: list[ShapeElement], info: ValidationInfo) -> list[ShapeElement]:
        if "type" in info.data and (info.data["type"] == "skeleton") != bool(elements):
            raise ValueError("A skeleton has elements, and nothing else has.")
        return elements


class LabeledData(BaseModel):
    """The annotations of a task or job, or some of them."""

    version: int = 0
    tags: list[Tag] = []
    shapes: list[Shape] = []
    tracks: list[Any] = []
