"""Parts of a test set that a model may do worse on: by source, by tag (clean, dirty), by how well the picture shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

from datasets.coco import Dataset, Image
from training.assessability import Visibility
from training.evaluation.matching import Bools

MOST_SOURCES = 20
_WORST = 0.25


@dataclass(frozen=True)
class Slice:
    """Some images of a test set: `images` is (I,). Slices of one `by` share no image."""

    by: str
    name: str
    images: Bools


def source_of(image: Image) -> str:
    """Who an image is from: the sources that a merge named, else the host of its address."""
    if image.views:
        return " + ".join(sorted({view.source for view in image.views}))
    address = image.source.page_url or image.source.url
    return (urlsplit(address).hostname if address else None) or "unknown"


def slices_of(truth: Dataset, seen: Mapping[str, Visibility]) -> list[Slice]:
    """Every slice that has an image; `seen` is by SHA-256, and may be empty."""
    found = [*_by_name("source", list(map(source_of, truth.images))), *_by_name("tags", _tags(truth))]
    if seen:
        measured = [seen[image.sha256] for image in truth.images]
        found += _worst("light", "darkest quarter", [one.light for one in measured])
        found += _worst("sharpness", "blurriest quarter", [one.sharpness for one in measured])
    return found


def sources_of(truth: Dataset) -> list[Slice]:
    """The slices by source alone."""
    return list(_by_name("source", list(map(source_of, truth.images))))


def _tags(truth: Dataset) -> list[str]:
    names = ([truth.taxonomy.name(tag.category_id) for tag in image.tags] for image in truth.images)
    return [" + ".join(sorted(tags)) or "untagged" for tags in names]


def _by_name(by: str, names: Sequence[str]) -> Iterator[Slice]:
    """One slice a name, the most frequent first; those beyond the twentieth together."""
    of = np.array(names, object)
    unique, counts = np.unique(of.astype(str), return_counts=True) if len(of) else (np.array([]), np.array([]))
    ordered = [str(name) for name in unique[np.argsort(-counts, kind="stable")]]
    for name in ordered[:MOST_SOURCES]:
        yield Slice(by, name, of == name)
    if rest := ordered[MOST_SOURCES:]:
        yield Slice(by, f"{len(rest)} others", np.isin(of.astype(str), rest))


def _worst(by: str, name: str, values: Sequence[float]) -> Iterator[Slice]:
    """The quarter with the least values, and the others; nothing where they are all alike."""
    measured = np.array(values)
    worst = measured <= np.quantile(measured, _WORST)
    if not worst.all():
        yield Slice(by, name, worst)
        yield Slice(by, "others", ~worst)
