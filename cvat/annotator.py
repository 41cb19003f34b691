"""A simulated annotator: corrects a job against ground truth through cvat-sdk, then accepts it.

Its rules are few and fixed. A box of the right class that overlaps its object by an IoU of at least 0.7 is good enough
and stays as it is. One that overlaps less (from 0.5) is moved onto the object, one of the wrong class is re-classed
and, if need be, moved. What matches nothing is deleted, what is missing is drawn. Tags are set right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cvat_sdk import Client, models
from cvat_sdk.core.proxies.annotations import AnnotationUpdateAction

from cvat.client import address
from cvat.errors import told_in_a_sentence
from cvat.jobs import CvatObject, Frames, is_accepted, list_jobs, read_objects
from cvat.shapes import changed_request, new_request, patch_of, same_requests
from datasets.comparison import LabelledObject, match_boxes

GOOD_ENOUGH_IOU = 0.7

_Pairs = list[tuple[LabelledObject, LabelledObject, float]]


@dataclass
class Corrections:
    """What has to change on one or more images: objects to rewrite, to remove and to add."""

    update: list[tuple[CvatObject, LabelledObject]] = field(default_factory=list)
    delete: list[CvatObject] = field(default_factory=list)
    create: list[tuple[str, LabelledObject]] = field(default_factory=list)


def correct(sha256: str, objects: Sequence[CvatObject], truth: Sequence[LabelledObject]) -> Corrections:
    """The corrections that one image needs. Correcting what was corrected needs none."""
    corrections = Corrections()
    drawn = {id(o.labelled): o for o in objects}
    labelled_objects = [o.labelled for o in objects]
    pairs = match_boxes(labelled_objects, truth, class_bonus=1) + _match_tags(labelled_objects, truth)
    for labelled, t, iou in pairs:
        wanted = LabelledObject(t.category, labelled.bbox_xyxy if iou >= GOOD_ENOUGH_IOU else t.bbox_xyxy)
        if (labelled.category, labelled.bbox_xyxy) != (wanted.category, wanted.bbox_xyxy):
            corrections.update.append((drawn[id(labelled)], wanted))
    matched = {id(one) for labelled, t, _ in pairs for one in (labelled, t)}
    corrections.delete += [o for o in objects if id(o.labelled) not in matched]
    corrections.create += [(sha256, t) for t in truth if id(t) not in matched]
    return corrections


def _match_tags(drawn: Sequence[LabelledObject], truth: Sequence[LabelledObject]) -> _Pairs:
    some, other = ([o for o in objects if o.bbox_xyxy is None] for objects in (drawn, truth))
    return [(labelled, t, 1.0) for labelled, t in zip(some, other, strict=False)]


def annotate_task(client: Client, frames: Frames, truth: Mapping[str, Sequence[LabelledObject]]) -> int:
    """Correct and accept every job of a task that is not accepted yet; returns how many were."""
    done = 0
    for job in list_jobs(client, frames.task_id):
        if is_accepted(job):
            continue
        _annotate_job(client, job, frames, truth)
        done += 1
    return done


def _annotate_job(client: Client, job: Any, frames: Frames, truth: Mapping[str, Sequence[LabelledObject]]) -> None:
    sdk_job = client.jobs.retrieve(job.id)
    with told_in_a_sentence(f"taking up job {job.id}", address(client)):
        sdk_job.update(models.PatchedJobWriteRequest(state="in progress"))
    by_image: dict[str, list[CvatObject]] = {}
    for o in read_objects(client, job.id, frames):
        by_image.setdefault(o.sha256, []).append(o)
    numbers = range(job.start_frame, job.stop_frame + 1)
    corrections = [
        correct(frames.sha256[n], by_image.get(frames.sha256[n], []), truth[frames.sha256[n]]) for n in numbers
    ]
    with told_in_a_sentence(f"correcting job {job.id}", address(client)):
        _apply(sdk_job, corrections, frames)
        sdk_job.update(models.PatchedJobWriteRequest(stage="acceptance", state="completed"))


def _apply(sdk_job: Any, corrections: Sequence[Corrections], frames: Frames) -> None:
    number = {sha256: n for n, sha256 in enumerate(frames.sha256)}
    updates = [changed_request(o, wanted, frames.labels) for c in corrections for o, wanted in c.update]
    deletes = same_requests([o for c in corrections for o in c.delete])
    creates = [
        new_request(number[sha256], wanted, frames.labels, source="manual", attributes={})
        for c in corrections
        for sha256, wanted in c.create
    ]
    # Deleting first leaves only matched objects, so that an annotator who is stopped in between matches them again.
    for requests, action in (
        (deletes, AnnotationUpdateAction.DELETE),
        (updates, AnnotationUpdateAction.UPDATE),
        (creates, AnnotationUpdateAction.CREATE),
    ):
        if requests:
            sdk_job.update_annotations(patch_of(requests), action=action)
