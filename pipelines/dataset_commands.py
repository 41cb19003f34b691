"""What the `carloop dataset` commands do: each reads from the shelf, calls `datasets`, and shows the result."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace as with_fields
from rich import box
from rich.console import Console
from rich.table import Table

from datasets.coco import Dataset, Image, View, from_records, to_records
from datasets.digests import columns_of
from datasets.duplicates.families import families
from datasets.errors import BadDataset
from datasets.exporting.export import export_dataset
from datasets.exporting.settings import ExportFormat, ExportSettings
from datasets.importing import ImportSettings, import_dataset
from datasets.merge import Merged, MergeSettings, merge_records
from datasets.rights import (
    Claim,
    Takedowns,
    delete_images,
    is_taken_down,
    licenses,
    licenses_to_json,
    print_deletion,
    print_licenses,
    print_withdrawal,
    read_takedowns,
    versions_holding,
    write_replacements,
)
from datasets.seeing.frames import By, Only, choose_frames
from datasets.seeing.page import write_statistics_page
from datasets.seeing.show import frames_to_json, write_frames_page
from datasets.seeing.statistics import statistics, to_json
from datasets.seeing.tables import print_statistics
from datasets.split import SplitSettings, assign_splits, find_leaks
from datasets.taxonomy import Taxonomy
from datasets.validation.repair import repair_dataset
from datasets.validation.report import render, to_dict
from datasets.validation.validate import validate_dataset
from datasets.versions import read_conflicts, read_manifest, taxonomy_of
from pipelines.output import show, write_json
from pipelines.progress import Progress
from pipelines.runs import run_folders
from pipelines.shelf import Duplicates, Shelf


def import_source(shelf: Shelf, source: Path, taxonomy: Taxonomy, settings: ImportSettings, *, as_json: bool) -> None:
    """Import a foreign dataset as a version, named as its source."""
    progress = _progress()
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
    name = settings.name or (place.name if place.is_dir() else place.stem)
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


def validate(path: Path, *, repair: Path | None, strict: bool, pixels: bool, near: bool, as_json: bool) -> int:
    """Check a COCO dataset, or write a repaired copy; the exit code tells whether errors are left."""
    progress = _progress()
    with progress.step(f"{'repair' if repair else 'check'} {path}") as step:

        def advance(done: int, total: int) -> None:
            step.advance(to=done, of=total)

        if repair:
            report = repair_dataset(path, repair, pixels=pixels, on_progress=advance)
        else:
            pairs = _near_pairs(progress) if near and pixels else None
            report = validate_dataset(path, pixels=pixels, near_pairs=pairs, on_progress=advance)
    if as_json:
        write_json(to_dict(report))
    else:
        Console().print(render(report), soft_wrap=True)
    return report.exit_code(strict=strict)


def _near_pairs(progress: Progress) -> Callable[[Sequence[Path]], Sequence[tuple[int, int]]]:
    from datasets.duplicates.pairs import find_pairs
    from datasets.duplicates.reading import read_described

    def find(paths: Sequence[Path]) -> Sequence[tuple[int, int]]:
        described = read_described(paths)
        place = {path: number for number, path in enumerate(paths)}
        found = [place[path] for path in described.paths]
        return [(found[pair.one], found[pair.other]) for pair in find_pairs(described.descriptors)]

    return find


def dedupe(shelf: Shelf, references: Sequence[str], *, as_json: bool) -> None:
    """Tell exact copies, near-duplicates and the families that must stay together."""
    datasets = [shelf.read(reference) for reference in references]
    images = {image.sha256: image for dataset in datasets for image in dataset.images}
    names: dict[str, set[str]] = {sha256: set() for sha256 in images}
    for dataset in datasets:
        for image in dataset.images:
            names[image.sha256] |= {f"{_folder(view)}{view.file_name}" for view in image.views} or {image.file_name}
    found = shelf.find_duplicates([(sha256, image.file_name) for sha256, image in sorted(images.items())], _progress())
    together = _families(sorted(images), found)
    told = {
        "images": len(images),
        "exact_copies": sum(len(listed) - 1 for listed in names.values()),
        "pairs": dict(Counter(pair.kind for _, _, pair in found.pairs)),
        "families": dict(sorted(Counter(map(len, together)).items())),
        "unread": dict(found.unread),
    }
    if as_json:
        listed = [
            {"one": one, "other": other, "kind": pair.kind, "score": round(pair.score, 4)}
            for one, other, pair in found.pairs
        ]
        exact = {sha256: sorted(held) for sha256, held in names.items() if len(held) > 1}
        members = [[sorted(names[sha256])[0] for sha256 in family] for family in together if len(family) > 1]
        write_json({**told, "copies": exact, "near": listed, "members": members})
        return
    show({**told, "families": _sizes(together)}, as_json=False)


def _folder(view: View) -> str:
    """Where a source's files lie: several annotation files may speak of the same ones."""
    return f"{view.source.partition('/')[0]}/" if view.source else ""


