"""From published models to pre-labels in jobs that nobody has begun: what `carloop cvat prelabel` does.

Frames are predicted on from the store, job by job, while the jobs before are written to CVAT.
"""

import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from cvat_sdk import Client

from cvat.frames import content_of
from cvat.held import find_stored
from cvat.prelabel import model_name, prelabel_job
from cvat.project import require_project
from cvat.waiting import Waiting, list_waiting
from datasets.crops import run_lengths
from datasets.files import digest
from datasets.labelled import LabelledObject, tag
from datasets.ledger import Ledger, Prelabel
from datasets.store import ImageStore
from nuclio_functions.batched import annotate_files
from nuclio_functions.contract import Reply
from nuclio_functions.errors import FunctionError
from pipelines.annotation.desk import Desk
from pipelines.annotation.frames import Frozen, Identify
from pipelines.annotation.shadowing import Shadow
from pipelines.progress import Progress, Step
from training.predictors import Classifier, Detector

WAIT_SECONDS = 600
_JOBS_WAITING = 2  # to be written, before predicting waits for CVAT

Predictors = Sequence[Detector | Classifier]
Found = dict[str, Sequence[Reply] | FunctionError]
"""What was predicted on a job's images, by SHA-256, or why nothing could be."""


@dataclass
class Outcome:
    """What was done: frames predicted on, `shadowed` by challengers, what was found, and why some could not be."""

    frames: int = 0
    shadowed: int = 0
    jobs: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    quarantined: dict[str, str] = field(default_factory=dict)


def prelabel_project(
    desk: Desk,
    predictors: Predictors,
    *,
    shadow: Shadow | None = None,
    task_ids: Collection[int] = (),
    threshold: float | None = None,
    limit: int | None = None,
    fresh: bool = False,
) -> dict[str, Any]:
    """Pre-label a project's new jobs, or those of some tasks; at most `limit` jobs. Some frames may be the `shadow`'s.

    A job that these models have pre-labelled already, with this threshold, is passed over unless `fresh`. Test frames,
    control jobs and probes are never shown predictions. A frame that fails is noted in the ledger's quarantine.

    Raises:
        CarloopError: CVAT refuses or does not answer; what was written stays, and the same command goes on.
    """
    started = time.monotonic()
    project_id = require_project(desk.client, desk.project.cvat.project)
    with desk.ledger.lock("push", wait_seconds=WAIT_SECONDS):
        waiting = list(
            list_waiting(desk.client, desk.ledger, project_id, Identify(desk), frozen=Frozen(desk), task_ids=task_ids)
        )
        prelabeller = Prelabeller(
            desk.client, desk.ledger, desk.shelf.store, predictors, threshold=threshold, shadow=shadow
        )
        wanted = (waiting if fresh else prelabeller.undone(waiting))[:limit]
        outcome = prelabeller.prelabel(wanted, desk.progress)
    told = _told(predictors, outcome, passed_over=len(waiting) - len(wanted), seconds=time.monotonic() - started)
    return {**told, "shadow": _told_shadow(shadow, outcome)} if shadow else told


