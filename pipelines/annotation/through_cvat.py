"""Pre-labels by CVAT's own runs of its Nuclio functions: what `carloop cvat prelabel --via cvat` does.

CVAT asks a function frame by frame, drops labels that it does not know without a word, and doubles what is there when
it is asked again. So labels are compared first, a job's own untouched pre-labels are removed first, and the ledger is
told what each run left.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, get_args
from urllib.parse import quote

import msgspec
from cvat_sdk import Client
from msgspec import Struct

from cvat.client import address, call
from cvat.errors import CvatAbsent, CvatRefused
from cvat.jobs import read_objects
from cvat.labels import read_labels
from cvat.prelabel import model_name, prelabel_job, touched_images
from cvat.project import require_project
from cvat.waiting import Waiting, list_waiting
from datasets.files import digest
from datasets.ledger import Prelabel
from pipelines.annotation.desk import Desk
from pipelines.annotation.frames import Frozen, Identify
from pipelines.functions.lambdas import LambdaFunction, compare_labels, list_lambdas
from training.bundle import ModelName

_POLL_SECONDS = 0.1
_WAIT_SECONDS = 600
_ENDED = ("finished", "failed")


class _Run(Struct):
    """A run of a function as CVAT tells of it."""

    id: str
    status: str
    exc_info: str | None = None


def prelabel_through_cvat(
    desk: Desk,
    models: Sequence[str],
    *,
    task_ids: Collection[int] = (),
    threshold: float | None = None,
    limit: int | None = None,
    fresh: bool = False,
) -> dict[str, Any]:
    """Let CVAT run the functions of these models on a project's new jobs, one job at a time.

    Jobs with images that may not be shown predictions, or on which a person changed one, are passed over whole, as CVAT
    cannot leave out a frame.

    Raises:
        CvatAbsent: CVAT lists no function of one of the models.
        CvatRefused: a run failed; jobs before it stay as they are.
    """
    started = time.monotonic()
    project_id = require_project(desk.client, desk.project.cvat.project)
    functions = _find(desk.client, models or get_args(ModelName))
    labels = read_labels(desk.client, "project_id", project_id).labels
    unmatched = [f"{f.id}: {problem}" for f in functions for problem in compare_labels(f.labels_v2, labels)]
    key = digest(["via cvat", sorted(f.id for f in functions), threshold])
    classes: Counter[str] = Counter()
    with desk.ledger.lock("push", wait_seconds=_WAIT_SECONDS):
        done = {} if fresh else desk.ledger.read_prelabel_runs()
        waiting = list(
            list_waiting(desk.client, desk.ledger, project_id, Identify(desk), frozen=Frozen(desk), task_ids=task_ids)
        )
        free = [one for one in waiting if _may_be_shown_whole(desk, one)]
        wanted = [one for one in free if done.get(one.job.id) != key][:limit]
        with desk.progress.step(f"pre-annotate {len(wanted)} jobs through CVAT", total=len(wanted)) as step:
            for one in wanted:
                classes.update(_prelabel(desk, one, functions, threshold))
                desk.ledger.write_prelabel_run(one.job.id, key)
                step.advance()
    return {
        "functions": [function.id for function in functions],
        "jobs": len(wanted),
        "jobs_as_they_are": len(free) - len(wanted),
        "jobs_with_barred_frames": len(waiting) - len(free),
        "frames": sum(len(one.sha256s) for one in wanted),
        "prelabels": classes.total(),
        "classes": dict(classes.most_common()),
        "unmatched_labels": unmatched,
        "seconds": round(time.monotonic() - started, 1),
    }


def _find(client: Client, models: Sequence[str]) -> list[LambdaFunction]:
    listed = {function.id: function for function in list_lambdas(client)}
    wanted = {model: f"carloop-{model.replace('_', '-')}" for model in models}
    if absent := [name for name in wanted.values() if name not in listed]:
        there = ", ".join(sorted(listed)) or "none"
        raise CvatAbsent(f"CVAT at {address(client)} lists no function {', '.join(absent)}; it lists {there}")
    return [listed[name] for name in wanted.values()]


def _may_be_shown_whole(desk: Desk, one: Waiting) -> bool:
    """Whether every image of a job may be shown predictions, and nobody changed one that it was shown."""
    shown = {one.frames.sha256[number] for number in one.job.frames if number not in one.frames.deleted}
    return shown == set(one.sha256s) and not touched_images(desk.client, desk.ledger, one.job.id, one.frames)


def _prelabel(desk: Desk, one: Waiting, functions: Sequence[LambdaFunction], threshold: float | None) -> Iterator[str]:
    """Run the functions on a job; gives the class of each pre-label that it has then."""
    job_id, ledger = one.job.id, desk.ledger
    models = {function.id.removeprefix("carloop-").replace("-", "_") for function in functions}
    prelabel_job(desk.client, ledger, job_id, one.frames, (), sha256s=one.sha256s, models=models)
    for function in functions:
        _run(desk.client, function.id, one, threshold)
    found = [
        Prelabel(sha256, labelled.model, labelled)
        for sha256, labelled in read_objects(desk.client, job_id, one.frames)
        if labelled.source == "auto" and labelled.model and model_name(labelled.model) in models
    ]
    noted = [p for p in ledger.read_prelabels(job_id) if model_name(p.model) not in models]
    ledger.write_prelabels(job_id, [*noted, *found])
    return iter([p.stored.category for p in found])


def _run(client: Client, function: str, one: Waiting, threshold: float | None) -> None:
    """One run of a function on a job, until it ends. Raises CvatRefused when it fails."""
    order = {"function": function, "task": one.job.task_id, "job": one.job.id, "cleanup": False}
    body = msgspec.json.encode(order if threshold is None else {**order, "threshold": threshold})
    run = msgspec.json.decode(call(client, "POST", "/api/lambda/requests", body=body), type=_Run)
    while run.status not in _ENDED:
        time.sleep(_POLL_SECONDS)  # CVAT calls nobody back
        path = f"/api/lambda/requests/{quote(run.id, safe='')}"
        run = msgspec.json.decode(call(client, "GET", path), type=_Run)
    if run.status == "failed":
        reason = (run.exc_info or "it does not say why").strip().splitlines()[-1]
        raise CvatRefused(f"CVAT's run of {function} on job {one.job.id} failed: {reason}; see the function's log")
