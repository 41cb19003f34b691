"""COCO in memory and on disk. Boxes are xywh: absolute pixels of the upright image, origin top left.

In memory an image is named by the SHA-256 of its bytes, so that datasets can be put together without
renumbering; numbers are given when a file is written. Beyond COCO, per image: `sha256`, `family`, `split`,
`source`, `tags`, `neg_category_ids`, `not_exhaustive_category_ids` (both as in LVIS); per annotation:
`attributes`, `score`, `source`, `origins`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from datasets.errors import BadDataset
from datasets.files import read_json, write_json
from datasets.taxonomy import Taxonomy

BboxXywh = tuple[float, float, float, float]
Split = Literal["train", "test"]
AnnotationSource = Literal["manual", "auto", "semi-auto", "file"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an image came from; None is what nobody said."""

    page_url: str | None = None
    url: str | None = None
    author: str | None = None
    license: str | None = None
    retrieved_at: str | None = None
    robots: str | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """A class of the whole image."""

    category_id: int
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image:
    """One photograph. `width` and `height` are those of the upright image, in pixels."""

    sha256: str
    file_name: str
    width: int
    height: int
    family: str
    split: Split | None = None
    source: Provenance = Provenance()
    tags: tuple[Tag, ...] = ()
    neg_category_ids: tuple[int, ...] = ()
    not_exhaustive_category_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Annotation:
    """One object. `score` is a prediction's, in [0, 1]; `origins` are (source, annotation id) of the originals."""

    sha256: str
    category_id: int
    bbox_xywh: BboxXywh
    attributes: Mapping[str, str] = field(default_factory=dict)
    score: float | None = None
    source: AnnotationSource = "manual"
    origins: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Dataset:
    """Images and their annotations under one taxonomy, both in canonical order."""

    taxonomy: Taxonomy
    images: tuple[Image, ...] = ()
    annotations: tuple[Annotation, ...] = ()

    @cached_property
    def by_sha256(self) -> dict[str, Image]:
        return {image.sha256: image for image in self.images}

    @cached_property
    def annotations_of(self) -> Mapping[str, list[Annotation]]:
        """Annotations by their image's SHA-256; an image without any has an empty list."""
        grouped: dict[str, list[Annotation]] = defaultdict(list)
        for annotation in self.annotations:
            grouped[annotation.sha256].append(annotation)
        return grouped

    def known_category_ids(self, sha256: str) -> set[int]:
        """The classes this image was annotated for; any other class is unknown there, not absent."""
        image = self.by_sha256[sha256]
        present = {a.category_id for a in self.annotations_of.get(sha256, ())} | {t.category_id for t in image.tags}
        return (present | set(image.neg_category_ids)) - set(image.not_exhaustive_category_ids)

    def only(self, sha256s: Iterable[str]) -> "Dataset":
        """The part of it on these images."""
        wanted = set(sha256s)
        return make_dataset(
            self.taxonomy,
            (image for image in self.images if image.sha256 in wanted),
            (annotation for annotation in self.annotations if annotation.sha256 in wanted),
        )


def make_dataset(taxonomy: Taxonomy, images: Iterable[Image], annotations: Iterable[Annotation]) -> Dataset:
    """A dataset in canonical order: images by SHA-256, annotations by image, class, place, then all else."""
    return Dataset(
        taxonomy,
        tuple(sorted(images, key=lambda image: image.sha256)),
        tuple(sorted(annotations, key=_canonical_place)),
    )


def _canonical_place(a: Annotation) -> tuple[Any, ...]:
    return (a.sha256, a.category_id, a.bbox_xywh, a.source, sorted(a.attributes.items()), a.score or 0.0, a.origins)


