"""Annotations of a task or of one job. They belong to jobs, as in CVAT: a shape on a frame that two jobs share is
stored in both, and the task shows copies that are still alike once.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from cvat.embedded.annotation_rows import Defaults, answer, place, rows_of, show_all
from cvat.embedded.bodies import LabeledData, Shape, Tag
from cvat.embedded.database import last_id, timestamp
from cvat.embedded.errors import BadRequest
from cvat.embedded.labels import labels_of
from cvat.embedded.tables import Annotation, Attribute, Job, Label, Project, Task


@dataclass(frozen=True)
class Scope:
    """Where annotations are read or written: all jobs of a task or one. Frames count from the start of the task."""

    task: Task
    jobs: Sequence[Job]

    @property
    def job_ids(self) -> list[int]:
        """The ids of the jobs."""
        return [job.id for job in self.jobs]

    def jobs_by_frame(self) -> dict[int, list[int]]:
        """The ids of the jobs that have each frame: usually one."""
        found = defaultdict[int, list[int]](list)
        for job in self.jobs:
            for frame in range(job.start_frame, job.stop_frame + 1):
                found[frame].append(job.id)
        return dict(found)


def read_annotations(session: Session, scope: Scope) -> dict[str, Any]:
    """All annotations by frame and age, with the defaults of attributes that have no value."""
    columns = Annotation.__table__.columns
    wanted = select(*columns).where(Annotation.job_id.in_(scope.job_ids)).order_by(Annotation.frame, Annotation.id)
    rows = session.execute(wanted).all()
    return show_all(rows, _defaults(session, scope.task), copies=len(scope.jobs) > 1 and scope.task.overlap > 0)


def replace_annotations(session: Session, scope: Scope, sent: LabeledData) -> dict[str, Any]:
    """Put these in the place of all there are. The answer is what was stored, with new ids."""
    _check(session, scope, sent, with_ids=False)
    remove_annotations(session, scope)
    return _store(session, scope, sent)


def create_annotations(session: Session, scope: Scope, sent: LabeledData) -> dict[str, Any]:
    """Add these to what is there."""
    _check(session, scope, sent, with_ids=False)
    return _store(session, scope, sent)


def update_annotations(session: Session, scope: Scope, sent: LabeledData) -> dict[str, Any]:
    """Change the annotations with these ids. Those that somebody deleted stay deleted."""
    _check(session, scope, sent, with_ids=True)
    return _store(session, scope, sent, kept=_remove(session, scope, sent))


def delete_annotations(session: Session, scope: Scope, sent: LabeledData) -> dict[str, Any]:
    """Remove the annotations with these ids. The answer repeats what was sent."""
    _check(session, scope, sent, with_ids=True)
    _touch(session, scope, set(_remove(session, scope, sent).values()))
    return sent.model_dump()


def remove_annotations(session: Session, scope: Scope) -> None:
    """Remove all there are."""
    session.execute(delete(Annotation).where(Annotation.job_id.in_(scope.job_ids)))
    _touch(session, scope, scope.job_ids)


def _check(session: Session, scope: Scope, sent: LabeledData, *, with_ids: bool) -> None:
    """Raises BadRequest, with CVAT's words, for unknown labels and attributes and for ids in the wrong place."""
    if sent.tracks:
        raise BadRequest({"tracks": ["This server has no tracks; send shapes."]})
    _check_ids("tags", sent.tags, with_ids)
    _check_ids("shapes", sent.shapes, with_ids)
    defaults = _defaults(session, scope.task)
    parents = dict(session.execute(select(Label.id, Label.parent_id).where(labels_of(scope.task))).tuples().all())
    for body in (*sent.tags, *sent.shapes):
        _check_label(body, None, parents, defaults)
        for element in body.elements if isinstance(body, Shape) else ():
            _check_label(element, body.label_id, parents, defaults)


def _check_ids(name: str, bodies: Sequence[Tag], with_ids: bool) -> None:
    sentence = "This field is required." if with_ids else "A new annotation has no id yet."
    wrong = [{} if (body.id is not None) == with_ids else {"id": [sentence]} for body in bodies]
    if any(wrong):
        raise BadRequest({name: wrong})


def _check_label(body: Tag, parent_id: int | None, parents: Mapping[int, int | None], defaults: Defaults) -> None:
    if body.label_id not in parents or parents[body.label_id] != parent_id:
        raise BadRequest([f"label_id `{body.label_id}` is invalid"])
    for attribute in body.attributes:
        if attribute.spec_id not in defaults.get(body.label_id, {}):
            raise BadRequest([f"spec_id `{attribute.spec_id}` is invalid"])


def _defaults(session: Session, task: Task) -> Defaults:
    found = defaultdict[int, dict[int, str]](dict)
    wanted = select(Attribute).join(Label, Label.id == Attribute.label_id).where(labels_of(task)).order_by(Attribute.id)
    for attribute in session.scalars(wanted):
        found[attribute.label_id][attribute.id] = attribute.default_value
    return dict(found)


def _remove(session: Session, scope: Scope, sent: LabeledData) -> dict[int, int]:
    """Remove those of the annotations sent that are here. Gives the job that each one was in."""
    ids = {body.id for body in (*sent.tags, *sent.shapes)}
    here = (Annotation.job_id.in_(scope.job_ids), Annotation.parent_id.is_(None))
    found = session.execute(select(Annotation.id, Annotation.job_id).where(*here)).tuples()
    jobs = {id_: job_id for id_, job_id in found if id_ in ids}
    if jobs:
        statement = delete(Annotation).where(Annotation.id == bindparam("gone"))
        session.connection().execute(statement, [{"gone": id_} for id_ in jobs])
    return jobs


def _store(session: Session, scope: Scope, sent: LabeledData, kept: Mapping[int, int] | None = None) -> dict[str, Any]:
    ids = count(last_id(session, Annotation.__tablename__) + 1)
    jobs = scope.jobs_by_frame()
    tags = list(place(sent.tags, jobs, ids, kept))
    shapes = list(place(sent.shapes, jobs, ids, kept))
    rows = [row for placed in (*tags, *shapes) for row in rows_of(placed)]
    if rows:
        session.connection().execute(insert(Annotation), rows)
    _touch(session, scope, {placed.job_id for placed in (*tags, *shapes)} | set((kept or {}).values()))
    told = {"tags": [answer(placed) for placed in tags], "shapes": [answer(placed) for placed in shapes]}
    return {"version": sent.version, **told, "tracks": []}


def _touch(session: Session, scope: Scope, job_ids: Collection[int]) -> None:
    """Tell jobs, their task and its project that they changed."""
    if not job_ids:
        return
    changed = {"updated_date": timestamp()}
    session.execute(update(Job).where(Job.id.in_(job_ids)).values(changed))
    session.execute(update(Task).where(Task.id == scope.task.id).values(changed))
    session.execute(update(Project).where(Project.id == scope.task.project_id).values(changed))
