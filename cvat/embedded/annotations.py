"""Annotations of a task or of one job. They belong to jobs, as in CVAT: a shape on a frame that two jobs share is
stored in both, a track is cut where a job ends, and the task shows what its jobs have joined again.

All functions take and give the structs of `labeled`; plain dictionaries become such by `labeled.from_plain`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Select, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from cvat.embedded.annotation_rows import RowMaker, StoredAnnotation, StoredKeyFrame, StoredTrack, read_rows
from cvat.embedded.database import last_id, timestamp
from cvat.embedded.errors import BadRequest
from cvat.embedded.joining import JobPart, join
from cvat.embedded.labeled import ElementTrack, LabeledData, Shape, Tag
from cvat.embedded.labels import labels_of
from cvat.embedded.placing import Homes, place
from cvat.embedded.specs import LabelSpec, read_specs
from cvat.embedded.tables import Annotation, Base, Job, KeyFrame, Project, Task
from cvat.embedded.tables import Track as TrackRow


@dataclass(frozen=True)
class Scope:
    """Where annotations are read or written: all jobs of a task or one. Frames count from the start of the task."""

    task: Task
    jobs: Sequence[Job]

    @property
    def job_ids(self) -> list[int]:
        """The ids of the jobs."""
        return [job.id for job in self.jobs]


def read_annotations(session: Session, scope: Scope) -> LabeledData:
    """All annotations by frame and age, with the defaults of attributes that have no value."""
    found = read_rows(*_read(session, scope.job_ids), read_specs(session, labels_of(scope.task)))
    return _joined(scope, found)


def replace_annotations(session: Session, scope: Scope, sent: LabeledData) -> LabeledData:
    """Put these in the place of all there are. The answer is what was stored, with new ids."""
    _check(session, scope, sent, with_ids=False)
    remove_annotations(session, scope)
    return _store(session, scope, place(sent, scope.jobs))


def create_annotations(session: Session, scope: Scope, sent: LabeledData) -> LabeledData:
    """Add these to what is there."""
    _check(session, scope, sent, with_ids=False)
    return _store(session, scope, place(sent, scope.jobs))


def update_annotations(session: Session, scope: Scope, sent: LabeledData) -> LabeledData:
    """Change the annotations with these ids, each in the job that has it. Those that somebody deleted stay deleted."""
    _check(session, scope, sent, with_ids=True)
    kept = _find(session, scope, sent)
    _remove(session, kept)
    _touch(session, scope, kept.job_ids)
    return _store(session, scope, place(sent, scope.jobs, kept))


def delete_annotations(session: Session, scope: Scope, sent: LabeledData) -> LabeledData:
    """Remove the annotations with these ids; of tracks, as in CVAT, those with a key frame. Answers what was sent."""
    _check(session, scope, sent, with_ids=True)
    found = _find(session, scope, replace(sent, tracks=[track for track in sent.tracks if track.shapes]))
    _remove(session, found)
    _touch(session, scope, found.job_ids)
    return sent


def newest_ids(session: Session) -> dict[str, int]:
    """The newest ids there are, by table: what comes later has larger ones."""
    return {table.__tablename__: last_id(session, table.__tablename__) for table in (Annotation, TrackRow)}


def remove_annotations(session: Session, scope: Scope, *, up_to: Mapping[str, int] | None = None) -> None:
    """Remove all there are, or those that were there when `newest_ids` gave `up_to`."""
    for table in (Annotation, TrackRow):
        here = table.job_id.in_(scope.job_ids)
        old = here if up_to is None else here & (table.id <= up_to[table.__tablename__])
        session.execute(delete(table).where(old))
    _touch(session, scope, scope.job_ids)


def _read(
    session: Session, job_ids: Sequence[int]
) -> tuple[list[StoredAnnotation], list[StoredTrack], list[StoredKeyFrame]]:
    annotations = _columns(Annotation, StoredAnnotation).where(Annotation.job_id.in_(job_ids))
    tracks = _columns(TrackRow, StoredTrack).where(TrackRow.job_id.in_(job_ids))
    key_frames = _columns(KeyFrame, StoredKeyFrame).join(TrackRow).where(TrackRow.job_id.in_(job_ids))
    return (
        list(map(StoredAnnotation._make, session.execute(annotations.order_by(Annotation.frame, Annotation.id)))),
        list(map(StoredTrack._make, session.execute(tracks.order_by(TrackRow.id)))),
        list(map(StoredKeyFrame._make, session.execute(key_frames.order_by(KeyFrame.frame, KeyFrame.id)))),
    )


def _columns(table: type[Base], row: type[Any]) -> Select[Any]:
    return select(*(getattr(table, name) for name in row._fields))


def _joined(scope: Scope, found: Mapping[int, LabeledData]) -> LabeledData:
    jobs = sorted(scope.jobs, key=lambda job: (job.start_frame, job.id))
    parts = [JobPart(job.start_frame, found.get(job.id, LabeledData())) for job in jobs]
    return join(parts, overlap=scope.task.overlap)


def _check(session: Session, scope: Scope, sent: LabeledData, *, with_ids: bool) -> None:
    """Raises BadRequest, with CVAT's words, for unknown labels and attributes and for ids in the wrong place."""
    _check_ids("tags", sent.tags, with_ids)
    _check_ids("shapes", sent.shapes, with_ids)
    _check_ids("tracks", sent.tracks, with_ids)
    specs = read_specs(session, labels_of(scope.task))
    for body in (*sent.tags, *sent.shapes):
        _check_label(body, None, specs)
        _check_attributes(body, specs[body.label_id].defaults)
        for element in body.elements if isinstance(body, Shape) else ():
            _check_label(element, body.label_id, specs)
            _check_attributes(element, specs[element.label_id].defaults)
    for track in sent.tracks:
        _check_track(track, None, specs)
        for part in track.elements:
            _check_track(part, track.label_id, specs)


