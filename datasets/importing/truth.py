"""Foreign COCO folders with ground truth: find the file, check it, name its classes as the project does."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import field_validator

from datasets.coco import BboxXywh
from datasets.errors import BadDataset, UnknownCategory
from datasets.geometry import clip_box
from datasets.importing.coco_file import (
    CocoAnnotation,
    CocoCategory,
    CocoFile,
    CocoImage,
    Id,
    not_coco,
    read_coco_file,
)
from datasets.importing.families import check_family_pattern, family_in
from datasets.importing.places import check_inside, find_image
from datasets.store import probe
from datasets.stored_image import Probe
from datasets.taxonomy import Settings, Taxonomy

ANNOTATION_FILES = ("annotations.json", "_annotations.coco.json")


class TruthSettings(Settings):
    """How a folder's names are read.

    `family` is a regular expression over the file name; what its first group (or the whole match) says is
    the family, the photographs that must stay on one side of a split.
    """

    family: str | None = None
    drop: tuple[str, ...] = ()
    license: str | None = None

    _family_compiles = field_validator("family")(check_family_pattern)


@dataclass(frozen=True, slots=True)
class TruthImage:
    """One photograph with everything its file says, classes by the project's ids."""

    path: Path
    sha256: str
    family: str
    license: str | None
    boxes: tuple[tuple[int, BboxXywh], ...]
    tag_ids: tuple[int, ...]


@dataclass(frozen=True)
class TruthFolder:
    """A folder of photographs with ground truth; `annotated_ids` are the classes it was searched for."""

    images: tuple[TruthImage, ...]
    annotated_ids: frozenset[int]
    clipped: int
    crowds: int
    tied: int

    @property
    def notes(self) -> list[str]:
        """What was not taken as it is, in a sentence each."""
        told = (
            (self.clipped, "boxes reach out of their image and were clipped to it"),
            (self.crowds, "crowd regions were left out: they are no single objects"),
            (self.tied, "photographs are in several families and were left out of all"),
        )
        return [f"{count} {what}" for count, what in told if count]


def read_truth(folder: Path, taxonomy: Taxonomy, settings: TruthSettings) -> TruthFolder:
    """Read a COCO folder with ground truth.

    Boxes are clipped to the image; one with nothing inside is dropped (both counted in `clipped`). An image that is
    there under several names is one image, with the labels of all; one in several families is left out, since it would
    tie a family to learn from to one to test on.

    Raises:
        BadDataset: no folder, no annotation file, broken JSON, ids that are given twice or lead nowhere, or images that
            are absent or undecodable.
        UnknownCategory: classes in use that the project neither has nor drops; all are listed with counts.
    """
    path = _annotation_file(folder)
    content = _parse(path)
    if not content.images:
        raise BadDataset(f"{path} names no images; a loop needs photographs with ground truth")
    _check_ids(content, path)
    category_ids = _category_ids(content, path, taxonomy, settings)
    return _truth(content, _locate(content, path), category_ids, settings)


def _annotation_file(folder: Path) -> Path:
    if not folder.is_dir():
        raise BadDataset(f"{folder} is not a folder; give one with images and an annotations.json in COCO format")
    candidates = [folder / name for name in ANNOTATION_FILES if (folder / name).is_file()]
    candidates = candidates or sorted(path for path in folder.glob("*.json") if path.name != "manifest.json")
    if len(candidates) != 1:
        found = ", ".join(path.name for path in candidates) or "none"
        raise BadDataset(f"{folder} needs one COCO file called {' or '.join(ANNOTATION_FILES)}; found: {found}")
    return candidates[0]


def _parse(path: Path) -> CocoFile:
    content = read_coco_file(path)
    problems = [*content.unreadable]
    for number, annotation in enumerate(content.annotations):
        if annotation.bbox is None or len(annotation.bbox) != 4 or not all(map(math.isfinite, annotation.bbox)):
            problems.append(f"annotations.{number}.bbox: Expected 4 finite numbers, got {annotation.bbox}")
    if problems:
        raise not_coco(path, problems)
    return content


def _check_ids(content: CocoFile, path: Path) -> None:
    kinds: Mapping[str, Sequence[CocoImage | CocoCategory | CocoAnnotation]] = {
        "image": content.images,
        "category": content.categories,
        "annotation": content.annotations,
    }
    for kind, records in kinds.items():
        times = Counter(record.id for record in records if record.id is not None)
        if twice := [number for number, count in times.items() if count > 1]:
            raise BadDataset(f"{path}: {kind} id {twice[0]!r} is given twice; number them anew")
    image_ids = {image.id for image in content.images}
    lost = [annotation.image_id for annotation in content.annotations if annotation.image_id not in image_ids]
    if lost:
        raise BadDataset(
            f"{path}: {len(lost)} annotations name images that 'images' lacks, id {lost[0]!r} first; mend the file"
        )


