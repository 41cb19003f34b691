"""Foreign COCO folders with ground truth: find the file, check it, name its classes as the project does."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator

from datasets.coco import BboxXywh
from datasets.errors import BadDataset, UnknownCategory
from datasets.files import read_json
from datasets.store import Probe, probe
from datasets.taxonomy import Settings, Taxonomy, validation_problems

ANNOTATION_FILES = ("annotations.json", "_annotations.coco.json")


class TruthSettings(Settings):
    """How a folder's names are read.

    `family` is a regular expression over the file name; what its first group (or the whole match) says is
    the family, the photographs that must stay on one side of a split.
    """

    family: str | None = None
    drop: tuple[str, ...] = ()
    license: str | None = None

    @field_validator("family")
    @classmethod
    def _family_compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return pattern


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _CocoCategory(_Record):
    id: int
    name: str


class _CocoTag(_Record):
    category_id: int


class _CocoImage(_Record):
    id: int | str
    file_name: str = Field(min_length=1)
    license: int | str | None = None
    family: str | None = None
    tags: tuple[_CocoTag, ...] = ()


class _CocoAnnotation(_Record):
    id: int | str | None = None
    image_id: int | str
    category_id: int
    bbox: Annotated[list[FiniteFloat], Field(min_length=4, max_length=4)]
    iscrowd: int = 0


class _CocoLicense(_Record):
    id: int | str | None = None
    name: str | None = None
    url: str | None = None


class _CocoFile(_Record):
    images: list[_CocoImage]
    annotations: list[_CocoAnnotation]
    categories: list[_CocoCategory]
    licenses: list[_CocoLicense] = []


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


def _parse(path: Path) -> _CocoFile:
    content = read_json(path)
    try:
        return _CocoFile.model_validate(content)
    except ValidationError as error:
        problems = validation_problems(error)
        raise BadDataset(f"{path} is not COCO: {problems[0]} ({len(problems)} such places); mend the file") from None


def _check_ids(content: _CocoFile, path: Path) -> None:
    kinds: Mapping[str, Sequence[_CocoImage | _CocoCategory | _CocoAnnotation]] = {
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
    content: _CocoFile, path: Path, taxonomy: Taxonomy, settings: TruthSettings
) -> Mapping[int, int | None]:
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


def _locate(content: _CocoFile, path: Path) -> dict[int | str, Path]:
    """Where each image lies. Raises BadDataset for names that leave the folder and for absent images."""
    folder, located, absent = path.parent, {}, []
    for image in content.images:
        name = PurePosixPath(image.file_name)
        if name.is_absolute() or ".." in name.parts:
            raise BadDataset(f"{path}: file_name {image.file_name!r} leaves the folder; use names below {folder}")
        places = (folder / name, folder / "images" / name)
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            absent.append(image.file_name)
        else:
            located[image.id] = found
    if absent:
        raise BadDataset(
            f"{path} names {len(absent)} of {len(content.images)} images that are absent, {absent[0]!r} first; "
            f"put them into {folder} or remove them from the file"
        )
    return located


def _truth(
    content: _CocoFile,
    located: Mapping[int | str, Path],
    category_ids: Mapping[int, int | None],
    settings: TruthSettings,
) -> TruthFolder:
    boxes: dict[int | str, list[_CocoAnnotation]] = defaultdict(list)
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
                family=image.family or _family(path.name, settings.family),
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
    annotations: list[_CocoAnnotation], facts: Probe, category_ids: Mapping[int, int | None]
) -> tuple[tuple[tuple[int, BboxXywh], ...], int]:
    kept, cut = [], 0
    for annotation in annotations:
        category_id = category_ids[annotation.category_id]
        if category_id is None:
            continue
        inside = _inside(annotation.bbox, facts)
        cut += inside != tuple(annotation.bbox)
        if inside is not None:
            kept.append((category_id, inside))
    return tuple(kept), cut


def _inside(bbox_xywh: list[float], facts: Probe) -> BboxXywh | None:
    x, y, width, height = bbox_xywh
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + width, float(facts.width)), min(y + height, float(facts.height))
    if right <= left or bottom <= top:
        return None
    if (left, top, right, bottom) == (x, y, x + width, y + height):
        return (x, y, width, height)  # as given: a difference of sums would change its last digits
    return (left, top, right - left, bottom - top)


def _family(name: str, pattern: str | None) -> str:
    match = re.search(pattern, name) if pattern else None
    found = next((group for group in match.groups() if group), match.group()) if match else None
    return found or PurePosixPath(name).stem
