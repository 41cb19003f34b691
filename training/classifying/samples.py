"""What a classifier learns from: pictures on disk, each with one class and a part.

Read from a dataset version's `annotations.json`, from folders named after classes, or from a CSV manifest with the
columns `path,label[,split][,family]`, whose paths start at its own folder.
"""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from datasets.coco import Dataset, Image, read_coco
from datasets.errors import BadDataset
from datasets.importing.folders import class_folders
from datasets.importing.places import list_images, read_text
from datasets.records import read_records
from datasets.split import unit_hash
from datasets.taxonomy import Taxonomy
from datasets.versions import taxonomy_of
from training.errors import NothingToTrain

Part = Literal["train", "val", "test"]
Labels = Literal["tags", "objects"]

_PARTS: Mapping[str, Part] = {
    "": "train", "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture. `target` is its class's output index; what shares a `family` stays in one part."""

    path: Path
    target: int
    family: str
    part: Part


@dataclass(frozen=True)
class Samples:
    """All pictures with a class, those of one part together, and notes on what was not taken as it is."""

    class_names: tuple[str, ...]
    samples: tuple[Sample, ...]
    notes: tuple[str, ...] = ()

    def of(self, part: Part) -> list[Sample]:
        return [sample for sample in self.samples if sample.part == part]


def read_samples(
    place: Path,
    class_names: Sequence[str],
    *,
    store: Path,
    labels: Labels = "tags",
    val_fraction: float = 0,
    test_fraction: float = 0,
    seed: int = 0,
    most: int | None = None,
) -> Samples:
    """The pictures at `place` whose class is one of `class_names`.

    Where the data has no val or test part of its own, these fractions of the train families become one. `store` is the
    folder that a version's file names start from. With `labels` "objects" the first class is an image with an object
    on it, the second one that was searched for every class and has none. `most` takes that many of each part alone,
    each class in turn.

    Raises:
        BadDataset: nothing readable is there.
        NothingToTrain: the train part is empty.
    """
    names = tuple(class_names)
    if place.suffix.lower() == ".csv":
        found = list(_read_manifest(place, names))
    elif place.is_dir():
        found = list(_read_folders(place, names))
    else:
        found = list(_read_version(place, names, store, labels))
    samples = [sample for sample in found if sample is not None]
    left_out = len(found) - len(samples)
    notes = [f"{left_out} images have another class or none and were left out"] if left_out else []
    wanted: dict[Part, float] = {"test": test_fraction, "val": val_fraction}
    for part, fraction in wanted.items():
        if fraction and not any(sample.part == part for sample in samples):
            samples = give_away(samples, part, fraction=fraction, seed=seed)
    if most:
        samples = _first(samples, most)
    if not any(sample.part == "train" for sample in samples):
        raise NothingToTrain(
            f"{place} has no image of {', '.join(names)} in the train split; tag some, or check the split"
        )
    return Samples(names, tuple(samples), (*notes, *_empty_classes(names, samples)))


def _read_version(place: Path, names: Sequence[str], store: Path, labels: Labels) -> Iterator[Sample | None]:
    dataset = read_dataset(place).live
    for image in dataset.images:
        target = _tagged(image, dataset.taxonomy, names) if labels == "tags" else _searched(image, dataset)
        if image.split and target is not None:
            yield Sample(store / image.file_name, target, image.family, image.split)
        else:
            yield None


def _tagged(image: Image, taxonomy: Taxonomy, names: Sequence[str]) -> int | None:
    """The index of an image's one tag; of several none is the truth."""
    tags = [taxonomy.name(tag.category_id) for tag in image.tags]
    return names.index(tags[0]) if len(tags) == 1 and tags[0] in names else None


def _searched(image: Image, dataset: Dataset) -> int | None:
    if dataset.annotations_of.get(image.sha256):
        return 0
    objects = set(dataset.taxonomy.ids()) - set(dataset.taxonomy.ids("tag"))
    return 1 if objects <= dataset.known_category_ids(image.sha256) else None


def _read_folders(root: Path, names: Sequence[str]) -> Iterator[Sample | None]:
    for split, folders in class_folders(root).items():
        for folder in folders:
            for path in list_images(folder):
                known = folder.name in names
                yield Sample(path, names.index(folder.name), path.stem, _PARTS[split.lower()]) if known else None


def _read_manifest(path: Path, names: Sequence[str]) -> Iterator[Sample | None]:
    for number, row in _rows(path):
        part = (row.get("split") or "").strip().lower()
        if part not in _PARTS:
            raise BadDataset(f"{path} line {number} has the split {part!r}; use train, val or test")
        label = row["label"].strip()
        file = path.parent / row["path"].strip()
        family = (row.get("family") or "").strip() or file.stem
        yield Sample(file, names.index(label), family, _PARTS[part]) if label in names else None


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """A manifest's rows with their line numbers. Raises BadDataset for what is no manifest."""
    reader = csv.DictReader(io.StringIO(read_text(path)))
    if missing := {"path", "label"} - set(reader.fieldnames or ()):
        raise BadDataset(f"{path} lacks the columns {sorted(missing)}; its first line is path,label[,split][,family]")
    for row in reader:
        if not row["path"] or not row["label"]:
            raise BadDataset(f"{path} line {reader.line_num} lacks a path or a label; fill it in")
        yield reader.line_num, row


def find_class_names(place: Path, labels: Labels = "tags") -> tuple[str, ...]:
    """The classes that `place` has, where nobody said which: a version's tags in its order, else sorted by name."""
    if place.suffix.lower() == ".csv":
        return tuple(sorted({row["label"].strip() for _, row in _rows(place)}))
    if place.is_dir():
        return tuple(sorted({folder.name for folders in class_folders(place).values() for folder in folders}))
    return ("damaged", "whole") if labels == "objects" else tuple(read_dataset(place).taxonomy.names("tag"))


def read_dataset(place: Path) -> Dataset:
    """A version's annotations.json under its own classes. Raises BadDataset."""
    return read_coco(place, taxonomy_of(read_records(place)))


def give_away(samples: Iterable[Sample], part: Part, *, fraction: float, seed: int) -> list[Sample]:
    """Move whole train families to `part`, in the order of a hash, each while its rarest class has too little there."""
    held: dict[str, Counter[int]] = defaultdict(Counter)
    samples = list(samples)
    for sample in samples:
        if sample.part == "train":
            held[sample.family][sample.target] += 1
    total: Counter[int] = sum(held.values(), Counter())
    seen: Counter[int] = Counter()
    taken: Counter[int] = Counter()
    chosen = set()
    for family in sorted(held, key=lambda family: (unit_hash(f"{part}:{family}", seed=seed), family)):
        counts = held[family]
        rarest = min(counts, key=lambda target: (total[target], target))
        seen.update(counts)
        if fraction * seen[rarest] - taken[rarest] > counts[rarest] / 2:
            chosen.add(family)
            taken.update(counts)
    return [replace(s, part=part) if s.part == "train" and s.family in chosen else s for s in samples]


def _first(samples: Sequence[Sample], most: int) -> list[Sample]:
    """At most that many of each part, each class in turn."""
    turns: Counter[tuple[Part, int]] = Counter()
    ranked = []
    for sample in samples:
        ranked.append((turns[sample.part, sample.target], sample))
        turns[sample.part, sample.target] += 1
    ranked.sort(key=lambda pair: pair[0])
    parts: list[Part] = ["train", "val", "test"]
    return [sample for part in parts for sample in [s for _, s in ranked if s.part == part][:most]]


def require_two_classes(samples: Samples, place: Path) -> None:
    """Raise NothingToTrain where the train part has one class alone."""
    held = {sample.target for sample in samples.of("train")}
    if len(held) == 1:
        names = ", ".join(samples.class_names)
        raise NothingToTrain(
            f"{place} has only {samples.class_names[held.pop()]!r} in the train split, of {names}; "
            "a classifier learns from two classes or more"
        )


def _empty_classes(names: Sequence[str], samples: Iterable[Sample]) -> list[str]:
    counts = Counter((sample.part, sample.target) for sample in samples)
    return [
        f"the {part} part has no image of {name!r}"
        for part in sorted({part for part, _ in counts})
        for target, name in enumerate(names)
        if not counts[part, target]
    ]
