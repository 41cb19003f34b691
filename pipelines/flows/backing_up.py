"""Backups of a home: what people and trainings made, consistent, by content, and checked when it is restored.

Databases come first, by SQLite's own backup, and names and pointers; then what they refer to. So whatever is named in a
backup is there. What can be made again is left out: caches, servers' own folders, runs of the loop.
"""

import os
import sqlite3
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from datasets.errors import BadDataset, BadInput, Unavailable
from datasets.files import alone, new_folder
from pipelines.annotation.desk import LEDGER_VARIABLE
from pipelines.flows.settings import BackupSettings
from pipelines.flows.vault import Backup, Held, UnreadableList, Vault
from pipelines.progress import Progress
from pipelines.project import Project

UPKEEP = "upkeep"
"""What backing up and pruning take turns by."""

_FORM = 1
_DATABASES = ("ledger.sqlite", "scraped/catalog.sqlite", "mlflow/mlflow.sqlite")
_POINTERS = ("datasets", "bundles", "learn")
_TREES = (
    "learn",
    "evaluations",
    "selections",
    "drift",
    "bundles",
    "mlflow/artifacts",
    "datasets/versions",
)
_IMAGES = ("datasets/store", "scraped/aside")
_PASSED_OVER = ("descriptors.npz", "begun")
_PROJECT = "carloop.yaml"
_TOLD = 5


def write_backup(
    home: Path, project: Project, project_path: Path, settings: BackupSettings, progress: Progress, *, now: datetime
) -> tuple[str, Backup, list[str]]:
    """Back a home up; gives the backup's name, what it has, and the names of older ones that it replaced.

    Raises:
        BadInput: no place is named, it holds backups of another home, none of its lists can be read, or there is no
            home.
        Unavailable: the place cannot be reached.
    """
    if not settings.to:
        raise BadInput("no place for backups is named; set to: under flows: backup: in the project file, or give one")
    if not home.is_dir():
        raise BadInput(f"there is no home at {home}; name it by --home")
    vault, name = Vault(settings.to), f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    unread = _require_ours(vault, home)
    # Aside in the home, where pruning finds what a killed backup left.
    with alone(home / UPKEEP), tempfile.TemporaryDirectory(prefix="carloop-backup-", dir=home) as aside:
        with progress.step("back up databases"):
            naming = {**_databases(home, Path(aside)), **_under(home, _pointers(home)), _PROJECT: project_path}
            files = vault.keep(naming)
        with progress.step("back up files"):
            rest = _under(home, _walk(home, settings))
            files |= vault.keep({name: path for name, path in rest.items() if name not in naming})
        backup = Backup(_FORM, now.isoformat(timespec="seconds"), project.name, str(home.absolute()), files, _notes())
        vault.write(name, backup)
        gone, older_unread = vault.forget(keep=settings.keep)
        notes = _unread_notes(vault, {*unread, *older_unread}.difference(gone))
        return name, msgspec.structs.replace(backup, notes=[*backup.notes, *notes]), gone


def _require_ours(vault: Vault, home: Path) -> list[str]:
    """Old contents are removed with old backups, so a place is one home's alone.

    The newest list that can be read tells whose it is; gives the names of those after it.
    """
    unread: list[str] = []
    for name in reversed(vault.names()):
        try:
            theirs = vault.read(name).home
        except UnreadableList:
            unread.append(name)
            continue
        if theirs != str(home.absolute()):
            raise BadInput(f"{vault.address} holds backups of {theirs}, not of {home.absolute()}; name another place")
        return unread
    if unread:
        raise BadInput(
            f"{vault.address} has no list of a backup that can be read, so whose they are is not known; remove what is "
            "in backups/ there, or name another place"
        )
    return []


def _unread_notes(vault: Vault, names: Iterable[str]) -> list[str]:
    return [
        f"the list of backup {name} in {vault.address} is damaged, so that one cannot be restored; remove "
        f"backups/{name}.json there, or put a good copy in its place: no content is removed before that"
        for name in sorted(names)
    ]


