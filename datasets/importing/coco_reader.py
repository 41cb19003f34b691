"""COCO folders of any layout: Roboflow's split folders, COCO's own `annotations/`, or one file beside its images."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from datasets.coco import BboxXywh, Polygons, Provenance, Rle
from datasets.errors import BadDataset
from datasets.importing.coco_file import (
    NO_SEGMENTATION,
    CocoAnnotation,
    CocoCategory,
    CocoFile,
    CocoImage,
    CocoTag,
    Id,
    as_carloop,
    read_coco_file,
)
from datasets.importing.foreign import ForeignImage, ForeignObject, ForeignSource, ForeignTag
from datasets.importing.places import find_image, source_name
from datasets.importing.texts import attribute_texts, declared_size
from datasets.rle import encode_mask, parse_mask

PLAIN_STEMS = ("_annotations.coco", "annotations", "instances_default", "labels")


class _Runs(msgspec.Struct):
    size: list[int]
    counts: str | list[int]


_NO_OUTLINE = (b"[]", b"[[]]", b"{}", b"null", b'""')
_SEGMENTATION = msgspec.json.Decoder(list[list[float]] | _Runs)


def read_coco_source(path: Path, *, root: Path, name: str) -> ForeignSource:
    """One COCO file below `root`.

    Raises:
        BadDataset: it cannot be read as COCO, image or class ids are given twice, or image names leave the folder.
    """
    content = read_coco_file(path)
    names = _class_names(content, path)
    drawn: dict[Id, list[CocoAnnotation]] = defaultdict(list)
    for annotation in content.annotations:
        drawn[annotation.image_id].append(annotation)
    images = tuple(_read_images(content, drawn, names, path, root))
    return ForeignSource(
        name=source_name(name, path, root, plain=PLAIN_STEMS),
        names=_searched(content, names),
        images=images,
        notes=tuple(_notes(content, names)),
    )


def _class_names(content: CocoFile, path: Path) -> dict[Id, str]:
    for kind, ids in (("image", (i.id for i in content.images)), ("category", (c.id for c in content.categories))):
        if twice := [number for number, count in Counter(ids).items() if count > 1]:
            raise BadDataset(f"{path}: {kind} id {twice[0]!r} is given twice; number them anew")
    return {category.id: category.name for category in content.categories}


def _searched(content: CocoFile, names: Mapping[Id, str]) -> tuple[str, ...]:
    """The classes that the file declares, without an unused one that only stands above others, as in Roboflow's."""
    used = {annotation.category_id for annotation in content.annotations}
    used |= {tag.category_id for image in content.images for tag in image.tags}
    above = {category.supercategory for category in content.categories if isinstance(category.supercategory, str)}

    def is_root(category: CocoCategory) -> bool:
        return category.id not in used and category.name in above - {category.supercategory}

    return tuple(dict.fromkeys(names[category.id] for category in content.categories if not is_root(category)))


def _notes(content: CocoFile, names: Mapping[Id, str]) -> Iterator[str]:
    if content.unreadable:
        yield f"{len(content.unreadable)} annotations cannot be read and were left out: {content.unreadable[0]} first"
    known = {image.id for image in content.images}
    if lost := [annotation.image_id for annotation in content.annotations if annotation.image_id not in known]:
        yield f"{len(lost)} annotations name images that 'images' lacks, id {lost[0]!r} first; they were left out"
    if lost := [annotation.category_id for annotation in content.annotations if annotation.category_id not in names]:
        yield f"{len(lost)} annotations name classes that 'categories' lacks, id {lost[0]!r} first; they were left out"
    if any(map(as_carloop, content.images)):
        yield (
            "this is a Carloop dataset: who drew each object, what each source said and which images show one "
            "photograph are not read; merge the version itself, by its name or folder, to keep them"
        )


