"""What reviewers decide of images, kept by SHA-256, and what becomes of a version by it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from datasets.coco import Dataset, from_records, to_records
from datasets.errors import BadDataset
from datasets.files import alone, read_json, write_json
from datasets.records import CocoFile, ImageRecord
from datasets.rights.takedown import hashes, records_without
from datasets.split import joined_families

Mark = Literal["exclude", "relabel", "gold"]
MARKS: tuple[Mark, ...] = get_args(Mark)
"""The tags that decide: leave the next version; be labelled again; never be trained on."""
QUALITIES = range(1, 6)


class Decision(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was decided of one image; `quality` is 1 (poor) to 5.

    `earlier` counts how often the mark `relabel` was taken off: marked again, the image is to be labelled once more.
    """

    marks: tuple[Mark, ...] = ()
    quality: int | None = None
    notes: str | None = None
    earlier: int = 0


@dataclass(frozen=True)
class Decided:
    """A version after what was decided: what is left, and images by SHA-256.

    `benched` are of a gold image's family: they left training with it, for they show the same car.
    """

    content: CocoFile
    excluded: frozenset[str]
    gold: frozenset[str]
    benched: frozenset[str]


def read_decisions(path: Path) -> dict[str, Decision]:
    """All decisions; none where there is no file. Raises BadDataset."""
    if not path.exists():
        return {}
    try:
        return msgspec.convert(read_json(path), dict[str, Decision])
    except msgspec.ValidationError as error:
        raise BadDataset(f"{path} is broken: {error}; read the decisions again from FiftyOne") from None


def write_decisions(path: Path, decisions: Mapping[str, Decision]) -> None:
    """Keep them, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, msgspec.to_builtins(decisions))


def updated(
    known: Mapping[str, Decision], shown: Mapping[str, Decision], *, before: Mapping[str, Decision] | None = None
) -> dict[str, Decision]:
    """What holds after reviewers saw the images `shown`: the old, with what they changed.

    `before` is what the images showed when these reviewers began, nothing of those that it lacks. Without it they
    began with what was known.
    """
    begun = known if before is None else before
    none = Decision()
    new = {
        sha256: _after(known.get(sha256, none), begun.get(sha256, none), decision) for sha256, decision in shown.items()
    }
    return {sha256: decision for sha256, decision in {**known, **new}.items() if decision != none}


def _after(known: Decision, before: Decision, shown: Decision) -> Decision:
    """What is known, with what differs between `before` and `shown`."""
    taken_off, given = set(before.marks) - set(shown.marks), set(shown.marks) - set(before.marks)
    return Decision(
        tuple(mark for mark in MARKS if mark in given or (mark in known.marks and mark not in taken_off)),
        known.quality if shown.quality == before.quality else shown.quality,
        _notes_after(known.notes, before.notes, shown.notes),
        known.earlier + ("relabel" in known.marks and "relabel" in taken_off),
    )


def _notes_after(known: str | None, before: str | None, shown: str | None) -> str | None:
    """Notes that changed on both sides are put together by line."""
    if shown == before:
        return known
    if known == before:
        return shown
    held, was, now = ((text or "").splitlines() for text in (known, before, shown))
    kept = [line for line in held if line not in was or line in now]
    return "\n".join([*kept, *(line for line in now if line not in was and line not in kept)]) or None


def keep_decisions(
    path: Path, shown: Mapping[str, Decision], *, before: Mapping[str, Decision] | None = None
) -> Mapping[str, Decision]:
    """All decisions of a file, after those of the images that were shown are in it, as `updated` says.

    Raises BadDataset.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path):
        known = read_decisions(path)
        decisions = updated(known, shown, before=before)
        if decisions != known:
            write_decisions(path, decisions)
    return decisions


def marked(decisions: Mapping[str, Decision], mark: Mark) -> frozenset[str]:
    """The images with this mark, by SHA-256."""
    return frozenset(sha256 for sha256, decision in decisions.items() if mark in decision.marks)


def relabel_requests(decisions: Mapping[str, Decision]) -> dict[str, int]:
    """The images to be labelled again, by SHA-256, with how often that was asked for, and met, before."""
    return {sha256: decisions[sha256].earlier for sha256 in marked(decisions, "relabel")}


def apply_decisions(content: CocoFile, decisions: Mapping[str, Decision]) -> Decided:
    """Leave out what is excluded, and keep what is gold out of training, with its family and all that shows its car.

    Such images of the train side get no side; those of the test side stay. What holds for an image holds for those
    derived from it, and an image is gold, too, that has a gold one as a copy. Applying it again changes nothing.
    """
    out, named = marked(decisions, "exclude"), marked(decisions, "gold")
    excluded = frozenset(i.sha256 for i in content.images if i.sha256 in out or i.derived_from in out)
    rest = records_without(content, excluded) if excluded else content
    gold = frozenset(i.sha256 for i in rest.images if i.derived_from in named or named & hashes(i)) if named else named
    if not gold:
        return Decided(rest, excluded, gold, frozenset())
    car_of = joined_families(rest.images)
    cars = {car_of[sha256] for sha256 in gold}
    images = [_off_training(image) if car_of[image.sha256] in cars else image for image in rest.images]
    benched = {image.sha256 for image in rest.images if image.split == "train" and car_of[image.sha256] in cars}
    return Decided(CocoFile(rest.categories, images, rest.annotations), excluded, gold, frozenset(benched - gold))


def honour(dataset: Dataset, decisions: Mapping[str, Decision]) -> Dataset:
    """The dataset after these decisions, as `apply_decisions` says."""
    if not decisive(decisions):
        return dataset
    return from_records(apply_decisions(to_records(dataset), decisions).content, dataset.taxonomy)


def decisive(decisions: Mapping[str, Decision]) -> list[tuple[str, list[str]]]:
    """What of decisions shapes a version: two lists of it are equal when no version can differ."""
    shaping = {sha256: [str(mark) for mark in d.marks if mark != "relabel"] for sha256, d in decisions.items()}
    return sorted((sha256, marks) for sha256, marks in shaping.items() if marks)


def _off_training(image: ImageRecord) -> ImageRecord:
    """The image without the train side, which a merge takes from its views where it has some."""
    if image.split == "test":
        return image
    return replace(image, split=None, views=tuple(replace(view, split=None) for view in image.views))


def only(content: CocoFile, sha256s: Collection[str]) -> CocoFile:
    """The part of a file on these images."""
    return records_without(content, {image.sha256 for image in content.images} - set(sha256s))