def _databases(home: Path, aside: Path) -> dict[str, Path]:
    """Copies of the home's databases as they are at one moment each, by path."""
    found = {name: aside / name.replace("/", "-") for name in _DATABASES if (home / name).is_file()}
    for name, copy in found.items():
        with closing(sqlite3.connect(home / name, timeout=60)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
    return found


def _under(home: Path, paths: Iterator[Path]) -> dict[str, Path]:
    return {path.relative_to(home).as_posix(): path for path in paths}


def _pointers(home: Path) -> Iterator[Path]:
    """The files that name versions, bundles and learns: those right under their folders."""
    for folder in (home / name for name in _POINTERS):
        if folder.is_dir():
            yield from (path for path in sorted(folder.iterdir()) if path.is_file() and _is_kept(path))


def _is_kept(path: Path) -> bool:
    return not path.name.startswith(".") and path.name not in _PASSED_OVER and path.suffix != ".part"


def _walk(home: Path, settings: BackupSettings) -> Iterator[Path]:
    for tree in (*_TREES, *(_IMAGES if settings.images else ())):
        for folder, folders, names in os.walk(home / tree):
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            yield from (path for name in sorted(names) if _is_kept(path := Path(folder) / name))


def _notes() -> list[str]:
    if not (url := os.environ.get(LEDGER_VARIABLE)) or url.startswith("sqlite:"):
        return []
    return [f"the ledger that {LEDGER_VARIABLE} names is no file here; back it up by its database's own means"]


def restore_backup(address: str, home: Path, progress: Progress, *, name: str | None = None) -> tuple[str, Backup]:
    """Make a new home of a backup, the newest unless one is named; every file is checked, and all come or none.

    Raises:
        BadInput: there is something at `home`.
        BadDataset: there is no such backup, or a file of it is missing or changed.
        Unavailable: the place cannot be reached.
    """
    if home.exists() and (home.is_file() or any(home.iterdir())):
        raise BadInput(f"{home} is there already; name a new folder by --home, or move this one away")
    vault = Vault(address)
    name = name or _newest(vault)
    backup = vault.read(name)
    with progress.step(f"restore {name}", total=len(backup.files)) as step, new_folder(home) as part:
        for path, held in backup.files.items():
            vault.fetch(held, _within(part, path))
            step.advance()
        _rebase(part / "mlflow" / "mlflow.sqlite", Path(backup.home), home.absolute())
        if home.is_dir():
            home.rmdir()  # empty, as was seen
    return name, backup


def check_backup(address: str, progress: Progress, *, name: str | None = None) -> tuple[str, Backup]:
    """Read a whole backup and compare it with what was kept. What is damaged is set aside in the place of backups.

    The next backup sends that again, then: it goes by what lies there.

    Raises:
        BadDataset: there is no such backup, or contents of it are missing or changed; says how it is mended.
        Unavailable: the place cannot be reached.
    """
    vault = Vault(address)
    name = name or _newest(vault)
    backup = vault.read(name)
    held: dict[str, Held] = {one.sha256: one for one in backup.files.values()}
    with progress.step(f"check {name}", total=len(held)) as step:
        damaged: list[Held] = []
        for one in held.values():
            damaged += [] if vault.is_whole(one) else [one]
            step.advance()
    if damaged:
        bad = {one.sha256 for one in damaged}
        paths = sorted(path for path, one in backup.files.items() if one.sha256 in bad)
        raise BadDataset(
            f"{len(damaged):,} of {len(held):,} contents of {name} in {address} are missing or not what was kept "
            f"({_first(paths)}); {_mend(vault, damaged)}"
        )
    return name, backup


def _first(paths: list[str]) -> str:
    more = f" and {len(paths) - _TOLD:,} more files" if len(paths) > _TOLD else ""
    return ", ".join(paths[:_TOLD]) + more


def _mend(vault: Vault, damaged: Collection[Held]) -> str:
    """Make room for what the next backup sends; gives what was done and is to do, for a sentence's end."""
    try:
        for held in damaged:
            vault.set_aside(held)
    except Unavailable as error:
        return f"they could not be set aside, so no backup sends them anew: {error} Check again once it can be written"
    return (
        "the damaged were set aside in damaged/ there: run carloop backup again, which sends anew what the home still "
        f"has; where the home is gone, {vault.instead(without=[held.sha256 for held in damaged])}"
    )


def _newest(vault: Vault) -> str:
    names = vault.names()
    if not names:
        raise BadDataset(f"{vault.address} has no backup; carloop backup makes one")
    return names[-1]


def _within(folder: Path, path: str) -> Path:
    """A path of a backup, which may not lead out of the folder. Raises BadDataset."""
    target = folder / path
    if not target.resolve().is_relative_to(folder.resolve()):
        raise BadDataset(f"the backup has a file {path!r}, which leads out of the home; restore another one")
    return target


def _rebase(database: Path, old: Path, new: Path) -> None:
    """MLflow keeps whole paths of its artifacts; they lie in the new home now."""
    if not database.is_file() or old == new:
        return
    places = ("artifact_location", "artifact_uri", "source", "storage_location")
    with closing(sqlite3.connect(database)) as connection, connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
            for column in (one for one in columns if one in places):
                for prefix, target in ((f"file://{old}/", f"file://{new}/"), (f"{old}/", f"{new}/")):
                    connection.execute(
                        f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) '
                        f'WHERE substr("{column}", 1, ?) = ?',
                        (target, len(prefix) + 1, len(prefix), prefix),
                    )
