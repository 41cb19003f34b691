"""Writing predictions into jobs that nobody has begun.

A rerun replaces a model's own untouched pre-labels and nothing else; what is already there as wanted keeps its ids.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

from cvat_sdk import Client
from msgspec.structs import replace

from cvat.client import repeat
from cvat.jobs import Frames, list_jobs, read_objects
from cvat.wire import Action, change_wire, data_of, to_wire
from datasets.labelled import LabelledObject
from datasets.ledger import Prelabel

Placed = tuple[str, LabelledObject]
_DECIMALS = 3


def write_prelabels(
    client: Client,
    frames: Frames,
    predictions: Sequence[Prelabel],
    stored: Mapping[int, Sequence[Prelabel]],
    *,
    controls: Collection[int] = (),
    probed: Collection[str] = (),
) -> dict[int, list[Prelabel]]:
    """Bring the pre-labels of a task's new jobs to `predictions`; returns them with their ids, by job.

    `stored` is what the ledger knows of each job's pre-labels: one that differs from it was touched by a person, and
    stays. Jobs in any other state than `new` and control jobs are left alone and not returned; so is what was planted
    on the images (SHA-256) that are `probed`.
    """
    written = {}
    for job in list_jobs(client, task_id=frames.task_id):
        if job.is_new and job.id not in controls:
            sha256s = {frames.sha256[n] for n in job.frames} - set(probed)
            wanted = [_as_drawn(prediction) for prediction in predictions if prediction.sha256 in sha256s]
            known = stored.get(job.id, ())
            written[job.id] = repeat(partial(_write_job, client, job.id, frames, wanted, known, sha256s))
    return written


def _write_job(
    client: Client,
    job_id: int,
    frames: Frames,
    wanted: Sequence[Placed],
    stored: Sequence[Prelabel],
    sha256s: Collection[str],
) -> list[Prelabel]:
    drawn = _untouched(read_objects(client, job_id, frames), stored)
    own = [(sha256, labelled) for sha256, labelled in drawn if sha256 in sha256s]
    if Counter(map(_key, own)) != Counter(map(_key, wanted)):
        number = {sha256: n for n, sha256 in enumerate(frames.sha256)}
        steps: tuple[tuple[Sequence[Placed], Action], ...] = ((own, "delete"), (wanted, "create"))
        for placed, action in steps:
            if placed:
                body = data_of(to_wire(labelled, number[sha256], frames.labels) for sha256, labelled in placed)
                change_wire(client, "jobs", job_id, action, body)
        drawn = _untouched(read_objects(client, job_id, frames), stored=())
    return [Prelabel(sha256, labelled.model or "", labelled) for sha256, labelled in drawn]


def _as_drawn(prediction: Prelabel) -> Placed:
    return prediction.sha256, replace(prediction.stored, source="auto", model=prediction.model, shape_id=None)


def _untouched(objects: Iterable[Placed], stored: Sequence[Prelabel]) -> list[Placed]:
    """What a model drew and nobody changed since the ledger noted it (or that it had no time to note)."""
    noted = {(p.stored.shape_id, p.stored.is_tag): p.stored for p in stored}
    drawn = [(sha256, o) for sha256, o in objects if o.source == "auto" and o.model]
    return [(sha256, o) for sha256, o in drawn if noted.get((o.shape_id, o.is_tag), o) == o]


def _key(placed: Placed) -> tuple[object, ...]:
    sha256, o = placed
    points = tuple(round(value, _DECIMALS) for value in o.points)
    return (sha256, o.model, o.category, o.kind, points, "" if o.score is None else f"{o.score:.2f}")
