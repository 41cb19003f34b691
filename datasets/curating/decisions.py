"""What reviewers decide of images, kept by SHA-256, and what becomes of a version by it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from datasets.errors import BadDataset
from datasets.files import read_json, write_json
from datasets.records import CocoFile, ImageRecord
from datasets.rights.takedown import records_without

Mark = Literal["exclude", "relabel", "gold"]
MARKS: tuple[Mark, ...] = get_args(Mark)
"""The tags that decide: leave the next version; be labelled again; never be trained on."""
QUALITIES = range(1, 6)


class Decision(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was decided of one image; `quality` is 1 (poor) to 5."""

    marks: tuple[Mark, ...] = ()
    quality: int | None = None
    notes: str | None = None


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


def updated(known: Mapping[str, Decision], shown: Mapping[str, Decision]) -> dict[str, Decision]:
    """What holds after reviewers saw the images `shown`: of these the new, of all others the old."""
    return {sha256: decision for sha256, decision in {**known, **shown}.items() if decision != Decision()}


def marked(decisions: Mapping[str, Decision], mark: Mark) -> frozenset[str]:
    """The images with this mark, by SHA-256."""
    return frozenset(sha256 for sha256, decision in decisions.items() if mark in decision.marks)


def apply_decisions(content: CocoFile, decisions: Mapping[str, Decision]) -> Decided:
    """Leave out what is excluded, and keep what is gold, with its family, out of training.

    Such images of the train side get no side; those of the test side stay. Applying it again changes nothing.
    """
    here = {image.sha256 for image in content.images}
    excluded, gold = marked(decisions, "exclude") & here, marked(decisions, "gold") & here
    rest = records_without(content, excluded)
    gold -= excluded
    families = {image.family for image in rest.images if image.sha256 in gold}
    images = [_off_training(image) if image.family in families else image for image in rest.images]
    benched = {image.sha256 for image in rest.images if image.split == "train" and image.family in families}
    return Decided(CocoFile(rest.categories, images, rest.annotations), excluded, gold, frozenset(benched - gold))


def _off_training(image: ImageRecord) -> ImageRecord:
    """The image without the train side, which a merge takes from its views where it has some."""
    if image.split == "test":
        return image
    return replace(image, split=None, views=tuple(replace(view, split=None) for view in image.views))


def only(content: CocoFile, sha256s: Collection[str]) -> CocoFile:
    """The part of a file on these images."""
    return records_without(content, {image.sha256 for image in content.images} - set(sha256s))
