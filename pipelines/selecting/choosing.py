"""What `carloop select` does: gather the evidence on a version's or a run's images, choose, and write it down."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from datasets.coco import Image
from datasets.errors import BadDataset
from datasets.files import MANIFEST, digest, is_complete, new_folder, read_json, write_bytes, write_json
from datasets.selecting.choosing import Selection, check_budget, choosable, choose
from datasets.selecting.evidence import Choice
from datasets.selecting.pool import Labelled, Pool
from datasets.selecting.settings import SelectionSettings
from datasets.versions import write_version
from pipelines.progress import Progress
from pipelines.selecting.candidates import Candidates, count_labels, find_candidates
from pipelines.selecting.looking import Looker, Models, embedding_model, find_challengers, find_champions
from pipelines.selecting.page import draw_page
from pipelines.selecting.reviewed import to_rank, weigh
from pipelines.selecting.tables import to_csv
from pipelines.shelf import Shelf

KEY_LENGTH = 12
SELECTION, TABLE, PAGE = "selection.json", "selection.csv", "selection.html"


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

    Reviewers' decisions count: an image's place is divided by its rating, and excluded ones are not chosen. Where that
    leaves fewer than `budget`, it is all of them, and a note tells so. The folder is named by all that decides the
    choice, so that the same command again finds it there.

    Raises:
        CarloopError: in one sentence, whatever a person can mend.
    """
    candidates = find_candidates(reference, home, labelled)
    allowed = _allowed(candidates, settings, budget)
    champions = find_champions(candidates.place)
    challengers = find_challengers(candidates.place, champions)
    told = _decisive(candidates, settings, (champions, challengers), budget=budget, seed=seed)
    folder = candidates.place.root / "selections" / digest(told)[:KEY_LENGTH]
    if not is_complete(folder):
        looker = Looker(champions, challengers, least_score=settings.least_score)
        pool, known, broken = _gather(candidates, looker, champions, progress)
        selection = _choose(candidates, pool, known, settings, budget=allowed, seed=seed)
        told["notes"] = [*_left_out(candidates, budget, allowed), *selection.notes]
        _write(folder, candidates, selection, {**told, "undecodable": broken}, progress)
    result = {**read_json(folder / SELECTION), "folder": str(folder), "page": str(folder / PAGE)}
    if name:
        result["version"] = _name(Shelf(home), candidates, [image["sha256"] for image in result["images"]], name)
    return result


def _allowed(candidates: Candidates, settings: SelectionSettings, budget: int) -> int:
    """The budget, or less where reviewers excluded images that it counts on. Raises BadInput: there never were as many.

    Nothing was looked at yet, which takes long.
    """
    check_budget([image.family for image in candidates.unlabelled], budget=budget, settings=settings)
    left = [image.family for image in candidates.waiting]
    allowed = min(budget, choosable(left, per_family=settings.per_family))
    check_budget(left, budget=allowed, settings=settings)
    return allowed


def _left_out(candidates: Candidates, budget: int, allowed: int) -> list[str]:
    excluded = len(candidates.unlabelled) - len(candidates.waiting)
    told = f"reviewers excluded {excluded} of the images that nobody has labelled"
    if allowed < budget:
        told += f", which leaves {allowed} to choose in place of {budget}"
    return [told] if excluded else []


def _decisive(
    candidates: Candidates, settings: SelectionSettings, models: tuple[Models, Models], *, budget: int, seed: int
) -> dict[str, Any]:
    """All that decides a selection."""
    champions, challengers = ({task: bundle.digest for task, bundle in found.items()} for found in models)
    known = count_labels(candidates.taught)
    return {
        "of": candidates.digest,
        "labelled": digest([sorted(candidates.taught.by_sha256), known.counts, known.families]),
        "labelled_images": len(candidates.labelled.images),
        "waiting": digest(sorted(image.sha256 for image in candidates.waiting)),
        "waiting_images": len(candidates.waiting),
        "ratings": digest(candidates.ratings),
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


def _choose(
    candidates: Candidates, pool: Pool, known: Labelled, settings: SelectionSettings, *, budget: int, seed: int
) -> Selection:
    """The strategy's choice, weighed by ratings: enough are ranked for a good one to come in."""
    several = min(to_rank(budget, candidates.ratings), choosable(pool.families, per_family=settings.per_family))
    several = max(several, budget)
    controls = settings.control_share * (budget / several)  # of what is asked for, however many are ranked
    asked = settings.model_copy(update={"control_share": controls})
    ranked = choose(pool, known, budget=several, settings=asked, seed=seed)
    chosen = weigh(ranked.choices, candidates.ratings, budget=budget)
    return replace(ranked, choices=tuple(_rated(choice, candidates.ratings.get(choice.sha256)) for choice in chosen))


def _rated(choice: Choice, rating: int | None) -> Choice:
    return choice if rating is None else replace(choice, reason=f"{choice.reason}; reviewers rated it {rating}")


def _write(
    folder: Path, candidates: Candidates, selection: Selection, told: dict[str, Any], progress: Progress
) -> None:
    images = [_told(choice, candidates.dataset.by_sha256[choice.sha256]) for choice in selection.choices]
    with progress.step("write the selection"), new_folder(folder) as part:
        write_json(part / SELECTION, {**told, "images": images})
        write_bytes(part / TABLE, to_csv(images))
        write_bytes(part / PAGE, draw_page(images, candidates.place.store, told))
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
