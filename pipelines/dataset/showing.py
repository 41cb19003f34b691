"""The commands that show what there is: list, stats, show."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from datasets.errors import BadDataset
from datasets.rights.tables import console, plain, table
from datasets.seeing.frames import By, Only, choose_frames
from datasets.seeing.page import write_statistics_page
from datasets.seeing.show import frames_to_json, write_frames_page
from datasets.seeing.statistics import statistics, to_json
from datasets.seeing.tables import print_statistics
from datasets.versions import read_conflicts, read_manifest
from pipelines.output import write_json
from pipelines.progress import Progress
from pipelines.shelf import Shelf


def list_versions(shelf: Shelf, *, as_json: bool) -> None:
    """The named versions and what they hold; of a broken one, what is wrong with it."""
    rows = [_row(shelf, name, digest) for name, digest in sorted(shelf.names().items())]
    if as_json:
        write_json(rows)
        return
    out = console()
    whole = [row for row in rows if "error" not in row]
    cells = [
        (row["name"], row["digest"][:12], f"{row['images']:,}", f"{row['annotations']:,}", row.get("conflicts", 0))
        for row in whole
    ]
    out.print(table("Versions", ("name", "version", "images", "annotations", "conflicts"), cells, texts=2))
    for row in rows:
        if "error" in row:
            out.print(f"{plain(row['name'])}: {plain(row['error'])}", soft_wrap=True)


def _row(shelf: Shelf, name: str, digest: str) -> dict[str, Any]:
    try:
        return {"name": name, **read_manifest(shelf.versions, digest)}
    except BadDataset as error:
        return {"name": name, "digest": digest, "error": str(error)}


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
    with Progress(Console(stderr=True)).step(f"draw {sum(len(group.sha256s) for group in groups)} frames"):
        shown = write_frames_page(dataset, groups, shelf.store, html, conflicts=conflicts, title=reference)
    if as_json:
        write_json(frames_to_json(shown))
    else:
        _say_page(html)


def _say_page(html: Path | None) -> None:
    if html:
        console().print(f"Page: {html}", soft_wrap=True)