class Prelabeller:
    """Predicts on the frames of jobs and writes what it finds, each job in one go."""

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        store: ImageStore,
        predictors: Predictors,
        *,
        threshold: float | None = None,
        shadow: Shadow | None = None,
    ) -> None:
        self._client, self._ledger, self._store = client, ledger, store
        self._predictors, self._threshold, self._shadow = predictors, threshold, shadow
        self._models = {model_name(predictor.bundle.name) for predictor in predictors}
        self._run = digest([sorted(map(_shown_by, predictors)), threshold, *(_shadow_key(shadow) if shadow else ())])

    def undone(self, waiting: Sequence[Waiting]) -> list[Waiting]:
        """Those jobs that were not last pre-labelled by the same models with the same threshold."""
        runs = self._ledger.read_prelabel_runs()
        return [one for one in waiting if runs.get(one.job.id) != self._run]

    def prelabel(self, waiting: Sequence[Waiting], progress: Progress) -> Outcome:
        """All of these jobs. Raises CvatError; jobs that were written until then stay so."""
        total = sum(len(one.sha256s) for one in waiting)
        jobs: dict[int, tuple[Waiting, Found]] = {one.job.id: (one, {}) for one in waiting}
        outcome, written = Outcome(), deque[Future[None]]()
        with progress.step(f"pre-annotate {total} frames", total=total) as step, ThreadPoolExecutor(1) as writer:
            pace = _Pace(step, total)
            for (job_id, sha256), replies in self._predict(waiting):
                one, found = jobs[job_id]
                found[sha256] = replies
                pace.advance()
                if len(found) == len(one.sha256s):
                    written.append(writer.submit(self._write, *jobs.pop(job_id), outcome))
                while len(written) > _JOBS_WAITING or (written and written[0].done()):
                    written.popleft().result()
            for future in written:
                future.result()
        return outcome

    def _predict(self, waiting: Sequence[Waiting]) -> Iterator[tuple[tuple[int, str], Sequence[Reply] | FunctionError]]:
        """All frames by (job, SHA-256); a job's by the champions first, then by the challengers."""
        for is_shadowed, files in groupby(self._files(waiting), key=lambda file: self._is_shadowed(file[0][1])):
            yield from annotate_files(self._seers(is_shadowed), files, threshold=self._threshold)

    def _is_shadowed(self, sha256: str) -> bool:
        return self._shadow is not None and self._shadow.takes(sha256)

    def _seers(self, is_shadowed: bool) -> Predictors:
        return self._shadow.predictors if self._shadow and is_shadowed else self._predictors

    def _files(self, waiting: Sequence[Waiting]) -> Iterator[tuple[tuple[int, str], Path]]:
        paths = find_stored(self._store, {content_of(sha256) for one in waiting for sha256 in one.sha256s})
        for one in waiting:
            for sha256 in sorted(one.sha256s, key=self._is_shadowed):
                absent = self._store.path(f"images/{sha256[:2]}/{sha256}")
                yield (one.job.id, sha256), paths.get(content_of(sha256), absent)

    def _write(self, one: Waiting, found: Found, outcome: Outcome) -> None:
        failed = {sha256: str(replies) for sha256, replies in found.items() if isinstance(replies, FunctionError)}
        seen = {sha256: replies for sha256, replies in found.items() if not isinstance(replies, FunctionError)}
        predictions = [prelabel_of(sha256, reply) for sha256, replies in seen.items() for reply in replies]
        job_id = one.job.id
        prelabel_job(
            self._client, self._ledger, job_id, one.frames, predictions, sha256s=seen.keys(), models=self._models
        )
        self._ledger.write_quarantine(failed, lifted=seen)
        self._note_shown(job_id, seen)
        self._ledger.write_prelabel_run(job_id, self._run)
        outcome.frames += len(found)
        outcome.shadowed += sum(map(self._is_shadowed, found))
        outcome.jobs += 1
        outcome.classes.update(prediction.stored.category for prediction in predictions)
        outcome.quarantined |= failed

    def _note_shown(self, job_id: int, seen: Iterable[str]) -> None:
        """Who looked at these images of a job; where no challenger is at work the pre-labels tell."""
        if self._shadow is None:
            return
        names = {asked: [seer.bundle.name for seer in self._seers(asked)] for asked in (False, True)}
        frames = [self._shadow.frame(job_id, sha256, names[self._is_shadowed(sha256)]) for sha256 in seen]
        self._shadow.shown.write(job_id, frames, run=self._run)


def _shown_by(predictor: Detector | Classifier) -> str:
    """What decides a predictor's answers: its bundle, and thresholds that may have been changed since."""
    return digest([predictor.bundle.digest, dict(predictor.bundle.spec.thresholds)])


def _shadow_key(shadow: Shadow) -> list[Any]:
    """What decides which frames are shown what instead."""
    return [sorted(map(_shown_by, shadow.predictors)), shadow.share, shadow.run]


class _Pace:
    """Tells how fast frames are predicted on, and how long the rest will take."""

    def __init__(self, step: Step, total: int) -> None:
        self._step, self._total, self._done, self._started = step, total, 0, time.monotonic()

    def advance(self) -> None:
        self._done += 1
        rate = self._done / max(time.monotonic() - self._started, 1e-6)
        left = (self._total - self._done) / rate
        note = f"{rate:.1f} images/s, {left // 60:.0f}:{left % 60:02.0f} left"
        self._step.advance(to=self._done, of=self._total, note=note)


def prelabel_of(sha256: str, reply: Reply) -> Prelabel:
    """A function's reply for an image as the ledger has it."""
    values = dict(reply.values)
    model, score = values.pop("model"), float(values.pop("confidence"))
    return Prelabel(sha256, model, _labelled(reply, score, values))


def _labelled(reply: Reply, score: float, attributes: Mapping[str, str]) -> LabelledObject:
    if reply.type == "any":
        raise FunctionError(f"{reply.label!r} came without a shape of its own; a detector has to tell one")
    if reply.type == "tag":
        return tag(reply.label, score=score)
    if reply.mask is not None:
        bits, corners = reply.mask[:-4], reply.mask[-4:]
        points: Sequence[float] = [*run_lengths(np.array(bits, bool)), *corners]
    else:
        points = reply.points or ()
    return LabelledObject(reply.label, tuple(points), score=score, attributes=attributes, kind=reply.type)


def _told(predictors: Predictors, outcome: Outcome, *, passed_over: int, seconds: float) -> dict[str, Any]:
    return {
        "models": [predictor.bundle.name for predictor in predictors],
        "jobs": outcome.jobs,
        "jobs_as_they_are": passed_over,
        "frames": outcome.frames,
        "prelabels": outcome.classes.total(),
        "classes": dict(outcome.classes.most_common()),
        "quarantined": outcome.quarantined,
        "seconds": round(seconds, 1),
        "images_per_second": round(outcome.frames / seconds, 1) if outcome.frames else None,
    }


def _told_shadow(shadow: Shadow, outcome: Outcome) -> dict[str, Any]:
    return {"models": [predictor.bundle.name for predictor in shadow.predictors], "frames": outcome.shadowed}
