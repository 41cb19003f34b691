"""Frames of a dataset as a page: photographs with what is annotated on them, and where they come from."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from datasets.coco import Annotation, Dataset, Image
from datasets.errors import BadDataset
from datasets.files import write_bytes
from datasets.merging.conflicts import Conflict
from datasets.rights.licenses import provenances, stated_licenses
from datasets.seeing.drawing import colour_of, outline, read_thumbnail
from datasets.seeing.frames import Group, class_counts, conflicts_by_image
from datasets.seeing.labels import letters_of, place_labels
from datasets.seeing.templates import data_url, render
from datasets.store import ImageStore

_SIDE, _LEAST_SIDE, _FULL_SIZE_FRAMES = 480, 160, 60
_MOST_NAMED = 10


@dataclass(frozen=True)
class Shown:
    """One frame of a page. `problem` says why its picture is not there, None where it is."""

    group: str
    sha256: str
    file_name: str
    family: str
    split: str | None
    width: int
    height: int
    objects: Mapping[str, int]
    tags: tuple[str, ...]
    merged: int
    sources: tuple[str, ...]
    licenses: tuple[str, ...]
    authors: tuple[str, ...]
    page_url: str | None
    copies: int
    near: int
    conflicts: tuple[str, ...]
    problem: str | None


def write_frames_page(
    dataset: Dataset,
    groups: Sequence[Group],
    store: ImageStore,
    path: Path,
    *,
    conflicts: Iterable[Conflict] = (),
    title: str = "Frames",
) -> list[Shown]:
    """Write the frames as one HTML file that needs nothing beside it, and return what it shows.

    A picture that the store lacks, or that cannot be read, is told on the page and in `problem`. Pictures are smaller
    where there are many, so that the page stays under some 10 MB.
    """
    told = conflicts_by_image(conflicts)
    side = _side(sum(len(group.sha256s) for group in groups))
    shown, sections = [], []
    for group in groups:
        cards = [_card(dataset, dataset.by_sha256[sha256], group, store, told, side) for sha256 in group.sha256s]
        sections.append((group.title, cards))
        shown += [card["shown"] for card in cards]
    content = {
        "title": title,
        "sections": sections,
        "count": len(shown),
        "missing": sum(one.problem is not None for one in shown),
        "key": _key(dataset, shown),
        "merged": any(one.merged for one in shown),
    }
    write_bytes(path, render("frames.html.j2", content))
    return shown


def frames_to_json(shown: Iterable[Shown]) -> list[dict[str, Any]]:
    """What a page shows, for a script."""
    return [asdict(one) for one in shown]


def describe_frames(
    dataset: Dataset, groups: Sequence[Group], store: ImageStore, *, conflicts: Iterable[Conflict] = ()
) -> list[Shown]:
    """What a page of these frames would show, without making one; pictures are not opened."""
    told = conflicts_by_image(conflicts)
    return [
        _describe(dataset, image, group, told, None if store.path(image.file_name).is_file() else "not in the store")
        for group in groups
        for image in map(dataset.by_sha256.__getitem__, group.sha256s)
    ]


def _side(frames: int) -> int:
    return max(_LEAST_SIDE, round(_SIDE * min(1.0, math.sqrt(_FULL_SIZE_FRAMES / max(frames, 1)))))


def _card(
    dataset: Dataset, image: Image, group: Group, store: ImageStore, told: Mapping[str, list[str]], side: int
) -> dict[str, Any]:
    picture, problem = None, None
    try:
        picture = data_url(read_thumbnail(store.path(image.file_name), side=side), "image/jpeg")
    except BadDataset as error:
        problem = str(error)
    annotations = dataset.annotations_of.get(image.sha256, [])
    named = [(dataset.taxonomy.name(one.category_id), one.bbox_xywh) for one in annotations]
    labels = place_labels(named[:_MOST_NAMED], width=image.width, height=image.height)
    shown = _describe(dataset, image, group, told, problem)
    return {
        "shown": shown,
        "notes": list(_notes(shown)),
        "name": _readable_name(image),
        "picture": picture,
        "drawn": [(outline(annotation), _told(dataset, annotation)) for annotation in annotations],
        "labels": [(label, colour_of(one.category_id)) for label, one in zip(labels, annotations, strict=False)],
        "letters": letters_of(image.width, image.height),
        "colours": {dataset.taxonomy.name(number): colour_of(number) for number in class_counts(dataset, image)},
        "link": next((p.page_url for p in provenances(image) if _is_web(p.page_url)), None),
    }


def _describe(
    dataset: Dataset, image: Image, group: Group, told: Mapping[str, list[str]], problem: str | None
) -> Shown:
    said = list(provenances(image))
    annotations = dataset.annotations_of.get(image.sha256, [])
    return Shown(
        group=group.title,
        sha256=image.sha256,
        file_name=image.file_name,
        family=image.family,
        split=image.split,
        width=image.width,
        height=image.height,
        objects={dataset.taxonomy.name(number): count for number, count in class_counts(dataset, image).items()},
        tags=tuple(dataset.taxonomy.name(tag.category_id) for tag in image.tags),
        merged=sum(len(annotation.origins) > 1 for annotation in annotations),
        sources=tuple(sorted({view.source for view in image.views})),
        licenses=stated_licenses(image),
        authors=tuple(sorted({provenance.author for provenance in said if provenance.author})),
        page_url=next((provenance.page_url for provenance in said if provenance.page_url), None),
        copies=len(image.copies),
        near=len(image.near),
        conflicts=tuple(told.get(image.sha256, ())),
        problem=problem,
    )


def _notes(one: Shown) -> Iterator[str]:
    """What is special about a frame."""
    for count, singular, plural in (
        (one.merged, "merged object", "merged objects"),
        (one.copies, "copy in another size", "copies in other sizes"),
        (one.near, "near-duplicate", "near-duplicates"),
    ):
        if count:
            yield f"{count} {singular if count == 1 else plural}"


def _readable_name(image: Image) -> str:
    """What its sources call the file, where the store's name is but its hash."""
    names = {PurePosixPath(name).name for name in (image.file_name, *(view.file_name for view in image.views))}
    return ", ".join(sorted(name for name in names if image.sha256 not in name))


def _told(dataset: Dataset, annotation: Annotation) -> str:
    score = "" if annotation.score is None else f"score {annotation.score:.2f}"
    attributes = ", ".join(f"{name}: {value}" for name, value in sorted(annotation.attributes.items()))
    origins = ", ".join(f"{origin.source} {origin.name or ''}".strip() for origin in annotation.origins)
    name = dataset.taxonomy.name(annotation.category_id)
    return "; ".join(filter(None, (name, annotation.source, score, attributes, origins and f"from {origins}")))


def _key(dataset: Dataset, shown: Iterable[Shown]) -> dict[str, str]:
    drawn = {name for one in shown for name in one.objects}
    return {name: colour_of(n) for n, name in enumerate(dataset.taxonomy.names(), start=1) if name in drawn}


def _is_web(url: str | None) -> bool:
    return url is not None and url.startswith(("https://", "http://"))
