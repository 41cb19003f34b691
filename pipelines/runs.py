"""A run's folder: everything one loop makes, under a name that its inputs decide.

<home>/runs/<project>-<key>/
    project.json            the resolved configuration
    store/images/…          photographs by SHA-256          catalog.sqlite   where each came from
    cvat/                   the embedded CVAT's data        ledger.sqlite    what people changed
    versions/<digest>/      dataset versions                models/          trainings
    bundles/                published models                mlflow/          the registry
    rounds/<n>.json         what each finished round gave   logs/            one per part
    report.html, report.json
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from datasets.files import digest, write_bytes, write_json
from datasets.importing import TruthFolder
from pipelines.errors import RunBusy
from pipelines.project import Project

_KEY_LENGTH = 12


@dataclass(frozen=True)
class Run:
    """The places inside one run's folder. `title` begins the names of its CVAT tasks, and is no other run's."""

    folder: Path
    project: Project
    key: str
    title: str

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def versions(self) -> Path:
        return self.folder / "versions"

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def bundles(self) -> Path:
        return self.folder / "bundles"

    @property
    def cvat_data(self) -> Path:
        return self.folder / "cvat"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def rounds(self) -> Path:
        return self.folder / "rounds"

    @property
    def prefect(self) -> Path:
        return self.folder / "prefect"

    @property
    def mlflow(self) -> Path:
        return self.folder / "mlflow"

    @property
    def exhausted(self) -> Path:
        """There once a round found nothing left to label."""
        return self.rounds / "exhausted"

    @property
    def catalog_url(self) -> str:
        return f"sqlite:///{self.folder.absolute()}/catalog.sqlite"

    @property
    def ledger_url(self) -> str:
        return f"sqlite:///{self.folder.absolute()}/ledger.sqlite"

    @property
    def review(self) -> Path:
        """FiftyOne's database."""
        return self.folder / "fiftyone"

    @property
    def review_name(self) -> str:
        return self.folder.name


def run_key(project: Project, truth: TruthFolder, *, budget: int) -> str:
    """The digest of what decides a run: project, ground truth and budget. More rounds go on with the same run."""
    images = sorted([i.sha256, i.family, i.license or "", i.boxes, i.tag_ids] for i in truth.images)
    return digest([project.model_dump(mode="json"), images, sorted(truth.annotated_ids), budget])[:_KEY_LENGTH]


@contextmanager
def open_run(home: Path, project: Project, truth: TruthFolder, *, budget: int, fresh: bool) -> Iterator[Run]:
    """The run of these inputs, made or gone on with, and this process's alone until the block ends.

    Raises:
        RunBusy: another process has it.
    """
    key = run_key(project, truth, budget=budget)
    folder = home / "runs" / f"{project.name}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(folder.with_suffix(".lock")):
        if fresh:
            _remove(folder)
        yield make_run(folder, project, key)


def run_folders(home: Path) -> list[Path]:
    """The folders of all runs under a home, in order of their names."""
    return sorted(path.parent for path in (home / "runs").glob("*/project.json"))


def make_run(folder: Path, project: Project, key: str) -> Run:
    """The run in this folder, with its places made and what a killed process left half-done swept away."""
    for name in ("store", "versions", "models", "bundles", "cvat", "logs", "rounds"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for left in (*folder.glob("store/push-*"), *folder.glob("models/training-*")):
        shutil.rmtree(left)
    title = folder / "title"
    if not title.exists():
        write_bytes(title, f"{project.name} {secrets.token_hex(4)}".encode())
    write_json(folder / "project.json", project.model_dump(mode="json"))
    return Run(folder, project, key, title.read_text())


def _remove(folder: Path) -> None:
    """Remove a run in one step, as far as the next command can tell."""
    aside = folder.with_suffix(".removed")
    if aside.exists():
        shutil.rmtree(aside)
    if folder.exists():
        folder.replace(aside)
        shutil.rmtree(aside)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """An exclusive lock that the system takes back when its holder ends, however it ends."""
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise RunBusy(f"process {holder} is working on {path.stem}; wait for it to end, or end it") from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
