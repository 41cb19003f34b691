"""Which part of a dataset goes into an export."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from datasets.coco import Dataset, Image, make_dataset
from datasets.errors import BadDataset
from datasets.exporting.settings import ExportFormat, ExportSettings, Loss

NO_TAGS: frozenset[ExportFormat] = frozenset({"yolo", "mot", "masks"})

Place = Callable[[Image, str], None]
"""Puts an image's file at a path relative to the export's folder."""


@dataclass(frozen=True)
class Selection:
    """What to export. `shape_ids` and `tag_ids` are the chosen classes, by COCO id, in the project's order."""

    dataset: Dataset
    settings: ExportSettings
    shape_ids: tuple[int, ...]
    tag_ids: tuple[int, ...]

    @property
    def has_splits(self) -> bool:
        return any(image.split for image in self.dataset.images)

    @property
    def numbered(self) -> list[str]:
        """Names of classes up to the last chosen shape: where a place in a list is a number, ids must not shift."""
        return self.dataset.taxonomy.names()[: max(self.shape_ids)]

    def unknown_ids(self, sha256: str) -> set[int]:
        """The chosen shape classes that an image was not searched for: they are unknown there, not absent."""
        return set(self.shape_ids) - self.dataset.known_category_ids(sha256)


def select(dataset: Dataset, settings: ExportSettings, format: ExportFormat) -> tuple[Selection, list[Loss]]:
    """The part to export, and what was left out.

    Raises:
        UnknownCategory: a class that the project lacks.
        BadDataset: nothing is left, or no class that the format can hold.
    """
    chosen = {dataset.taxonomy.category_id(name) for name in settings.categories} or set(dataset.taxonomy.ids())
    tag_ids = tuple(number for number in dataset.taxonomy.ids("tag") if number in chosen)
    shape_ids = tuple(number for number in dataset.taxonomy.ids() if number in chosen and number not in tag_ids)
    _require_classes(format, shape_ids, tag_ids)
    live = [image for image in dataset.images if not image.deleted]
    sided = [image for image in live if settings.split in (None, image.split)]
    part = _of_classes(dataset, sided, chosen)
    _require_content(part, settings, dataset)
    wanted = set(tag_ids if format == "folders" else shape_ids)
    whole = [image for image in part.images if wanted <= part.known_category_ids(image.sha256)]
    left_out = [Loss("deleted images", len(dataset.images) - len(live), "they are tombstones and were left out")]
    if settings.complete_only:
        left_out.append(
            Loss("images", len(part.images) - len(whole), "not searched for every class; left out as asked")
        )
        part = part.only(image.sha256 for image in whole)
        _require_content(part, settings, dataset)
    return Selection(part, settings, shape_ids, tag_ids), [loss for loss in left_out if loss.count]


def _of_classes(dataset: Dataset, images: list[Image], chosen: set[int]) -> Dataset:
    kept = {image.sha256 for image in images}
    return make_dataset(
        dataset.taxonomy,
        (replace(i, tags=tuple(tag for tag in i.tags if tag.category_id in chosen)) for i in images),
        (a for a in dataset.annotations if a.category_id in chosen and a.sha256 in kept),
    )


def _require_classes(format: ExportFormat, shape_ids: tuple[int, ...], tag_ids: tuple[int, ...]) -> None:
    if format == "folders" and not tag_ids:
        raise BadDataset("class folders are made from tags, and no tag class is chosen; choose one, or another format")
    if format in NO_TAGS and not shape_ids:
        raise BadDataset(f"{format} holds shapes alone, and only tags are chosen; choose a shape class, or folders")


def _require_content(part: Dataset, settings: ExportSettings, whole: Dataset) -> None:
    if not part.images:
        asked = f"split={settings.split}, complete_only={settings.complete_only}"
        raise BadDataset(f"none of {len(whole.images)} images is left to export ({asked}); ask for less")
    if settings.categories and not part.annotations and not any(image.tags for image in part.images):
        named = ", ".join(settings.categories)
        raise BadDataset(f"no annotation or tag is of the chosen classes ({named}); choose others")
