"""The tables. Times are ISO 8601 text in UTC; ids are never given twice (autoincrement)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

#: Raised with every change of the tables, so that a server never opens data it cannot read.
SCHEMA_VERSION = 3

#: What to change in data of an earlier version that can be read on, beside the tables that it lacks.
UPGRADES = {
    2: (
        "ALTER TABLE job ADD COLUMN type VARCHAR NOT NULL DEFAULT 'annotation'",
        "ALTER TABLE job ADD COLUMN frames JSON",
    )
}

ANNOTATION, GROUND_TRUTH = "annotation", "ground_truth"


class Base(DeclarativeBase):
    """The metadata all tables share."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[int]: JSON(none_as_null=True),
        list[float]: JSON,
    }


_NEVER_REUSED = {"sqlite_autoincrement": True}


def _owner() -> Mapped[int]:
    return mapped_column(ForeignKey("user.id"))


def _part_of(column: str, *, index: bool = True) -> Any:
    return mapped_column(ForeignKey(column, ondelete="CASCADE"), index=index)


class User(Base):
    """Somebody who can log in and be assigned to work."""

    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    date_joined: Mapped[str]
    last_login: Mapped[str | None]


class Token(Base):
    """A login, as an API key or as the session cookie; only a digest of the secret is kept."""

    __tablename__ = "token"

    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = _part_of("user.id")
    kind: Mapped[str]
    expires_date: Mapped[str]


class Project(Base):
    """Tasks that share labels."""

    __tablename__ = "project"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    owner_id: Mapped[int] = _owner()
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    assignee_updated_date: Mapped[str | None]
    bug_tracker: Mapped[str] = mapped_column(default="")
    created_date: Mapped[str]
    updated_date: Mapped[str]


class Task(Base):
    """A list of frames cut into jobs. Without data yet, `size` is 0. `video` is the name of the file whose frames they
    are, `zip_chunks` says that chunks of them are sent as images."""

    __tablename__ = "task"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    project_id: Mapped[int | None] = _part_of("project.id")
    owner_id: Mapped[int] = _owner()
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    assignee_updated_date: Mapped[str | None]
    bug_tracker: Mapped[str] = mapped_column(default="")
    subset: Mapped[str] = mapped_column(default="")
    segment_size: Mapped[int] = mapped_column(default=0)
    overlap: Mapped[int] = mapped_column(default=0)
    created_date: Mapped[str]
    updated_date: Mapped[str]

    size: Mapped[int] = mapped_column(default=0)
    image_quality: Mapped[int] = mapped_column(default=70)
    chunk_size: Mapped[int] = mapped_column(default=0)
    start_frame: Mapped[int] = mapped_column(default=0)
    stop_frame: Mapped[int] = mapped_column(default=0)
    frame_filter: Mapped[str] = mapped_column(default="")
    video: Mapped[str | None]
    zip_chunks: Mapped[bool] = mapped_column(default=True)
    data_date: Mapped[str | None]

    @property
    def frame_step(self) -> int:
        """Every how many images or frames of the source one is taken."""
        return int(self.frame_filter.removeprefix("step=") or 1)

    def source_number(self, frame: int) -> int:
        """The place of a frame in the source, which the formats number frames by."""
        return self.start_frame + frame * self.frame_step


class Label(Base):
    """A class of a project or of a task of its own; a part of a skeleton has a parent."""

    __tablename__ = "label"
    __table_args__ = (CheckConstraint("(project_id IS NULL) <> (task_id IS NULL)"), _NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int | None] = _part_of("project.id")
    task_id: Mapped[int | None] = _part_of("task.id")
    parent_id: Mapped[int | None] = _part_of("label.id")
    name: Mapped[str]
    color: Mapped[str]
    type: Mapped[str]
    svg: Mapped[str] = mapped_column(default="")


class Attribute(Base):
    """A property of a label; `values` is text with one value a line, as CVAT keeps it."""

    __tablename__ = "attribute"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    label_id: Mapped[int] = _part_of("label.id")
    name: Mapped[str]
    mutable: Mapped[bool]
    input_type: Mapped[str]
    default_value: Mapped[str]
    values: Mapped[str]


class Upload(Base):
    """A file received for a task that has no frames yet. The file is named by `id`, its content may be incomplete
    only where it comes in pieces: then it is shorter than `length`."""

    __tablename__ = "upload"
    __table_args__ = (UniqueConstraint("task_id", "name"), _NEVER_REUSED)

    position: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    task_id: Mapped[int] = _part_of("task.id", index=False)
    name: Mapped[str]
    length: Mapped[int]


class Frame(Base):
    """An image of a task, or with a `time` (in milliseconds) a frame of its video. `file` names the image or the video
    in the task's folder; sizes are those of the upright image, in pixels."""

    __tablename__ = "frame"

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    file: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    time: Mapped[float | None]
    deleted: Mapped[bool] = mapped_column(default=False)