def _read_images(
    content: CocoFile,
    drawn: Mapping[Id, Sequence[CocoAnnotation]],
    names: Mapping[Id, str],
    path: Path,
    root: Path,
) -> Iterator[ForeignImage]:
    licenses = {entry.id: entry.name or entry.url or None for entry in content.licenses}
    author = content.info.contributor if content.info and isinstance(content.info.contributor, str) else None
    taken: dict[str, int] = {}
    folders = _image_folders(path, root)
    lost: dict[Id, list[str | None]] = defaultdict(list)
    for one in content.lost:
        lost[one.image_id].append(names.get(one.category_id) if one.category_id is not None else None)
    for image in content.images:
        annotations = drawn.get(image.id, ())
        tags = [tag for tag in image.tags if tag.category_id in names]
        objects = tuple(_object(a, names, taken) for a in annotations if a.category_id in names)
        own = as_carloop(image)
        yield ForeignImage(
            file_name=image.file_name,
            path=find_image(image.file_name, folders, told_in=path),
            declared_size=declared_size(image.width, image.height),
            objects=objects,
            tags=tuple(ForeignTag(names[tag.category_id], attribute_texts(tag.attributes)) for tag in tags),
            lost=(None,) * (len(annotations) + len(image.tags) - len(objects) - len(tags)) + tuple(lost[image.id]),
            searched=_searched_on(image, objects, tags, names),
            unsure=tuple(names[number] for number in image.not_exhaustive_category_ids if number in names),
            family=image.family,
            split=own.split if own else None,
            provenance=_provenance(image, own.source if own else Provenance(author=author or None), licenses),
        )


def _searched_on(
    image: CocoImage, objects: Iterable[ForeignObject], tags: Iterable[CocoTag], names: Mapping[Id, str]
) -> tuple[str, ...] | None:
    """The classes that were looked for on an image, where the file says it as LVIS does; None where it does not."""
    if image.neg_category_ids is None:
        return None
    told = (*image.neg_category_ids, *image.not_exhaustive_category_ids, *(tag.category_id for tag in tags))
    listed = (*(names[number] for number in told if number in names), *(found.name for found in objects))
    return tuple(dict.fromkeys(listed))


def _provenance(image: CocoImage, said: Provenance, licenses: Mapping[Id | None, str | None]) -> Provenance:
    """What COCO's own fields say of an image, completed by what else is `said`."""
    stated = None if image.license is None else licenses.get(image.license)
    url = image.flickr_url or image.coco_url or said.url
    return msgspec.structs.replace(said, url=url, license=stated or said.license)


def _image_folders(path: Path, root: Path) -> list[Path]:
    """Where a file's images may lie: beside it, in `images/`, or, for COCO's own layout, in the split's folder."""
    above = path.parent.parent if path.parent != root else path.parent
    split = path.stem.rpartition("_")[2]
    beside = [path.parent, path.parent / "images", path.parent / "data"]
    return [*beside, above / split, above / "images" / split, above / "images", above]


def _object(annotation: CocoAnnotation, names: Mapping[Id, str], taken: dict[str, int]) -> ForeignObject:
    segmentation = parse_segmentation(annotation.segmentation)
    return ForeignObject(
        annotation_id=_own_id(annotation, taken),
        name=names[annotation.category_id],
        bbox_xywh=_bbox(annotation),
        segmentation=segmentation,
        is_outline_broken=not segmentation and bytes(annotation.segmentation) not in _NO_OUTLINE,
        iscrowd=bool(annotation.iscrowd),
        attributes=attribute_texts(annotation.attributes or {}),
        track_id=annotation.track_id,
        score=annotation.score,
    )


def _own_id(annotation: CocoAnnotation, taken: dict[str, int]) -> str:
    """The annotation's id in its file, made unique when the file gives none or gives it again.

    `taken` are the ids so far, each with the last number that made one of it.
    """
    given = str(annotation.id) if annotation.id is not None else f"image {annotation.image_id}"
    number, unique = taken.get(given, 1), given
    while unique in taken:
        number, unique = number + 1, f"{given} #{number + 1}"
    taken[given] = number
    taken.setdefault(unique, 1)
    return unique


def _bbox(annotation: CocoAnnotation) -> BboxXywh | None:
    if annotation.bbox is None or len(annotation.bbox) != 4:
        return None
    x, y, width, height = annotation.bbox
    return (x, y, width, height)


def parse_segmentation(text: msgspec.Raw) -> Polygons | Rle:
    """COCO's polygons or run lengths, plain or compressed; empty when there are none or they are broken."""
    if text == NO_SEGMENTATION:
        return ()
    try:
        found: Any = _SEGMENTATION.decode(text)
        if isinstance(found, list):
            return tuple(tuple(polygon) for polygon in found if len(polygon) >= 6 and len(polygon) % 2 == 0)
        return encode_mask(parse_mask(msgspec.structs.asdict(found)))
    except (msgspec.DecodeError, ValueError):
        return ()