def _families(sha256s: Sequence[str], found: Duplicates) -> list[list[str]]:
    """Images in groups of one photograph, those that are alone included."""
    place = {sha256: number for number, sha256 in enumerate(sha256s)}
    pairs = [replace(pair, one=place[one], other=place[other]) for one, other, pair in found.pairs]
    return [[sha256s[number] for number in group] for group in families(len(sha256s), pairs)]


def _sizes(together: Iterable[Sequence[str]]) -> str:
    counts = sorted(Counter(map(len, together)).items())
    return ", ".join(f"{count} of {size}" for size, count in counts)


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
    progress = _progress()
    with progress.step(f"read {len(references)} versions"):
        contents = [shelf.read_content(reference) for reference in references]
    parents = list(dict.fromkeys(shelf.find(reference).name for reference in references))
    taxonomy = taxonomy or _joint_taxonomy(taxonomy_of(content) for content in contents)
    scaled: list[tuple[str, str]] = []
    near: list[tuple[str, str]] = []
    kinds: Counter[str] = Counter()
    unread: Mapping[str, str] = {}
    if pixels:
        files = {image.sha256: image.file_name for content in contents for image in content.images}
        files |= {
            copy.sha256: copy.file_name for content in contents for image in content.images for copy in image.copies
        }
        found = shelf.find_duplicates(sorted(files.items()), progress)
        scaled, near, unread = found.scaled, _within_families(sorted(files), found), found.unread
        kinds.update(pair.kind for _, _, pair in found.pairs)
    with progress.step("merge them"):
        merged = merge_records(
            [("", content) for content in contents], taxonomy=taxonomy, settings=settings, scaled=scaled, near=near
        )
    with progress.step("write the version"):
        digest = shelf.write(merged, parents=parents, name=name)
    told = {
        **({"name": name} if name else {}),
        "version": digest,
        **_counted(merged),
        "near_duplicates": dict(sorted(kinds.items())),
        "conflicts": dict(sorted(Counter(conflict.kind for conflict in merged.conflicts).items())),
        "parents": parents,
        "unread": dict(unread),
    }
    show(told, as_json=as_json)


def _within_families(sha256s: Sequence[str], found: Duplicates) -> list[tuple[str, str]]:
    """The pairs that are not certain copies, without those that would join families on one doubtful likeness."""
    group_of = {sha256: number for number, group in enumerate(_families(sha256s, found)) for sha256 in group}
    return [(one, other) for one, other in found.near if group_of[one] == group_of[other]]


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


def _counted(merged: Merged) -> dict[str, int]:
    images = merged.content.images
    return {
        "images": len(images),
        "copies": sum(len(image.copies) for image in images),
        "annotations": len(merged.content.annotations),
        "merged_annotations": sum(len(annotation.origins) > 1 for annotation in merged.content.annotations),
        "families": len({image.family for image in images}),
    }


def split(shelf: Shelf, reference: str, settings: SplitSettings, *, seed: int, name: str | None, as_json: bool) -> None:
    """Give every new family of a version a side, remember it, and write the version with it."""
    folder = shelf.find(reference)
    content = shelf.read_content(reference)
    dataset = from_records(content, taxonomy_of(content))
    assigned = assign_splits(dataset, known=shelf.splits(), seed=seed, settings=settings)
    shelf.write_splits(assigned.dataset.images)
    leaks = find_leaks(assigned.dataset)
    sided = assigned.dataset.by_sha256
    content.images = [
        with_fields(image, split=sided[image.sha256].split, views=sided[image.sha256].views) for image in content.images
    ]
    name = name or (reference if reference in shelf.names() else None)
    merged = Merged(content, columns_of(content), read_conflicts(folder))
    digest = shelf.write(merged, parents=[folder.name], name=name)
    sides = Counter(image.split or "none" for image in assigned.dataset.images)
    told = {
        **({"name": name} if name else {}),
        "version": digest,
        "images": dict(sorted(sides.items())),
        "new_families": dict(sorted(Counter(assigned.new.values()).items())),
        "tied_families": list(assigned.tied),
        "leaks": {"families": len(leaks.families), "near_duplicates": len(leaks.near)},
    }
    show(told, as_json=as_json)


