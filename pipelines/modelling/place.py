"""Where models lie: the registry, bundles, dataset versions and images of a home, or of one run of the loop.

              home                       run
registry      mlflow/                    mlflow/
bundles       bundles/                   bundles/
versions      datasets/versions/         versions/
images        datasets/store/            store/
ledger        ledger.sqlite              ledger.sqlite
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.names import is_digest

if TYPE_CHECKING:
    from datasets.coco import Dataset
    from datasets.records import CocoFile
    from training.registry import Registry

RUN = click.option(
    "--run",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of a run of the loop, whose models are meant instead of the home's.",
)


@dataclass(frozen=True)
class Place:
    """The places of models and what they are made of, under one folder.

    `find_version` is the folder of a dataset version by name (a home's alone) or the beginning of its digest; it raises
    BadDataset where there is none. `read_content` is what is in such a folder, a home's without what was taken down.
    """

    root: Path
    versions: Path
    store: Path
    find_version: Callable[[str], Path]
    read_content: "Callable[[Path], CocoFile]"

    @property
    def bundles(self) -> Path:
        return self.root / "bundles"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite"

    @property
    def evaluations(self) -> Path:
        return self.root / "evaluations"

    @cached_property
    def registry(self) -> "Registry":
        from training.registry import open_registry

        return open_registry(self.root)

    def read_version(self, reference: str) -> "tuple[str, Dataset]":
        """A dataset version and its digest, without pictures whose right to be used was withdrawn. Raises BadDataset.

        Where there are such, the digest is that of the version without them, which a takedown writes.
        """
        from datasets.coco import from_records
        from datasets.versions import read_manifest, taxonomy_of, version_digest

        folder = self.find_version(reference)
        content = self.read_content(folder)
        dataset = from_records(content, taxonomy_of(content))
        whole = len(content.images) == read_manifest(folder.parent, folder.name)["images"]
        return folder.name if whole else version_digest(dataset), dataset


def find_place(home: Path, run: Path | None) -> Place:
    """The run's place where a run is named, else the home's.

    Raises:
        BadInput: the folder is not a run's.
    """
    from datasets.errors import BadInput
    from datasets.versions import read_content
    from pipelines.shelf import Shelf

    if run is None:
        shelf = Shelf(home)
        return Place(home, shelf.versions, shelf.store.root, shelf.find, lambda folder: shelf.read_content(str(folder)))
    if not (run / "project.json").is_file():
        raise BadInput(f"{run} is no run of the loop, it has no project.json; give one of the folders in HOME/runs")
    versions = run / "versions"
    return Place(run, versions, run / "store", lambda reference: _find(versions, reference), read_content)


def _find(versions: Path, reference: str) -> Path:
    from datasets.errors import BadDataset
    from datasets.files import is_complete

    found = [path for path in versions.glob(f"{reference}*") if is_complete(path)] if is_digest(reference) else []
    if len(found) == 1:
        return found[0]
    told = "several versions begin so" if found else f"it has {len(list(versions.glob('*/manifest.json')))} others"
    raise BadDataset(f"{versions} has no version {reference}; {told}; give more of its digest")