def _check_ids(name: str, bodies: Sequence[Tag], with_ids: bool) -> None:
    sentence = "This field is required." if with_ids else "A new annotation has no id yet."
    if any((body.id is not None) != with_ids for body in bodies):
        raise BadRequest({name: [{} if (body.id is not None) == with_ids else {"id": [sentence]} for body in bodies]})


def _check_track(track: ElementTrack, parent_id: int | None, specs: Mapping[int, LabelSpec]) -> None:
    _check_label(track, parent_id, specs)
    _check_attributes(track, specs[track.label_id].fixed)
    for shape in track.shapes:
        _check_attributes(shape, specs[track.label_id].mutable)


def _check_label(body: Tag, parent_id: int | None, specs: Mapping[int, LabelSpec]) -> None:
    if body.label_id not in specs or specs[body.label_id].parent_id != parent_id:
        raise BadRequest([f"label_id `{body.label_id}` is invalid"])


def _check_attributes(body: Any, known: Collection[int]) -> None:
    for attribute in body.attributes:
        if attribute.spec_id not in known:
            raise BadRequest([f"spec_id `{attribute.spec_id}` is invalid"])


def _find(session: Session, scope: Scope, sent: LabeledData) -> Homes:
    return Homes(
        _jobs_of(session, scope, Annotation, {body.id for body in (*sent.tags, *sent.shapes)}),
        _jobs_of(session, scope, TrackRow, {track.id for track in sent.tracks}),
    )


def _jobs_of(
    session: Session, scope: Scope, table: type[Annotation | TrackRow], ids: Collection[int | None]
) -> dict[int, int]:
    if not ids:
        return {}
    here = (table.job_id.in_(scope.job_ids), table.parent_id.is_(None))
    found = session.execute(select(table.id, table.job_id).where(*here)).tuples()
    return {id_: job_id for id_, job_id in found if id_ in ids}


def _remove(session: Session, found: Homes) -> None:
    for table, ids in ((Annotation, found.annotations), (TrackRow, found.tracks)):
        if ids:
            statement = delete(table).where(table.id == bindparam("gone"))
            session.connection().execute(statement, [{"gone": id_} for id_ in ids])


def _store(session: Session, scope: Scope, parts: Mapping[int, LabeledData]) -> LabeledData:
    maker = RowMaker(*(last_id(session, table.__tablename__) for table in (Annotation, TrackRow, KeyFrame)))
    told = {job_id: maker.add(job_id, part) for job_id, part in parts.items()}
    rows = ((Annotation, maker.rows.annotations), (TrackRow, maker.rows.tracks), (KeyFrame, maker.rows.key_frames))
    for table, new in rows:
        if new:
            session.connection().execute(insert(table), new)
    _touch(session, scope, {job_id for job_id, part in told.items() if part.tags or part.shapes or part.tracks})
    return _joined(scope, told)


def _touch(session: Session, scope: Scope, job_ids: Collection[int]) -> None:
    """Tell jobs, their task and its project that they changed."""
    if not job_ids:
        return
    changed = {"updated_date": timestamp()}
    session.execute(update(Job).where(Job.id.in_(job_ids)).values(changed))
    session.execute(update(Task).where(Task.id == scope.task.id).values(changed))
    session.execute(update(Project).where(Project.id == scope.task.project_id).values(changed))