def with_negatives(dataset: Dataset, annotated_ids: Iterable[int]) -> Dataset:
    """Say that every image was searched for these classes: the ones not found there are absent."""
    annotated = set(annotated_ids)

    def absent(image: Image) -> tuple[int, ...]:
        present = {a.category_id for a in dataset.annotations_of.get(image.sha256, ())}
        present |= {tag.category_id for tag in image.tags}
        return tuple(sorted(annotated - present))

    images = (replace(image, neg_category_ids=absent(image)) for image in dataset.images)
    return make_dataset(dataset.taxonomy, images, dataset.annotations)


def to_coco(dataset: Dataset) -> dict[str, Any]:
    """The dataset as a COCO dictionary, numbered in canonical order from 1."""
    image_ids = {image.sha256: number for number, image in enumerate(dataset.images, start=1)}
    return {
        "info": {"description": "Carloop dataset"},
        "categories": _coco_categories(dataset.taxonomy),
        "images": [{"id": image_ids[image.sha256], **asdict(image)} for image in dataset.images],
        "annotations": [
            _coco_annotation(annotation, number, image_ids[annotation.sha256])
            for number, annotation in enumerate(dataset.annotations, start=1)
        ],
    }


def _coco_categories(taxonomy: Taxonomy) -> list[dict[str, Any]]:
    return [
        {"id": number, "name": category.name, "kind": category.kind}
        for number, category in enumerate(taxonomy.categories, start=1)
    ]


def _coco_annotation(annotation: Annotation, number: int, image_id: int) -> dict[str, Any]:
    _, _, width, height = annotation.bbox_xywh
    return {
        "id": number,
        "image_id": image_id,
        "category_id": annotation.category_id,
        "bbox": list(annotation.bbox_xywh),
        "area": width * height,
        "iscrowd": 0,
        "segmentation": [],
        "attributes": dict(annotation.attributes),
        "source": annotation.source,
        "origins": [{"source": source, "annotation_id": origin} for source, origin in annotation.origins],
        **({} if annotation.score is None else {"score": annotation.score}),
    }


def from_coco(content: Mapping[str, Any], taxonomy: Taxonomy) -> Dataset:
    """The inverse of `to_coco`. Raises KeyError or TypeError where a field is missing."""
    images = [_image(dict(entry)) for entry in content["images"]]
    sha256_of = {entry["id"]: entry["sha256"] for entry in content["images"]}
    annotations = [
        Annotation(
            sha256=sha256_of[entry["image_id"]],
            category_id=entry["category_id"],
            bbox_xywh=tuple(entry["bbox"]),
            attributes=entry["attributes"],
            score=entry.get("score"),
            source=entry["source"],
            origins=tuple((origin["source"], origin["annotation_id"]) for origin in entry["origins"]),
        )
        for entry in content["annotations"]
    ]
    return make_dataset(taxonomy, images, annotations)


def _image(entry: dict[str, Any]) -> Image:
    del entry["id"]
    return Image(
        **{
            **entry,
            "source": Provenance(**entry["source"]),
            "tags": tuple(Tag(**tag) for tag in entry["tags"]),
            "neg_category_ids": tuple(entry["neg_category_ids"]),
            "not_exhaustive_category_ids": tuple(entry["not_exhaustive_category_ids"]),
        }
    )


def read_coco(path: Path, taxonomy: Taxonomy) -> Dataset:
    """A file written by `write_coco`. Raises BadDataset when it is missing, broken, foreign or of other classes."""
    content = read_json(path)
    try:
        dataset = from_coco(content, taxonomy)
        named = [category["name"] for category in content["categories"]]
    except (KeyError, TypeError, ValueError) as error:
        raise BadDataset(f"{path} is not a Carloop dataset: {type(error).__name__} {error}; import it first") from error
    if content["categories"] != _coco_categories(taxonomy):
        raise BadDataset(f"{path} has the classes {named}, the project has {taxonomy.names()}; make the dataset again")
    return dataset


def write_coco(dataset: Dataset, path: Path) -> None:
    """Write the dataset as COCO, readable by pycocotools."""
    write_json(path, to_coco(dataset))
