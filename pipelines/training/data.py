"""The dataset that a `carloop train` command is given: a version, or a folder that is imported as one."""

from dataclasses import dataclass
from pathlib import Path

from datasets.coco import Dataset, from_records, to_records
from datasets.files import MANIFEST, is_complete, read_json
from datasets.importing import ImportSettings, import_dataset
from datasets.merge import merge_records
from datasets.split import SplitSettings
from datasets.taxonomy import DEFAULT_TAXONOMY, Taxonomy
from datasets.versions import ANNOTATIONS, read_manifest, taxonomy_of, write_content
from pipelines.progress import Progress
from pipelines.project import Project
from pipelines.shelf import Shelf


@dataclass(frozen=True)
class TrainingData:
    """A dataset version with sides given: its annotations.json, its digest, and the store with its images."""

    dataset: Dataset
    annotations: Path
    digest: str
    store: Path

    @property
    def taxonomy(self) -> Taxonomy:
        return self.dataset.taxonomy


def read_training_data(
    shelf: Shelf, reference: str, *, project: Project | None, progress: Progress, seed: int = 0
) -> TrainingData:
    """A version by name or digest, or any folder or file that `carloop dataset import` takes.

    What reviewers excluded since is left out, and what is gold is not on the train side. Other families without a side
    get one, which is remembered as `carloop dataset split` does.

    Raises:
        BadDataset: there is neither a version nor a dataset of that name.
    """
    folder = _find_or_import(shelf, reference, project, progress)
    content = shelf.decided(shelf.read_content(str(folder))).content
    dataset = from_records(content, taxonomy_of(content))
    fewer = len(dataset.images) < read_manifest(folder.parent, folder.name)["images"]
    unsplit = any(image.split is None for image in dataset.live.images)
    if unsplit:
        settings = project.split if project else SplitSettings()
        dataset = shelf.assign_splits(dataset, seed=seed, settings=settings).dataset
    if unsplit or fewer:
        content = shelf.decided(to_records(dataset)).content
        dataset = from_records(content, dataset.taxonomy)
        digest = write_content(content, shelf.versions, parents=[folder.name])
        folder = shelf.versions / digest
    return TrainingData(dataset, (folder / ANNOTATIONS).absolute(), folder.name, shelf.store.root.absolute())


def _find_or_import(shelf: Shelf, reference: str, project: Project | None, progress: Progress) -> Path:
    if Path(reference).exists() and not _is_version(Path(reference)) and reference not in shelf.names():
        taxonomy = project.taxonomy if project else DEFAULT_TAXONOMY
        return _import(shelf, Path(reference), taxonomy, project, progress)
    return shelf.find(reference)


def _is_version(folder: Path) -> bool:
    """Rendered cars, too, have a manifest, but theirs names no digest."""
    return is_complete(folder) and "digest" in read_json(folder / MANIFEST)


def _import(shelf: Shelf, source: Path, taxonomy: Taxonomy, project: Project | None, progress: Progress) -> Path:
    settings = ImportSettings(family=project.truth.family if project else None, skip_bad_images=True)
    with progress.step(f"import {source}") as step:
        imported = import_dataset(
            source,
            taxonomy=taxonomy,
            store=shelf.store,
            settings=settings,
            progress=lambda done, total: step.advance(to=done, of=total),
        )
    for note in imported.notes:
        progress.say(f"    {note}")
    merged = merge_records([("", to_records(one)) for one in imported.datasets], taxonomy=imported.taxonomy)
    return shelf.versions / shelf.write(merged)
