"""Writing predictions into a job that nobody has begun.

A rerun replaces a model's own untouched pre-labels and nothing else; what is already there as wanted keeps its ids. An
image on which a person moved, re-classed or deleted one of a model's pre-labels is left to that person, and one that
has boxes, or tags, from a person or a file gets no more of them.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import partial

from cvat_sdk import Client
from msgspec.structs import replace

from cvat.client import repeat
from cvat.jobs import Frames, read_objects
from cvat.wire import Action, change_wire, data_of, objects_of, to_wire
from datasets.labelled import LabelledObject
from datasets.ledger import Ledger, Prelabel

Placed = tuple[str, LabelledObject]
Id = tuple[int | None, bool]
_DECIMALS = 3


def prelabel_job(
    client: Client,
    ledger: Ledger,
    job_id: int,
    frames: Frames,
    predictions: Sequence[Prelabel],
    *,
    sha256s: Collection[str],
    models: Collection[str],
) -> None:
    """Bring the pre-labels of these models (names without versions) on these of a job's images to `predictions`.

    The ledger is told before anything is removed, so that whatever is cut short is completed by doing it again.
    Raises CvatError.
    """
    repeat(partial(_bring, client, ledger, job_id, frames, predictions, frozenset(sha256s), frozenset(models)))


def touched_images(client: Client, ledger: Ledger, job_id: int, frames: Frames) -> set[str]:
    """The images of a job, by SHA-256, on which a person changed a pre-label. Raises CvatError."""
    noted = ledger.read_prelabels(job_id)
    return _changed_by_people(noted, _untouched(read_objects(client, job_id, frames), noted))


def _bring(
    client: Client,
    ledger: Ledger,
    job_id: int,
    frames: Frames,
    predictions: Sequence[Prelabel],
    sha256s: frozenset[str],
    models: frozenset[str],
) -> None:
    noted = ledger.read_prelabels(job_id)
    objects = list(read_objects(client, job_id, frames))
    drawn = _untouched(objects, noted)
    labelled = {(sha256, o.is_tag) for sha256, o in objects if o.source != "auto"}
    left_alone = _changed_by_people(noted, drawn)
    open_to_models = {(sha256, is_tag) for sha256 in sha256s - left_alone for is_tag in (False, True)} - labelled
    ours = [
        (sha256, o)
        for sha256, o in drawn
        if (sha256, o.is_tag) in open_to_models and model_name(str(o.model)) in models
    ]
    wanted = [_as_drawn(p) for p in predictions if (p.sha256, p.stored.is_tag) in open_to_models]
    stale, missing = _compare(ours, wanted)
    made = _change(client, job_id, frames, missing, "create")
    gone = {_id(o) for _, o in stale}
    known = {_id(p.stored) for p in noted}
    others = [(sha256, o) for sha256, o in drawn if _id(o) not in known | gone]
    ledger.write_prelabels(
        job_id,
        [
            *(p for p in noted if _id(p.stored) not in gone),
            *(Prelabel(sha256, str(o.model), o) for sha256, o in (*others, *made)),
        ],
    )
    _change(client, job_id, frames, stale, "delete")


def model_name(model: str) -> str:
    """A model's name without its version: `damage_detector` of `damage_detector@3`."""
    return model.partition("@")[0]


def _changed_by_people(noted: Iterable[Prelabel], drawn: Iterable[Placed]) -> set[str]:
    """Images on which a pre-label is no longer as the ledger noted it."""
    unchanged = {_id(o) for _, o in drawn}
    return {p.sha256 for p in noted if _id(p.stored) not in unchanged}


def _compare(ours: Sequence[Placed], wanted: Sequence[Placed]) -> tuple[list[Placed], list[Placed]]:
    """What is there and not wanted, and what is wanted and not there."""
    missing: dict[tuple[object, ...], list[Placed]] = {}
    for placed in wanted:
        missing.setdefault(_key(placed), []).append(placed)
    stale = []
    for placed in ours:
        if alike := missing.get(_key(placed)):
            alike.pop()
        else:
            stale.append(placed)
    return stale, [placed for alike in missing.values() for placed in alike]


def _change(client: Client, job_id: int, frames: Frames, placed: Sequence[Placed], action: Action) -> list[Placed]:
    """Create or delete these; what was created comes back with CVAT's ids."""
    if not placed:
        return []
    number = {sha256: n for n, sha256 in enumerate(frames.sha256)}
    body = data_of(to_wire(labelled, number[sha256], frames.labels) for sha256, labelled in placed)
    changed = change_wire(client, "jobs", job_id, action, body)
    return [(frames.sha256[n], labelled) for n, labelled in objects_of(changed, frames.labels)]


def _as_drawn(prediction: Prelabel) -> Placed:
    return prediction.sha256, replace(prediction.stored, source="auto", model=prediction.model, shape_id=None)


def _untouched(objects: Iterable[Placed], noted: Iterable[Prelabel]) -> list[Placed]:
    """What a model drew and nobody changed since the ledger noted it (or that it had no time to note)."""
    stored = {_id(p.stored): p.stored for p in noted}
    drawn = [(sha256, o) for sha256, o in objects if o.source == "auto" and o.model]
    return [(sha256, o) for sha256, o in drawn if stored.get(_id(o), o) == o]


def _id(o: LabelledObject) -> Id:
    return o.shape_id, o.is_tag


def _key(placed: Placed) -> tuple[object, ...]:
    sha256, o = placed
    points = tuple(round(value, _DECIMALS) for value in o.points)
    return (sha256, o.model, o.category, o.kind, points, "" if o.score is None else f"{o.score:.2f}")
