"""`ingest` in a home: scrape ─► collect ─► select ─► push ─► pre-annotate, so that people have something to correct."""

import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, get_args

from datasets.coco import Dataset, Image
from datasets.decisions import read_decisions
from datasets.selecting.choosing import choosable
from datasets.split import unit_hash
from datasets.versions import write_version
from pipelines.annotation.desk import Desk
from pipelines.annotation.prelabelling import prelabel_project
from pipelines.annotation.pushing import PushChoice, push_version
from pipelines.modelling.place import find_place
from pipelines.project import Project
from pipelines.results import TEST
from pipelines.scraping.blurring import with_originals
from pipelines.scraping.collecting import collect
from pipelines.scraping.place import Scraped
from pipelines.selecting.choosing import select_images
from pipelines.selecting.looking import find_champions
from pipelines.selecting.reviewed import not_excluded
from training.bundle import ModelName, read_bundle, read_pointer
from training.predictors import load_predictor


def scraped_name(project: Project) -> str:
    """The name of the version of all that was scraped."""
    return f"{project.name}-scraped"


def _pushed_name(project: Project) -> str:
    """The name of the version that was last pushed to its end."""
    return f"{project.name}-pushed"


def collect_scraped(project: Project, home: Path) -> None:
    """Let the name stand for a version of what may be used of what was scraped. Raises BadDataset: there is none."""
    collect(Scraped(home), project, project.scrape.sources, scraped_name(project), only=False, as_json=False)


def choose_next(desk: Desk, home: Path) -> str | None:
    """The name of a version of the images that people are to look at next; None when none are left.

    A part of them, as large as the project's test part, is of the test side. What was pushed is not chosen again, what
    reviewers excluded never; what was chosen, and may still be, is pushed first.
    """
    project, shelf = desk.project, desk.shelf
    pool = shelf.read(scraped_name(project)).live
    sided = shelf.assign_splits(pool, seed=project.seed, settings=project.split).dataset
    pushed = {sha256 for frames in desk.ledger.read_frames().values() for sha256 in frames}
    seen = with_originals(shelf, pushed)
    liked = not_excluded(sided.images, read_decisions(shelf.decisions))
    rest = sided.only(image.sha256 for image in liked if image.sha256 not in seen)
    name = f"{project.name}-next"
    if _is_under_way(desk, name, rest, seen):
        return name
    budget = project.flows.ingest.images
    tests = _tests(rest.images, budget=round(budget * project.split.test_fraction), seed=project.seed)
    chosen = [*_lessons(desk, home, rest, budget=budget - len(tests)), *tests]
    if not chosen:
        return None
    shelf.write_name(name, write_version(rest.only(chosen), shelf.versions, parents=[_digest(desk)]))
    return name


def _is_under_way(desk: Desk, name: str, rest: Dataset, seen: Collection[str]) -> bool:
    """Whether an earlier choice was not pushed to its end, and all that is left of it may still be pushed."""
    names = desk.shelf.names()
    if name not in names or names.get(_pushed_name(desk.project)) == names[name]:
        return False
    left = {image.sha256 for image in desk.shelf.read(name).live.images if image.sha256 not in seen}
    return bool(left) and left <= rest.by_sha256.keys()


def _digest(desk: Desk) -> str:
    return desk.shelf.find(scraped_name(desk.project)).name


def _tests(images: Sequence[Image], *, budget: int, seed: int) -> list[str]:
    """Images of the test side, by hash."""
    found = [image.sha256 for image in images if image.split == TEST]
    return sorted(found, key=lambda sha256: unit_hash(sha256, seed=seed))[:budget]


def _lessons(desk: Desk, home: Path, rest: Dataset, *, budget: int) -> list[str]:
    """Images to learn from, by the project's selection; by families alone before there is a model to ask."""
    project, accepted = desk.project, f"{desk.project.name}-accepted"
    waiting = [i for i in rest.images if i.split != TEST and not rest.known_category_ids(i.sha256)]
    published = find_champions(find_place(home, None))
    settings = project.selection if published else project.selection.model_copy(update={"strategy": "families"})
    most = min(budget, choosable((image.family for image in waiting), per_family=settings.per_family))
    if most < 1:
        return []
    with tempfile.TemporaryDirectory(prefix="carloop-ingest-") as aside:
        digest = write_version(rest, Path(aside), parents=[_digest(desk)])
        told = select_images(
            str(Path(aside) / digest),
            home,
            settings,
            desk.progress,
            labelled=[accepted] if accepted in desk.shelf.names() else [],
            budget=most,
            seed=project.seed,
        )
    return [image["sha256"] for image in told["images"]]


def push_next(desk: Desk, name: str) -> dict[str, Any]:
    """The version's images into CVAT. Raises CvatError."""
    told, notes = push_version(desk, name, desk.project.cvat, PushChoice(seed=desk.project.seed))
    for note in notes:
        desk.progress.say(f"    {note}")
    desk.shelf.write_name(_pushed_name(desk.project), desk.shelf.find(name).name)
    return told


def prelabel_new(desk: Desk, home: Path) -> dict[str, Any] | None:
    """The published models' predictions into jobs that nobody has begun; None where no model is published."""
    bundles = home / "bundles"
    digests = [digest for name in get_args(ModelName) if (digest := read_pointer(bundles, name))]
    if not digests:
        return None
    return prelabel_project(desk, [load_predictor(read_bundle(bundles, digest)) for digest in digests])
