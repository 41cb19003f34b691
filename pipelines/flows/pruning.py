"""What nothing refers to any more in a home, found and removed.

Whatever a version, the catalogue, the ledger, a pointer, an alias or a way back to an earlier champion names stays, as
does what is newer than a day, which may be about to be named. A folder is renamed out of sight before it is emptied, so
that one killed half-way leaves nothing that looks whole.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psutil

from datasets.errors import BadDataset
from datasets.files import alone, is_complete, read_json
from datasets.ledger import Ledger, read_scopes
from datasets.records import read_records
from datasets.versions import ANNOTATIONS
from pipelines.annotation.history import History
from pipelines.curating.syncing import VERSIONS
from pipelines.flows.backing_up import UPKEEP
from pipelines.flows.home import LEARN
from pipelines.flows.wanted import wanted_bundles, wanted_versions
from pipelines.modelling.place import find_place
from pipelines.shelf import Shelf
from scrapers.catalog import Catalog
from training.registry import Registry

GRACE = timedelta(days=1)
_DIGEST_LENGTH = 64
_TEMPORARY = ("training-", ".stage-", "carloop-backup-")


@dataclass(frozen=True)
class Rubbish:
    """Something to remove: a file or folder, what kind of thing it is, and its size in bytes."""

    kind: str
    path: Path
    bytes: int


def find_rubbish(
    home: Path, *, ledger_url: str | None, now: datetime, grace: timedelta = GRACE, versions: bool = False
) -> list[Rubbish]:
    """What can be removed from a home, by kind; dataset versions only if asked, for they may hold people's work.

    Raises:
        CarloopError: something cannot be read that may refer to other things; nothing is guessed then.
    """
    finders: dict[str, Callable[[], Iterable[Path]]] = {
        "temporary parts": lambda: _parts(home),
        "trainings that are registered": lambda: _trained(home),
        "bundles": lambda: _bundles(home),
        "images": lambda: _images(home, ledger_url),
        "dataset versions": lambda: _versions(home) if versions else (),
    }
    newest = (now - grace).timestamp()
    return [
        Rubbish(kind, path, _bytes(path))
        for kind, find in finders.items()
        for path in find()
        if _changed(path) < newest
    ]


def remove(rubbish: Iterable[Rubbish]) -> int:
    """Remove it; gives the bytes that were freed. What is gone already, or is in use by now, is passed over."""
    freed = 0
    for one in rubbish:
        if _is_in_use(one.path):
            continue
        _remove(one.path)
        freed += one.bytes
    return freed


def prune(
    home: Path,
    *,
    ledger_url: str | None,
    now: datetime,
    grace: timedelta = GRACE,
    versions: bool = False,
    dry_run: bool,
) -> list[Rubbish]:
    """Find what nothing refers to and, unless it is a dry run, remove it. No backup is made meanwhile."""
    with alone(home / UPKEEP):
        rubbish = find_rubbish(home, ledger_url=ledger_url, now=now, grace=grace, versions=versions)
        if not dry_run:
            remove(rubbish)
    return rubbish


def _parts(home: Path) -> Iterator[Path]:
    """What processes that were killed left behind: files and folders on their way, that nobody holds."""
    for folder, folders, files in os.walk(home):
        found = [Path(folder) / name for name in (*folders, *files) if _is_part(name)]
        folders[:] = [name for name in folders if not _is_part(name) and name not in ("mongodb", "prefect")]
        yield from (path for path in found if not _is_in_use(path))


def _is_part(name: str) -> bool:
    return (name.startswith(".") and name.endswith(".part")) or name.endswith(".removed") or name.startswith(_TEMPORARY)


def _is_in_use(path: Path) -> bool:
    """Whether a process works on it: one that writes it holds a lock, a training is told its folder."""
    if path.name.startswith(_TEMPORARY) and any(str(path.absolute()) in " ".join(told) for told in _commands()):
        return True
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _commands() -> Iterator[list[str]]:
    return (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))


def _trained(home: Path) -> Iterator[Path]:
    """Weights of finished learns, which the registry has."""
    models = (path.parent / "models" for path in (home / LEARN).glob("*/result.json"))
    yield from (path for path in models if path.is_dir())


def _bundles(home: Path) -> Iterator[Path]:
    """Bundles that are not served, are no alias's, and that no rollback leads to."""
    bundles, registry = home / "bundles", _registry(home)
    if not bundles.is_dir() or registry is None:
        return
    wanted = set(wanted_bundles(registry, bundles))
    found = (path for path in sorted(bundles.iterdir()) if path.is_dir() and len(path.name) == _DIGEST_LENGTH)
    yield from (path for path in found if path.name not in wanted)