def list_versions(shelf: Shelf, *, as_json: bool) -> None:
    """The named versions and what they hold."""
    names = sorted(shelf.names().items())
    rows = [{"name": name, **read_manifest(shelf.versions, digest)} for name, digest in names]
    if as_json:
        write_json(rows)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("name", "version", "images", "annotations", "conflicts"):
        table.add_column(title, justify="left" if title in ("name", "version") else "right")
    for row in rows:
        table.add_row(
            row["name"],
            row["digest"][:12],
            f"{row['images']:,}",
            f"{row['annotations']:,}",
            str(row.get("conflicts", 0)),
        )
    Console().print(table)


def show_licenses(shelf: Shelf, reference: str, *, as_json: bool) -> None:
    """Who stated which licence."""
    found = licenses(shelf.read(reference))
    if as_json:
        write_json(licenses_to_json(found))
    else:
        print_licenses(found)


def take_down(shelf: Shelf, home: Path, claim: Claim, *, reason: str | None, delete: bool, as_json: bool) -> None:
    """Write every version anew without the pictures that are claimed, and remember the claim."""
    done = write_replacements(
        shelf.versions, claim, ledger=shelf.takedowns, now=datetime.now(UTC), models_of=lambda _: [], reason=reason
    )
    renamed = {replacement.old: replacement.new for replacement in done.replacements}
    for name, digest in shelf.names().items():
        if digest in renamed:
            shelf.write_name(name, renamed[digest])
    deletion = delete_images(done.removed, shelf.store) if delete else None
    runs = _runs_holding(home, [image.sha256 for image in done.removed])
    if as_json:
        write_json(
            {
                "removed": [image.sha256 for image in done.removed],
                "replacements": renamed,
                "unmatched": list(done.unmatched),
                "deleted": [str(path) for path in deletion.deleted] if deletion else [],
                "runs": runs,
            }
        )
        return
    print_withdrawal(done)
    if deletion:
        print_deletion(deletion)
    for run, held in runs.items():
        told = ", ".join(held["models"]) or "no model"
        Console().print(f"{run}: {len(held['versions'])} versions of that run hold them; trained on these: {told}")


def _runs_holding(home: Path, sha256s: Sequence[str]) -> dict[str, Any]:
    """The runs of the loop whose versions hold these images, and the models that were trained on those."""
    found = {}
    for run in run_folders(home):
        versions = [holding.version for holding in versions_holding(run / "versions", sha256s)]
        if versions:
            from pipelines.bench import open_registry

            registry = open_registry(run)
            models = sorted({model for version in versions for model in registry.trained_on(version)})
            found[run.name] = {"versions": versions, "models": models}
    return found


def export(
    shelf: Shelf, reference: str, out: Path, form: ExportFormat, settings: ExportSettings, *, as_json: bool
) -> None:
    """Write a version in another format."""
    dataset = shelf.read(reference)
    with _progress().step(f"export {len(dataset.images):,} images as {form}", len(dataset.images)) as step:
        exported = export_dataset(
            dataset,
            shelf.store,
            out,
            format=form,
            settings=settings,
            progress=lambda done, total: step.advance(to=done, of=total),
        )
    told = {"out": str(out), "images": exported.images, "annotations": exported.annotations}
    losses = [{"what": loss.what, "count": loss.count, "why": loss.why} for loss in exported.losses]
    show({**told, **({"losses": losses} if as_json else {})}, as_json=as_json, notes=map(str, exported.losses))


def show_statistics(shelf: Shelf, reference: str, *, html: Path | None, as_json: bool) -> None:
    """Counts, sizes and balance of a version."""
    found = statistics(shelf.read(reference))
    if html:
        write_statistics_page(found, html, title=reference)
    if as_json:
        write_json(to_json(found))
    else:
        print_statistics(found)
        _say_page(html)


def show_frames(
    shelf: Shelf,
    reference: str,
    *,
    html: Path,
    number: int,
    seed: int,
    only: Only | None,
    by: By | None,
    classes: Sequence[str],
    splits: Sequence[str],
    as_json: bool,
) -> None:
    """Sample frames of a version on a page."""
    dataset = shelf.read(reference)
    conflicts = read_conflicts(shelf.find(reference))
    groups = choose_frames(
        dataset, number=number, seed=seed, only=only, by=by, classes=classes, splits=splits, conflicts=conflicts
    )
    with _progress().step(f"draw {sum(len(group.sha256s) for group in groups)} frames"):
        shown = write_frames_page(dataset, groups, shelf.store, html, conflicts=conflicts, title=reference)
    if as_json:
        write_json(frames_to_json(shown))
    else:
        _say_page(html)


def _say_page(html: Path | None) -> None:
    if html:
        Console().print(f"Page: {html}", highlight=False, soft_wrap=True)


def _progress() -> Progress:
    return Progress(Console(stderr=True))
