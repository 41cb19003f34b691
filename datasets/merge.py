"""Merging datasets: images by content, annotations by their atomic originals."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from datasets.coco import Annotation, AnnotationSource, Dataset, Image, Tag, make_dataset
from datasets.errors import BadDataset
from datasets.taxonomy import Taxonomy

_RANK: Mapping[AnnotationSource, int] = {"manual": 0, "semi-auto": 1, "auto": 2, "file": 3}


def merge(datasets: Sequence[Dataset], *, taxonomy: Taxonomy) -> Dataset:
    """One dataset of all images and annotations.

    An image met in several datasets is kept once, with the tags and known classes of all; the same object met several
    times (image, class, place) is kept once, with the origins of all and the attributes that a person gave rather than
    a model or a file. The order of inputs and repetition change nothing.

    Raises:
        BadDataset: two datasets put one image into different families or splits.
    """
    images: dict[str, Image] = {}
    objects: dict[tuple[object, ...], Annotation] = {}
    present: dict[str, set[int]] = defaultdict(set)
    for dataset in datasets:
        for image in dataset.images:
            images[image.sha256] = _join_images(images.get(image.sha256, image), image)
            present[image.sha256].update(tag.category_id for tag in image.tags)
        for annotation in dataset.annotations:
            key = (annotation.sha256, annotation.category_id, annotation.bbox_xywh)
            objects[key] = _join_annotations(objects.get(key, annotation), annotation)
            present[annotation.sha256].add(annotation.category_id)
    merged = (
        replace(image, neg_category_ids=_sorted(set(image.neg_category_ids) - present[image.sha256]))
        for image in images.values()
    )
    return make_dataset(taxonomy, merged, objects.values())


def _join_images(one: Image, other: Image) -> Image:
    if (one.family, one.split) != (other.family, other.split):
        raise BadDataset(
            f"image {one.sha256[:16]} is in family {one.family!r} ({one.split}) and in {other.family!r} "
            f"({other.split}); give it one family"
        )
    tags: dict[int, Tag] = {}
    for tag in (*one.tags, *other.tags):
        tags[tag.category_id] = min(tags.get(tag.category_id, tag), tag, key=lambda tag: sorted(tag.attributes.items()))
    first = min(one, other, key=lambda image: (repr(image.source), image.file_name))
    return replace(
        first,
        tags=tuple(tags[category_id] for category_id in sorted(tags)),
        neg_category_ids=_sorted({*one.neg_category_ids, *other.neg_category_ids}),
        not_exhaustive_category_ids=_sorted({*one.not_exhaustive_category_ids, *other.not_exhaustive_category_ids}),
    )


def _join_annotations(one: Annotation, other: Annotation) -> Annotation:
    first = min(one, other, key=lambda a: (_RANK[a.source], sorted(a.attributes.items()), a.score or 0.0))
    return replace(first, origins=tuple(sorted({*one.origins, *other.origins})))


def _sorted(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(values))
