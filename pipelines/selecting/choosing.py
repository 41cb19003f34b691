"""What `carloop select` does: gather the evidence on a version's or a run's images, choose, and write it down."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datasets.coco import Dataset, Image
from datasets.errors import BadDataset, BadInput
from datasets.files import MANIFEST, digest, is_complete, new_folder, read_json, write_bytes, write_json
from datasets.selecting.choosing import Selection, choose
from datasets.selecting.evidence import Choice
from datasets.selecting.pool import Labelled, Pool
from datasets.selecting.settings import SelectionSettings
from datasets.versions import read_version, write_version
from pipelines.modelling.place import Place, find_place
from pipelines.progress import Progress
from pipelines.results import RoundResult, read_round
from pipelines.selecting.looking import Looker, Models, embedding_model, find_challengers, find_champions
from pipelines.selecting.page import draw_page
from pipelines.selecting.tables import to_csv
from pipelines.shelf import Shelf

KEY_LENGTH = 12
SELECTION, TABLE, PAGE = "selection.json", "selection.csv", "selection.html"


@dataclass(frozen=True)
class Candidates:
    """A dataset whose images may be chosen, and those of its images that are labelled, or no one's to label."""

    place: Place
    digest: str
    dataset: Dataset
    labelled: Dataset

    @property
    def waiting(self) -> list[Image]:
        """Live images that nobody labelled, but those of the test side, which models are measured on."""
        known = self.labelled.by_sha256
        return [image for image in self.dataset.live.images if image.sha256 not in known and image.split != "test"]

    @property
    def taught(self) -> Dataset:
        """The labelled images that models learn from."""
        return self.labelled.only(image.sha256 for image in self.labelled.images if image.split != "test")


def select_images(
    reference: str,
    home: Path,
    settings: SelectionSettings,
    progress: Progress,
    *,
    labelled: Sequence[str],
    budget: int,
    seed: int,
    name: str | None = None,
) -> dict[str, Any]:
    """Choose `budget` images of a version, or of a run's photographs, and write them with their reasons; what to tell.

    The folder is named by all that decides the choice, so that the same command again finds it there.

    Raises:
        CarloopError: in one sentence, whatever a person can mend.
    """
    candidates = find_candidates(reference, home, labelled)
    champions = find_champions(candidates.place)
    challengers = find_challengers(candidates.place, champions)
    told = _decisive(candidates, settings, (champions, challengers), budget=budget, seed=seed)
    folder = candidates.place.root / "selections" / digest(told)[:KEY_LENGTH]
    if not is_complete(folder):
        looker = Looker(champions, challengers, least_score=settings.least_score)
        pool, known, broken = _gather(candidates, looker, champions, progress)
        selection = choose(pool, known, budget=budget, settings=settings, seed=seed)
        _write(folder, candidates, selection, {**told, "undecodable": broken}, progress)
    result = {**read_json(folder / SELECTION), "folder": str(folder), "page": str(folder / PAGE)}
    if name:
        result["version"] = _name(Shelf(home), candidates, [image["sha256"] for image in result["images"]], name)
    return result


def find_candidates(reference: str, home: Path, labelled: Sequence[str]) -> Candidates:
    """The images of a version by name, digest or folder, or those of a run's last round.

    An image is labelled where the version itself, one of `labelled` or the run says what it shows.
    """
    if (Path(reference) / "project.json").is_file():
        place = find_place(home, Path(reference))
        last = _last_round(place.root / "rounds", reference)
        dataset = read_version(place.versions, last.pool)
        others = [read_version(place.versions, version) for version in (last.dataset, last.test_set)]
        version = last.pool
    else:
        place, shelf = find_place(home, None), Shelf(home)
        dataset, others, version = shelf.read(reference), [], shelf.find(reference).name
    others += [read_version(path.parent, path.name) for path in map(place.find_version, labelled)]
    return Candidates(place, version, dataset, _labelled(dataset, others))


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


def _decisive(
    candidates: Candidates, settings: SelectionSettings, models: tuple[Models, Models], *, budget: int, seed: int
) -> dict[str, Any]:
    """All that decides a selection."""
    champions, challengers = ({task: bundle.digest for task, bundle in found.items()} for found in models)
    return {
        "of": candidates.digest,
        "labelled": digest(sorted(candidates.labelled.by_sha256)),
        "labelled_images": len(candidates.labelled.images),
        "waiting_images": len(candidates.waiting),
        "champions": champions,
        "challengers": challengers,
        "settings": settings.model_dump(mode="json"),
        "budget": budget,
        "seed": seed,
    }


def _gather(
    candidates: Candidates, looker: Looker, champions: Models, progress: Progress
) -> tuple[Pool, Labelled, dict[str, str]]:
    """The pool, what is labelled, and the images that nothing can be said of."""
    waiting, store = candidates.waiting, candidates.place.store
    labelled = list(candidates.taught.images)
    with progress.step(f"look at {len(waiting)} images", total=len(waiting)) as step:
        look = looker.look(waiting, store, advance=step.advance)
    known = count_labels(candidates.taught)
    if embedding_model(champions) and labelled:
        with progress.step(f"embed {len(labelled)} labelled images", total=len(labelled)) as step:
            embeddings = looker.embed(labelled, store, advance=step.advance)
        known = Labelled(known.counts, known.families, embeddings)
    family_of = {image.sha256: image.family for image in waiting}
    pool = Pool(
        keys=look.sha256s,
        families=[family_of[sha256] for sha256 in look.sha256s],
        class_names=looker.class_names,
        tag_names=looker.tag_names,
        champion=look.champion,
        challenger=look.challenger,
        embeddings=look.embeddings,
    )
    return pool, known, dict(look.undecodable)


def _write(
    folder: Path, candidates: Candidates, selection: Selection, told: dict[str, Any], progress: Progress
) -> None:
    images = [_told(choice, candidates.dataset.by_sha256[choice.sha256]) for choice in selection.choices]
    with progress.step("write the selection"), new_folder(folder) as part:
        write_json(part / SELECTION, {**told, "notes": selection.notes, "images": images})
        write_bytes(part / TABLE, to_csv(images))
        write_bytes(part / PAGE, draw_page(images, candidates.place.store, {**told, "notes": selection.notes}))
        write_json(part / MANIFEST, {"images": len(images)})


def _told(choice: Choice, image: Image) -> dict[str, Any]:
    return {**asdict(choice), "file_name": image.file_name}


def _name(shelf: Shelf, candidates: Candidates, sha256s: Sequence[str], name: str) -> str:
    """A version of the chosen images alone, for `carloop cvat push`."""
    if candidates.place.versions != shelf.versions:
        raise BadDataset(f"the images of a run are no version of a home; leave out --name {name}, or import them first")
    version = write_version(candidates.dataset.only(sha256s), shelf.versions, parents=[candidates.digest])
    shelf.write_name(name, version)
    return version
