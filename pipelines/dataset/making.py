"""The commands that make versions: import, merge, split."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console

from datasets.coco import Dataset, Image, from_records, to_records
from datasets.decisions import Decided
from datasets.digests import columns_of
from datasets.errors import BadDataset
from datasets.importing import ImportSettings, import_dataset
from datasets.merge import Merged, MergeSettings, merge_records
from datasets.rights import Takedowns, delete_images, is_taken_down, read_takedowns
from datasets.split import SplitSettings, find_leaks
from datasets.taxonomy import Taxonomy
from datasets.versions import read_conflicts, taxonomy_of
from pipelines.duplicates import Descriptors, Duplicates, find_duplicates
from pipelines.names import name_like
from pipelines.output import show
from pipelines.progress import Progress
from pipelines.shelf import Shelf


def import_source(shelf: Shelf, source: Path, taxonomy: Taxonomy, settings: ImportSettings, *, as_json: bool) -> None:
    """Import a foreign dataset as a version, named as its source."""
    progress = Progress(Console(stderr=True))
    forbidden = read_takedowns(shelf.takedowns)
    kept_before = shelf.holding(forbidden.by_sha256)
    with progress.step(f"import {source}") as step:
        imported = import_dataset(
            source,
            taxonomy=taxonomy,
            store=shelf.store,
            settings=settings,
            progress=lambda done, total: step.advance(to=done, of=total),
        )
    datasets, refused = _without_taken_down(forbidden, imported.datasets)
    delete_images((image for image in refused if image.sha256 not in kept_before), shelf.store)
    merged = merge_records([("", to_records(one)) for one in datasets], taxonomy=imported.taxonomy)
    place = source.resolve()
    name = settings.name or name_like(place.name if place.is_dir() else place.stem)
    digest = shelf.write(merged, name=name)
    told = {
        "name": name,
        "version": digest,
        "format": imported.format,
        "sources": len(imported.datasets),
        **_counted(merged),
        "unknown": dict(imported.unknown),
        "taken_down": sorted({image.sha256 for image in refused}),
        "notes": list(imported.notes),
    }
    show(told, as_json=as_json, notes=imported.notes)


def _without_taken_down(takedowns: Takedowns, datasets: Iterable[Dataset]) -> tuple[list[Dataset], list[Image]]:
    """The datasets without images whose right to be used was withdrawn, and these."""
    kept: list[Dataset] = []
    refused: list[Image] = []
    for dataset in datasets:
        gone = [
            image
            for image in dataset.images
            if is_taken_down(takedowns, sha256=image.sha256, urls=(image.source.url, image.source.page_url))
        ]
        refused += gone
        left = {image.sha256 for image in dataset.images} - {image.sha256 for image in gone}
        kept.append(dataset.only(left) if gone else dataset)
    return kept, refused


def merge_versions(
    shelf: Shelf,
    references: Sequence[str],
    taxonomy: Taxonomy | None,
    settings: MergeSettings,
    *,
    pixels: bool,
    name: str | None,
    as_json: bool,
) -> None:
    """Merge versions into one."""
    progress = Progress(Console(stderr=True))
    with progress.step(f"read {len(references)} versions"):
        each = [shelf.decided(shelf.read_content(reference)) for reference in references]
    contents = [decided.content for decided in each]
    parents = list(dict.fromkeys(shelf.find(reference).name for reference in references))
    taxonomy = taxonomy or _joint_taxonomy(taxonomy_of(content) for content in contents)
    found = Duplicates((), (), {})
    if pixels:
        images = [image for content in contents for image in content.images]
        files = {image.sha256: image.file_name for image in images}
        files |= {copy.sha256: copy.file_name for image in images for copy in image.copies}
        found = find_duplicates(files, shelf.store, Descriptors(shelf.descriptors), progress)
    with progress.step("merge them"):
        merged = merge_records(
            [("", content) for content in contents],
            taxonomy=taxonomy,
            settings=settings,
            scaled=found.scaled,
            near=found.near,
        )
        decided = shelf.decided(merged.content)
        merged = _after(decided, merged)
    with progress.step("write the version"):
        digest = shelf.write(merged, parents=parents, name=name)
    told = {
        **_named(name),
        "version": digest,
        **_counted(merged),
        "excluded": len({sha256 for one in (*each, decided) for sha256 in one.excluded}),
        "gold": len(decided.gold),
        "near_duplicates": dict(sorted(Counter(pair.kind for _, _, pair in found.pairs).items())),
        "conflicts": dict(sorted(Counter(conflict.kind for conflict in merged.conflicts).items())),
        "parents": parents,
        "unread": dict(found.unread),
    }
    show(told, as_json=as_json)


def _after(decided: Decided, merged: Merged) -> Merged:
    """What was merged, or split, after what reviewers decided of it."""
    if decided.content is merged.content:
        return merged
    left = {image.sha256 for image in decided.content.images}
    conflicts = tuple(conflict for conflict in merged.conflicts if conflict.sha256 in left)
    return Merged(decided.content, columns_of(decided.content), conflicts)


def _joint_taxonomy(taxonomies: Iterable[Taxonomy]) -> Taxonomy:
    """All classes of several taxonomies: as they are where all agree, else by kind and name.

    Raises BadDataset when a class is of both kinds.
    """
    given = list(taxonomies)
    if all(taxonomy == given[0] for taxonomy in given):
        return given[0]
    every = {category for taxonomy in given for category in taxonomy.categories}
    both = sorted(name for name, count in Counter(category.name for category in every).items() if count > 1)
    if both:
        raise BadDataset(
            f"some versions have {', '.join(map(repr, both))} for parts of an image (rectangle), others for whole "
            "images (tag); say which with a project file (--project)"
        )
    return Taxonomy(categories=tuple(sorted(every, key=lambda category: (category.kind, category.name))))


def split(shelf: Shelf, reference: str, settings: SplitSettings, *, seed: int, name: str | None, as_json: bool) -> None:
    """Give every new family of a version a side, remember it, and write the version with it."""
    folder = shelf.find(reference)
    content = shelf.read_content(reference)
    assigned = shelf.assign_splits(from_records(content, taxonomy_of(content)), seed=seed, settings=settings)
    leaks = find_leaks(assigned.dataset)
    sided = assigned.dataset.by_sha256
    content.images = [
        replace(image, split=sided[image.sha256].split, views=sided[image.sha256].views) for image in content.images
    ]
    name = name or (reference if reference in shelf.names() else None)
    decided = shelf.decided(content)
    merged = _after(decided, Merged(content, columns_of(content), read_conflicts(folder)))
    digest = shelf.write(merged, parents=[folder.name], name=name)
    told = {
        **_named(name),
        "version": digest,
        "images": dict(sorted(Counter(image.split or "none" for image in decided.content.images).items())),
        "excluded": len(decided.excluded),
        "gold": len(decided.gold),
        "new_families": dict(sorted(Counter(assigned.new.values()).items())),
        "tied_families": list(assigned.tied),
        "leaks": {"families": len(leaks.families), "near_duplicates": len(leaks.near)},
    }
    show(told, as_json=as_json)


def _named(name: str | None) -> Mapping[str, str]:
    return {"name": name} if name else {}


def _counted(merged: Merged) -> Mapping[str, int]:
    images = merged.content.images
    return {
        "images": len(images),
        "copies": sum(len(image.copies) for image in images),
        "annotations": len(merged.content.annotations),
        "merged_annotations": sum(len(annotation.origins) > 1 for annotation in merged.content.annotations),
        "families": len({image.family for image in images}),
    }