def _category_ids(
    content: CocoFile, path: Path, taxonomy: Taxonomy, settings: TruthSettings
) -> Mapping[Id, int | None]:
    """The project's id of each of the file's category ids; None for a class to drop."""
    on_boxes = Counter(a.category_id for a in content.annotations)
    on_images = Counter(tag.category_id for image in content.images for tag in image.tags)
    used = on_boxes + on_images
    names = {category.id: category.name for category in content.categories}
    dangling = sorted(set(used) - set(names))
    if dangling:
        raise BadDataset(f"{path}: annotations name category ids {dangling} that 'categories' lacks; mend the file")
    kept = {number: name for number, name in names.items() if name not in settings.drop}
    unknown = {name: used[number] for number, name in kept.items() if used[number] and not taxonomy.has(name)}
    if unknown:
        listed = ", ".join(f"{name!r} ({count} objects)" for name, count in sorted(unknown.items()))
        raise UnknownCategory(
            f"{path}: {listed} not in the project; add each to categories:, as one of a category's aliases:, "
            "or under truth: drop:"
        )
    category_ids = {
        number: taxonomy.category_id(name) if number in kept and taxonomy.has(name) else None
        for number, name in names.items()
    }
    tags = set(taxonomy.ids("tag"))
    misused = [names[number] for number in on_boxes if category_ids[number] in tags]
    misused += [names[number] for number in on_images if category_ids[number] not in {*tags, None}]
    if misused:
        raise BadDataset(
            f"{path}: a box needs a class of kind 'rectangle' and an image one of kind 'tag', in the project it is the "
            f"other way round for {misused}; change their kind: or drop them under truth: drop:"
        )
    return category_ids


def _locate(content: CocoFile, path: Path) -> dict[Id, Path]:
    """Where each image lies. Raises BadDataset for names and links that leave the folder and for absent images."""
    folder, located, absent = path.parent, {}, []
    for image in content.images:
        found = find_image(image.file_name, (folder, folder / "images"), told_in=path)
        if found is None:
            absent.append(image.file_name)
        else:
            located[image.id] = found
    if absent:
        raise BadDataset(
            f"{path} names {len(absent)} of {len(content.images)} images that are absent, {absent[0]!r} first; "
            f"put them into {folder} or remove them from the file"
        )
    check_inside(located.values(), folder)
    return located


def _truth(
    content: CocoFile,
    located: Mapping[Id, Path],
    category_ids: Mapping[Id, int | None],
    settings: TruthSettings,
) -> TruthFolder:
    boxes: dict[Id, list[CocoAnnotation]] = defaultdict(list)
    for annotation in content.annotations:
        if not annotation.iscrowd:
            boxes[annotation.image_id].append(annotation)
    licenses = {entry.id: entry.name or entry.url or None for entry in content.licenses}
    images, clipped = [], 0
    for image in content.images:
        path = located[image.id]
        content_bytes = path.read_bytes()
        kept, cut = _boxes_inside(boxes[image.id], _probe(path, content_bytes), category_ids)
        clipped += cut
        tag_ids = (category_ids[tag.category_id] for tag in image.tags)
        images.append(
            TruthImage(
                path=path,
                sha256=hashlib.sha256(content_bytes).hexdigest(),
                family=image.family or family_in(path.name, settings.family) or path.stem,
                license=settings.license or licenses.get(image.license),
                boxes=kept,
                tag_ids=tuple(tag_id for tag_id in tag_ids if tag_id is not None),
            )
        )
    annotated = frozenset(category_id for category_id in category_ids.values() if category_id is not None)
    families: dict[str, set[str]] = defaultdict(set)
    for found in images:
        families[found.sha256].add(found.family)
    tied = {sha256 for sha256, names in families.items() if len(names) > 1}
    crowds = sum(bool(annotation.iscrowd) for annotation in content.annotations)
    joined = _join_same(found for found in images if found.sha256 not in tied)
    return TruthFolder(joined, annotated, clipped, crowds, len(tied))


def _join_same(images: Iterable[TruthImage]) -> tuple[TruthImage, ...]:
    """One image per content: the first one's name, the labels of all."""
    joined: dict[str, TruthImage] = {}
    for image in images:
        first = joined.setdefault(image.sha256, image)
        if first is not image:
            joined[image.sha256] = replace(
                first,
                boxes=tuple(dict.fromkeys(first.boxes + image.boxes)),
                tag_ids=tuple(dict.fromkeys(first.tag_ids + image.tag_ids)),
            )
    return tuple(joined.values())


def _probe(path: Path, content: bytes) -> Probe:
    try:
        return probe(content)
    except BadDataset as error:
        raise BadDataset(f"{path}: {error}; replace it or remove it from the annotations") from None


def _boxes_inside(
    annotations: list[CocoAnnotation], facts: Probe, category_ids: Mapping[Id, int | None]
) -> tuple[tuple[tuple[int, BboxXywh], ...], int]:
    kept, cut = [], 0
    for annotation in annotations:
        category_id = category_ids[annotation.category_id]
        if category_id is None:
            continue
        x, y, width, height = annotation.bbox or (0.0, 0.0, 0.0, 0.0)
        inside = clip_box((x, y, width, height), facts.width, facts.height)
        cut += inside != (x, y, width, height)
        if inside is not None:
            kept.append((category_id, inside))
    return tuple(kept), cut
