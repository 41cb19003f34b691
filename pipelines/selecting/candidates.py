"""Which images of a version or a run wait for labels: those that nobody labelled, as far as reviewers let it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from datasets.coco import Dataset, Image
from datasets.decisions import Decision, read_decisions
from datasets.errors import BadInput
from datasets.selecting.pool import Labelled
from datasets.versions import read_version
from pipelines.modelling.place import Place, find_place
from pipelines.results import RoundResult, read_round
from pipelines.selecting.reviewed import not_excluded, ratings_of
from pipelines.shelf import Shelf


@dataclass(frozen=True)
class Candidates:
    """A dataset whose images may be chosen, those of its images that are labelled, and what reviewers decided."""

    place: Place
    digest: str
    dataset: Dataset
    labelled: Dataset
    decisions: Mapping[str, Decision]

    @cached_property
    def unlabelled(self) -> list[Image]:
        """Live images that nobody labelled, but those of the test side, which models are measured on."""
        known = self.labelled.by_sha256
        return [image for image in self.dataset.live.images if image.sha256 not in known and image.split != "test"]

    @cached_property
    def waiting(self) -> list[Image]:
        """Those that reviewers did not exclude."""
        return not_excluded(self.unlabelled, self.decisions)

    @cached_property
    def ratings(self) -> dict[str, int]:
        """The ratings of what waits, by SHA-256."""
        return ratings_of(self.waiting, self.decisions)

    @cached_property
    def taught(self) -> Dataset:
        """The labelled images that models learn from."""
        return self.labelled.only(image.sha256 for image in self.labelled.images if image.split != "test")


def find_candidates(reference: str, home: Path, labelled: Sequence[str]) -> Candidates:
    """The images of a version by name, digest or folder, or those of a run's last round.

    An image is labelled where the version itself, one of `labelled` or the run says what it shows. What reviewers
    decided is kept in the home, for a run in the home that it lies in.

    Raises:
        BadDataset: there is no such version.
        BadInput: the run has no round yet, or a version of `labelled` has other classes.
    """
    if (Path(reference) / "project.json").is_file():
        place, shelf = find_place(home, Path(reference)), Shelf(Path(reference).resolve().parent.parent)
        last = _last_round(place.root / "rounds", reference)
        dataset = read_version(place.versions, last.pool)
        others = [read_version(place.versions, version) for version in (last.dataset, last.test_set)]
        version = last.pool
    else:
        place, shelf = find_place(home, None), Shelf(home)
        dataset, others, version = shelf.read(reference), [], shelf.find(reference).name
    others += [_of_same_classes(place.find_version(name), dataset, name) for name in labelled]
    return Candidates(place, version, dataset, _labelled(dataset, others), read_decisions(shelf.decisions))


def _of_same_classes(folder: Path, dataset: Dataset, name: str) -> Dataset:
    """A version whose labels count beside the dataset's. Raises BadInput when it has other classes."""
    found = read_version(folder.parent, folder.name)
    theirs, ours = ([(one.name, one.kind) for one in part.taxonomy.categories] for part in (found, dataset))
    if theirs != ours:
        told = ", ".join(sorted({name for name, _ in {*theirs} ^ {*ours}})) or "in another order"
        raise BadInput(
            f"{name} has other classes than what is chosen from ({told}); bring both under one project file's"
        )
    return found


def _last_round(rounds: Path, reference: str) -> RoundResult:
    numbers = sorted(int(path.stem) for path in rounds.glob("*.json") if path.stem.isdigit())
    result = read_round(rounds, numbers[-1]) if numbers else None
    if result is None:
        raise BadInput(f"{reference} has finished no round; let the loop play one first")
    return result


def _labelled(dataset: Dataset, others: Iterable[Dataset]) -> Dataset:
    """The images of which something is known, from the version where most is."""
    images, annotations = {}, {}
    for part in (dataset, *others):
        for image in part.images:
            if part.known_category_ids(image.sha256):
                images[image.sha256] = image
                annotations[image.sha256] = part.annotations_of.get(image.sha256, [])
    return Dataset(dataset.taxonomy, tuple(images.values()), tuple(a for held in annotations.values() for a in held))


def count_labels(labelled: Dataset) -> Labelled:
    """Objects and tags by class, and images by family."""
    ids = [annotation.category_id for annotation in labelled.annotations]
    ids += [tag.category_id for image in labelled.images for tag in image.tags]
    counts = {labelled.taxonomy.name(category_id): count for category_id, count in Counter(ids).items()}
    return Labelled(counts, Counter(image.family for image in labelled.images))
