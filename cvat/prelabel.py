"""Writing predictions into jobs that nobody has begun.

A rerun replaces a model's own untouched pre-labels and nothing else; what is already there as wanted keeps its ids.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cvat_sdk import Client
from cvat_sdk.core.proxies.annotations import AnnotationUpdateAction

from cvat.client import address
from cvat.errors import told_in_a_sentence
from cvat.jobs import CvatObject, Frames, list_jobs, read_objects
from cvat.project import CONFIDENCE, MODEL
from cvat.shapes import new_request, patch_of, same_requests
from datasets.ledger import Prelabel

Key = tuple[str, str, str, tuple[float, ...], str]


def write_prelabels(
    client: Client, frames: Frames, predictions: Sequence[Prelabel], stored: Mapping[int, Sequence[Prelabel]]
) -> dict[int, list[Prelabel]]:
    """Bring the pre-labels of a task's new jobs to `predictions`; returns them with their ids, by job.

    `stored` is what the ledger knows of each job's pre-labels: one that differs from it was touched by a person, and
    stays. Jobs in any other state than `new` are left alone and not returned.
    """
    written = {}
    for job in list_jobs(client, frames.task_id):
        if str(job.state) == "new" and str(job.stage) == "annotation":
            sha256s = {frames.sha256[n] for n in range(job.start_frame, job.stop_frame + 1)}
            wanted = [prediction for prediction in predictions if prediction.sha256 in sha256s]
            written[job.id] = _write_job(client, job.id, frames, wanted, stored.get(job.id, ()))
    return written


def _write_job(
    client: Client, job_id: int, frames: Frames, wanted: Sequence[Prelabel], stored: Sequence[Prelabel]
) -> list[Prelabel]:
    own = _untouched(read_objects(client, job_id, frames), stored)
    if Counter(_key(o) for o in own) != Counter(_key_of_prelabel(p) for p in wanted):
        job = client.jobs.retrieve(job_id)
        with told_in_a_sentence(f"writing pre-labels to job {job_id}", address(client)):
            if own:
                job.update_annotations(patch_of(same_requests(own)), action=AnnotationUpdateAction.DELETE)
            if wanted:
                job.update_annotations(patch_of(_requests(wanted, frames)), action=AnnotationUpdateAction.CREATE)
        own = _untouched(read_objects(client, job_id, frames), stored=())
    return [Prelabel(o.sha256, o.model or "", o.labelled) for o in own]


def _untouched(objects: Iterable[CvatObject], stored: Sequence[Prelabel]) -> list[CvatObject]:
    """What a model drew and nobody changed since the ledger noted it (or that it had no time to note)."""
    noted = {(p.stored.shape_id, p.stored.bbox_xyxy is None): p.stored for p in stored}
    drawn = [o for o in objects if o.source == "auto" and o.model]
    return [
        o for o in drawn if noted.get((o.labelled.shape_id, o.labelled.bbox_xyxy is None), o.labelled) == o.labelled
    ]


def _key(o: CvatObject) -> Key:
    return _key_of_prelabel(Prelabel(o.sha256, o.model or "", o.labelled))


def _key_of_prelabel(p: Prelabel) -> Key:
    corners = tuple(round(value, 3) for value in p.stored.bbox_xyxy or ())
    return (p.sha256, p.model, p.stored.category, corners, _confidence(p.stored.score))


def _confidence(score: float | None) -> str:
    return "" if score is None else f"{score:.2f}"


def _requests(wanted: Sequence[Prelabel], frames: Frames) -> list[Any]:
    number = {sha256: n for n, sha256 in enumerate(frames.sha256)}
    return [
        new_request(
            number[p.sha256],
            p.stored,
            frames.labels,
            source="auto",
            attributes={MODEL: p.model, CONFIDENCE: _confidence(p.stored.score)},
        )
        for p in wanted
    ]
