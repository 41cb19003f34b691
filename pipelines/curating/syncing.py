"""`carloop curate sync` and `brain`: versions of the shelf, with all that is known of them, into FiftyOne."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from rich.console import Console

from datasets.coco import Dataset, from_records
from datasets.curating import Review, Synced, failed_probes, shown_fates, sync
from datasets.curating.brain import write_evaluations, write_likeness
from datasets.curating.reading import load_review
from datasets.decisions import read_decisions
from datasets.errors import BadInput
from datasets.files import is_complete
from datasets.ledger import Ledger
from datasets.merge import merge_records
from datasets.merging.conflicts import Conflict
from datasets.records import CocoFile
from datasets.versions import read_conflicts, taxonomy_of
from pipelines.annotation.ledgers import find_scope, ledger_url
from pipelines.annotation.ledgers import opened as opened_ledger
from pipelines.curating.embedding import embed_images, find_embedder, read_embeddings
from pipelines.curating.place import opened, opened_held
from pipelines.curating.predictions import read_predictions
from pipelines.output import show
from pipelines.progress import Progress
from pipelines.shelf import Shelf

_NEXT = "to fill views of look-alikes and mistakes: carloop curate brain {name}; to look: carloop curate open {name}"
VERSIONS = "versions"
"""What a FiftyOne dataset's `info` calls the versions that it shows."""


def sync_versions(
    home: Path,
    versions: Sequence[str],
    *,
    name: str,
    predictions: Mapping[str, Path],
    ledger: str | None,
    scope: str | None,
    as_json: bool,
) -> None:
    """Make or update the FiftyOne dataset `name`, and tell what was new."""
    shelf, progress = Shelf(home), Progress(Console(stderr=True))
    with progress.step("read what is known"):
        content, conflicts = _read(shelf, versions)
        _require_images(shelf, content, versions)
        dataset = from_records(content, taxonomy_of(content))
        said = {model: read_predictions(path, content, dataset) for model, path in predictions.items()}
        with _ledger(home, ledger, scope) or nullcontext() as found:
            review = make_review(shelf, dataset, found, conflicts=conflicts, predictions=said)
    synced = show_review(home, name, review, [_reference(shelf, version) for version in versions], progress)
    show(
        {
            "dataset": name,
            "images": synced.images,
            "added": synced.added,
            "changed": synced.changed,
            "removed": synced.removed,
        },
        as_json=as_json,
        notes=[_NEXT.format(name=name)] if synced.added else [],
    )


def _read(shelf: Shelf, versions: Sequence[str]) -> tuple[CocoFile, Sequence[Conflict]]:
    """One version as it is, several merged."""
    if len(versions) == 1:
        return shelf.read_content(versions[0]), read_conflicts(shelf.find(versions[0]))
    files = [(version, shelf.read_content(version)) for version in versions]
    merged = merge_records(files, taxonomy=taxonomy_of(files[0][1]))
    return merged.content, merged.conflicts


def _require_images(shelf: Shelf, content: CocoFile, versions: Sequence[str]) -> None:
    """Raises BadInput where images are not in the shelf's store: a run of the loop has its own beside its versions."""
    names = [image.file_name for image in content.images if not image.deleted]
    absent = [name for name in names if not shelf.store.path(name).exists()]
    if not absent:
        return
    beside = [shelf.find(version).parents[1] / "store" for version in versions]
    others = [str(store) for store in beside if any((store / name).exists() for name in absent)]
    remedy = f"copy what is in {' and '.join(others)} there" if others else "import them again"
    raise BadInput(
        f"{len(absent):,} of {len(names):,} images of {' and '.join(versions)} are not in "
        f"{shelf.store.root}, {absent[0]} first; {remedy}, then run this again"
    )


def _reference(shelf: Shelf, version: str) -> str:
    """The name of a version, which may stand for a newer one later, or its digest, or its folder elsewhere."""
    if version in shelf.names():
        return version
    folder = shelf.find(version)
    return folder.name if is_complete(shelf.versions / folder.name) else str(folder)


def make_review(
    shelf: Shelf,
    dataset: Dataset,
    ledger: Ledger | None,
    *,
    conflicts: Sequence[Conflict] = (),
    predictions: Mapping[str, Dataset] = MappingProxyType({}),
) -> Review:
    """A version with all that is known of its images; `predictions` are by the model."""
    return Review(
        dataset,
        shelf.store,
        fates=shown_fates(ledger) if ledger else (),
        predictions=predictions,
        conflicts=conflicts,
        quarantine=ledger.read_quarantine() if ledger else {},
        failed_probes=failed_probes(ledger) if ledger else {},
        decisions=read_decisions(shelf.decisions),
    )


def show_review(home: Path, name: str, review: Review, versions: Sequence[str], progress: Progress) -> Synced:
    """Make or update the home's FiftyOne dataset `name`, which says of which versions it is.

    Raises:
        BadInput: a dataset of that name is there which was not made by this.
        Unavailable: MongoDB does not answer, or did not come up.
    """
    with opened(home) as fo, progress.step(f"show {len(review.dataset.images):,} images in FiftyOne"):
        return sync(fo, name, review, info={VERSIONS: list(versions)})


def _ledger(home: Path, url: str | None, scope: str | None) -> Any:
    """The ledger to take fates from; None where none is named and the home has none yet."""
    try:
        address = ledger_url(url, None, home)
    except BadInput:
        if url:
            raise
        return None
    return opened_ledger(address, find_scope(address, scope=scope, project_path=None))


def think(
    home: Path, name: str, *, embeddings: Path | None, bundle: str | None, distance: float, as_json: bool
) -> None:
    """FiftyOne's Brain on a dataset that was synced."""
    progress = Progress(Console(stderr=True))
    told: dict[str, Any] = {"dataset": name}
    given = read_embeddings(embeddings) if embeddings else None
    model = None if given else find_embedder(home, bundle)
    with opened_held(home) as fo:
        dataset = load_review(fo, name)
        if model:
            paths = dict(zip(*dataset.values(["sha256", "filepath"]), strict=True))
            found = embed_images({sha256: Path(path) for sha256, path in paths.items()}, model, home, progress)
            given, told["embedded_by"] = (list(found), np.array(list(found.values()))), model.name
        if given:
            with progress.step("compare embeddings"):
                told.update(write_likeness(dataset, *given, distance=distance))
        with progress.step("evaluate predictions"):
            told["evaluated"] = dict(write_evaluations(fo, dataset))
    show(told, as_json=as_json, notes=[] if given else [_UNCOMPARED])


_UNCOMPARED = (
    "images were not compared: this home serves no model to embed them by; name one by --bundle, or give --embeddings"
)
