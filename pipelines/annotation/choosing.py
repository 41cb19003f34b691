"""Which photographs people annotate in a round of the loop, by the project's strategy and reviewers' ratings.

A choice is kept in the run's folder, `chosen/<round>.json`: models that are trained in the round don't change it when
the round is played on after a kill.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from datasets.coco import Dataset, Image
from datasets.decisions import read_decisions
from datasets.errors import BadInput
from datasets.files import read_json, write_json
from datasets.selecting.choosing import choosable
from datasets.selecting.families import select
from pipelines.progress import Progress
from pipelines.runs import Run
from pipelines.selecting.choosing import select_images
from pipelines.selecting.reviewed import not_excluded, ratings_of, to_rank, weigh
from pipelines.shelf import Shelf


@dataclass(frozen=True)
class Wanted:
    """How many photographs of a round, and what decides among equals."""

    number: int
    budget: int
    seed: int


def choose_round(
    run: Run, train: Sequence[Image], labelled: Dataset, wanted: Wanted, progress: Progress, *, has_models: bool
) -> list[Image]:
    """At most `budget` of the images of the train side that are not labelled, once and for all.

    By the project's selection: strategy: where there are models; without, or where it lacks what it looks at, by
    families. What reviewers excluded is not chosen; a rating of 5 lets an image come earlier, one of 1 later.
    """
    kept, by_sha256 = run.folder / "chosen" / f"{wanted.number}.json", {image.sha256: image for image in train}
    if kept.exists():
        return [by_sha256[sha256] for sha256 in read_json(kept)["images"] if sha256 in by_sha256]
    chosen = _choose(run, train, labelled, wanted, progress, has_models)
    if chosen:
        kept.parent.mkdir(exist_ok=True)
        write_json(kept, {"images": [image.sha256 for image in chosen]})
    return chosen


def _choose(
    run: Run, train: Sequence[Image], labelled: Dataset, wanted: Wanted, progress: Progress, has_models: bool
) -> list[Image]:
    decisions = read_decisions(Shelf(run.folder.parents[1]).decisions)
    left = not_excluded(train, decisions)
    waiting = [image for image in left if image.sha256 not in labelled.by_sha256]
    if has_models and run.project.selection.strategy != "families" and waiting:
        try:
            return _by_models(run, waiting, wanted, progress)
        except BadInput as error:
            progress.say(f"    chosen by families: {error}")
    ratings = ratings_of(waiting, decisions)
    found = select(left, taken=labelled.by_sha256, budget=to_rank(wanted.budget, ratings), seed=wanted.seed)
    return weigh(found, ratings, budget=wanted.budget)


def _by_models(run: Run, waiting: Sequence[Image], wanted: Wanted, progress: Progress) -> list[Image]:
    """Those that wait, best first, as `carloop select` chooses them of this run, and weighs them by ratings."""
    home, settings = run.folder.parents[1], run.project.selection
    budget = min(wanted.budget, choosable([image.family for image in waiting], per_family=settings.per_family))
    told = select_images(str(run.folder), home, settings, progress, labelled=(), budget=budget, seed=wanted.seed)
    for note in told["notes"]:
        progress.say(f"    {note}")
    by_sha256 = {image.sha256: image for image in waiting}
    return [by_sha256[one["sha256"]] for one in told["images"] if one["sha256"] in by_sha256]