def _registry(home: Path) -> Registry | None:
    return find_place(home, None).registry if (home / "mlflow" / "mlflow.sqlite").is_file() else None


def _versions(home: Path) -> Iterator[Path]:
    """Dataset versions that have no name, and that nothing was made of."""
    wanted = wanted_versions(_registry(home), home)
    yield from (
        path for path in sorted(Shelf(home).versions.glob("*")) if is_complete(path) and path.name not in wanted
    )


def _images(home: Path, ledger_url: str | None) -> Iterator[Path]:
    """Images of the store that no version, scrape record, task or video has."""
    store = home / "datasets" / "store"
    if not (store / "images").is_dir():
        return
    wanted = set(_wanted_images(home, ledger_url))
    for folder in sorted((store / "images").iterdir()):
        yield from (
            path for path in sorted(folder.iterdir()) if len(path.stem) == _DIGEST_LENGTH and path.stem not in wanted
        )


def _wanted_images(home: Path, ledger_url: str | None) -> Iterator[str]:
    shelf = Shelf(home)
    for version in sorted(shelf.versions.glob("*")):
        if is_complete(version):
            for image in read_records(version / ANNOTATIONS).images:
                yield from filter(None, (image.sha256, image.derived_from))
    if (catalog_path := home / "scraped" / "catalog.sqlite").is_file():
        catalog = Catalog(f"sqlite:///{catalog_path.absolute()}")
        for record in catalog.records():
            yield from filter(None, (record.sha256, record.derived_from))
        catalog.close()
    for scope in read_scopes(ledger_url) if ledger_url else ():
        yield from _in_ledger(str(ledger_url), scope)
    yield from _in_videos(shelf)
    yield from _decided(home)


def _in_ledger(url: str, scope: str) -> Iterator[str]:
    ledger = Ledger(url, scope)
    yield from (sha256 for frames in ledger.read_frames().values() for sha256 in frames)
    yield from (sha256 for pull in ledger.read_pulls().values() for sha256 in pull.sha256s)
    yield from (row.sha256 for row in ledger.read_fates())
    yield from ledger.read_quarantine()
    ledger.close()


def _in_videos(shelf: Shelf) -> Iterator[str]:
    path = shelf.root / "annotation.json"
    histories = msgspec.convert(read_json(path), dict[str, History]) if path.exists() else {}
    yield from (frame.sha256 for history in histories.values() for frame in history.video_frames.values())


def _decided(home: Path) -> Iterator[str]:
    """What reviewers said something of stays, whatever versions it left."""
    path = home / "datasets" / "decisions.json"
    yield from read_json(path) if path.exists() else ()


def _remove(path: Path) -> None:
    """Remove a folder in one step, as far as anybody else can tell, or a file."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    part = path if _is_part(path.name) else path.with_name(f".{path.name}.part")
    if part != path:
        shutil.rmtree(part, ignore_errors=True)
        path.replace(part)
    shutil.rmtree(part)


def _changed(path: Path) -> float:
    """When it was last changed; now, as good as, of what is just being changed by somebody."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


def totals(rubbish: Iterable[Rubbish]) -> dict[str, dict[str, int]]:
    """How many there are of each kind, and their bytes."""
    found: dict[str, dict[str, int]] = {}
    for one in rubbish:
        kind = found.setdefault(one.kind, {"number": 0, "bytes": 0})
        kind["number"] += 1
        kind["bytes"] += one.bytes
    return found


def gone_datasets(fo: Any, shelf: Shelf) -> list[str]:
    """FiftyOne's datasets that show versions of the shelf, none of which is there any more."""
    return [name for name in fo.list_datasets() if _is_gone(fo.load_dataset(name).info.get(VERSIONS), shelf)]


def _is_gone(versions: Any, shelf: Shelf) -> bool:
    return bool(versions) and not any(_is_on(shelf, version) for version in versions)


def _is_on(shelf: Shelf, version: str) -> bool:
    try:
        shelf.find(version)
    except BadDataset:
        return False
    return True
