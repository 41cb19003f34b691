"""Annotating a whole task or job by a function, in the background.

What is found is stored with one commit, at the end, and with `cleanup` it is in this commit that the annotations go
which were there when the run was asked for: one that fails or is cancelled changes nothing, one that is killed begins
again without doubling anything, and what people draw meanwhile stays.
"""

from collections.abc import Sequence
from typing import Any, cast

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.annotations import Scope, create_annotations, newest_ids, remove_annotations
from cvat.embedded.background import Outcome, Work, tell_progress
from cvat.embedded.database import Database
from cvat.embedded.errors import BadRequest, FunctionFailed
from cvat.embedded.functions.calls import detector_payload
from cvat.embedded.functions.detections import Detection, read_detections, to_annotations
from cvat.embedded.functions.images import encoded_frames
from cvat.embedded.functions.mapping import LabelChoice, choose_same_names, read_labels, resolve
from cvat.embedded.functions.nuclio import Nuclio
from cvat.embedded.labeled import LabeledData
from cvat.embedded.rows import annotation_jobs, find_job
from cvat.embedded.specs import LabelSpec
from cvat.embedded.store import Store
from cvat.embedded.tables import Frame, Request, Task

AUTOANNOTATE = "autoannotate:task"


class Order(BaseModel):
    """A run as a client asks for it."""

    function: str
    task: int | None = None
    job: int | None = None
    threshold: float | None = None
    mapping: dict[str, LabelChoice] = {}
    cleanup: bool = False
    conv_mask_to_poly: bool = False


class StoredOrder(Order):
    """A run as it is kept; `newest` tells which annotations were there when it was asked for."""

    newest: dict[str, int]


def run_request(session: Session, order: Order, task: Task, user_id: int) -> Request:
    """The request for a run. A task has one at a time, whatever the function and the job."""
    stored = StoredOrder(**order.model_dump(), newest=newest_ids(session))
    return Request(
        id=f"action=autoannotate&target=task&target_id={task.id}",
        type=AUTOANNOTATE,
        target="task",
        owner_id=user_id,
        project_id=task.project_id,
        task_id=task.id,
        job_id=order.job,
        params=stored.model_dump(),
    )


def annotate_with(database: Database, store: Store, nuclio: Nuclio) -> Work:
    """The work of a request for a run."""

    def annotate(request: Request) -> Outcome:
        order, task_id = StoredOrder.model_validate(request.params), cast(int, request.task_id)
        function = nuclio.function(order.function)
        with database.reading() as session:
            task = session.get_one(Task, task_id)
            labels = read_labels(session, task)
            frames = _frames(session, _scope(session, task_id, order.job))
        targets = resolve(order.mapping or choose_same_names(function.labels, labels), function.labels, labels)
        found = LabeledData()
        images = encoded_frames(store, task, frames)
        for done, (frame, image) in enumerate(zip(frames, images, strict=True), 1):
            answer = nuclio.invoke(function, detector_payload(image, order.threshold))
            _add(found, read_detections(answer, targets, function=function.id), frame.number, labels, order)
            if not tell_progress(database, request, done * 100 // len(frames)):
                break  # nobody wants the rest, and nothing of it will be stored

        def commit(session: Session, _request: Request) -> None:
            scope = _scope(session, task_id, order.job)
            if order.cleanup:
                remove_annotations(session, scope, up_to=order.newest)
            create_annotations(session, scope, found)

        return Outcome(commit)

    return annotate


def _scope(session: Session, task_id: int, job_id: int | None) -> Scope:
    jobs = annotation_jobs(session, task_id) if job_id is None else [find_job(session, job_id)]
    return Scope(session.get_one(Task, task_id), jobs)


def _frames(session: Session, scope: Scope) -> list[Frame]:
    """The frames of the jobs, without those marked deleted."""
    wanted = select(Frame).where(Frame.task_id == scope.task.id, Frame.deleted.is_(False)).order_by(Frame.number)
    inside = {number for job in scope.jobs for number in job.numbers}
    return [frame for frame in session.scalars(wanted) if frame.number in inside]


def _add(
    found: LabeledData, detections: Sequence[Detection], frame: int, labels: dict[str, LabelSpec], order: Order
) -> None:
    try:
        more = to_annotations(detections, frame, labels, masks_as_polygons=order.conv_mask_to_poly)
    except BadRequest as error:
        raise FunctionFailed(500, f"{order.function} found on frame {frame} what is no shape: {error}") from None
    found.tags.extend(more.tags)
    found.shapes.extend(more.shapes)


def show_run(request: Request) -> dict[str, Any]:
    """A run as CVAT shows it."""
    order = Order.model_validate(request.params)
    job = {"job": order.job} if order.job else {}
    return {
        "id": request.id,
        "function": {"id": order.function, "task": request.task_id, "threshold": order.threshold, **job},
        "status": request.status,
        "progress": request.progress,
        "enqueued": request.created_date,
        "started": request.started_date,
        "ended": request.finished_date,
        "exc_info": request.message or None,
    }