class Job(Base):
    """A run of frames for one person; both ends are included. Ground truth has only those of its task in `frames`."""

    __tablename__ = "job"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = _part_of("task.id")
    start_frame: Mapped[int]
    stop_frame: Mapped[int]
    type: Mapped[str] = mapped_column(default=ANNOTATION)
    frames: Mapped[list[int] | None]
    stage: Mapped[str] = mapped_column(default="annotation")
    state: Mapped[str] = mapped_column(default="new")
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    assignee_updated_date: Mapped[str | None]
    created_date: Mapped[str]
    updated_date: Mapped[str]

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of its frames, in order."""
        return self.frames or range(self.start_frame, self.stop_frame + 1)


class Issue(Base):
    """A question or complaint at a place on a frame of a job; `position` is x, y, ... in pixels."""

    __tablename__ = "issue"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = _part_of("job.id")
    frame: Mapped[int]
    position: Mapped[list[float]]
    owner_id: Mapped[int] = _owner()
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    resolved: Mapped[bool] = mapped_column(default=False)
    created_date: Mapped[str]
    updated_date: Mapped[str]


class Comment(Base):
    """What somebody says about an issue; the first comment is what the issue was opened with."""

    __tablename__ = "comment"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = _part_of("issue.id")
    owner_id: Mapped[int] = _owner()
    message: Mapped[str]
    created_date: Mapped[str]
    updated_date: Mapped[str]


class Annotation(Base):
    """A tag, a shape, or an element of a skeleton (the one with a parent). A tag has neither type nor points.

    `points` is JSON of absolute pixels x, y, x, y, ...; a mask's are run lengths and its box. `attributes` is JSON of
    the attribute values that were sent.
    """

    __tablename__ = "annotation"
    __table_args__ = (
        Index("annotation_in_order", "job_id", "frame", "id"),
        Index("annotation_elements", "parent_id", sqlite_where=text("parent_id IS NOT NULL")),
        _NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = _part_of("job.id", index=False)
    parent_id: Mapped[int | None] = _part_of("annotation.id", index=False)
    label_id: Mapped[int] = _part_of("label.id")
    kind: Mapped[str]
    frame: Mapped[int]
    group: Mapped[int | None]
    source: Mapped[str]
    attributes: Mapped[str]
    type: Mapped[str | None]
    occluded: Mapped[bool | None]
    outside: Mapped[bool | None]
    z_order: Mapped[int | None]
    rotation: Mapped[float | None]
    points: Mapped[str | None]


class Track(Base):
    """An object over several frames, or an element of one that is a skeleton (the one with a parent)."""

    __tablename__ = "track"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = _part_of("job.id")
    parent_id: Mapped[int | None] = _part_of("track.id")
    label_id: Mapped[int] = _part_of("label.id")
    frame: Mapped[int]
    group: Mapped[int | None]
    source: Mapped[str]
    attributes: Mapped[str]


class KeyFrame(Base):
    """The shape of a track on one frame; columns as those of an annotation."""

    __tablename__ = "key_frame"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    track_id: Mapped[int] = _part_of("track.id")
    frame: Mapped[int]
    attributes: Mapped[str]
    type: Mapped[str]
    occluded: Mapped[bool]
    outside: Mapped[bool]
    z_order: Mapped[int]
    rotation: Mapped[float]
    points: Mapped[str]


class Request(Base):
    """Work done in the background, by the id the client asks for. `attempts` counts the starts of the work;
    `progress` is a percentage, where the work tells one."""

    __tablename__ = "request"

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    target: Mapped[str]
    owner_id: Mapped[int] = _owner()
    project_id: Mapped[int | None] = _part_of("project.id")
    task_id: Mapped[int | None] = _part_of("task.id")
    job_id: Mapped[int | None] = _part_of("job.id")
    format: Mapped[str | None]
    params: Mapped[dict[str, Any]]
    status: Mapped[str]
    message: Mapped[str] = mapped_column(default="")
    progress: Mapped[int | None]
    attempts: Mapped[int] = mapped_column(default=0)
    created_date: Mapped[str]
    started_date: Mapped[str | None]
    finished_date: Mapped[str | None]
    result_file: Mapped[str | None]
    result_id: Mapped[int | None]


class ReceivedFile(Base):
    """A file on its way in that is not for a task's frames, named by `id`: complete when it has `length` bytes."""

    __tablename__ = "received_file"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    length: Mapped[int]
    created_date: Mapped[str]


class Webhook(Base):
    """An address that is told of events in a project."""

    __tablename__ = "webhook"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = _part_of("project.id")
    owner_id: Mapped[int] = _owner()
    target_url: Mapped[str]
    description: Mapped[str]
    secret: Mapped[str]
    is_active: Mapped[bool]
    enable_ssl: Mapped[bool]
    events: Mapped[list[str]]
    created_date: Mapped[str]
    updated_date: Mapped[str]


class Outgoing(Base):
    """A message that still has to be sent. It has all that this takes, as the last event of a project is its end."""

    __tablename__ = "outgoing"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[int]
    target_url: Mapped[str]
    secret: Mapped[str]
    enable_ssl: Mapped[bool]
    payload: Mapped[dict[str, Any]]
    redelivery: Mapped[bool] = mapped_column(default=False)


class Delivery(Base):
    """A message that was sent, and what came back."""

    __tablename__ = "delivery"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[int] = _part_of("webhook.id")
    event: Mapped[str]
    status_code: Mapped[int]
    redelivery: Mapped[bool]
    changed_fields: Mapped[str]
    request: Mapped[dict[str, Any]]
    response: Mapped[str]
    created_date: Mapped[str]
