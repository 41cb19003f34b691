"""Which photographs people annotate in a round of the loop, by the project's strategy and reviewers' ratings.

A choice is kept in the run's folder, `chosen/<round>.json`: models that are trained in the round don't change it when
the round is played on after a kill.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.coco import Dataset, Image
from datasets.decisions import marked, read_decisions
from datasets.errors import BadInput
from datasets.files import read_json, write_json
from datasets.selecting.choosing import choosable
from datasets.selecting.families import select
from datasets.selecting.settings import SelectionSettings
from pipelines.progress import Progress
from pipelines.runs import Run
from pipelines.selecting.choosing import select_images
from pipelines.shelf import Shelf

MIDDLE, BEST = 3, 5
"""Ratings: an image that nobody rated counts as the middle one."""


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
    home, settings = run.folder.parents[1], run.project.selection
    decisions = read_decisions(Shelf(home).decisions)
    excluded = marked(decisions, "exclude")
    left = [image for image in train if image.sha256 not in excluded]
    waiting = [image for image in left if image.sha256 not in labelled.by_sha256]
    ratings = {
        image.sha256: decisions[image.sha256].quality or MIDDLE for image in waiting if image.sha256 in decisions
    }
    several = math.ceil(wanted.budget * BEST / MIDDLE) if ratings else wanted.budget
    if has_models and settings.strategy != "families" and waiting:
        try:
            barred = len(excluded.intersection(image.sha256 for image in train))
            found = _by_models(run, home, settings, waiting, wanted, several + barred, progress)
            if barred:  # one of them may have stood for its family
                taken = labelled.by_sha256.keys() | {image.sha256 for image in found}
                found += select(left, taken=taken, budget=max(several - len(found), 0), seed=wanted.seed)
            return weigh(found, ratings, budget=wanted.budget)
        except BadInput as error:
            progress.say(f"    chosen by families: {error}")
    found = select(left, taken=labelled.by_sha256, budget=several, seed=wanted.seed)
    return weigh(found, ratings, budget=wanted.budget)


def _by_models(
    run: Run,
    home: Path,
    settings: SelectionSettings,
    waiting: Sequence[Image],
    wanted: Wanted,
    several: int,
    progress: Progress,
) -> list[Image]:
    """Up to so many of those that wait, best first, as `carloop select` chooses them of this run."""
    budget = min(several, choosable([image.family for image in waiting], per_family=settings.per_family))
    controls = settings.control_share * min(1.0, wanted.budget / budget)  # of the round, however many are looked at
    asked = settings.model_copy(update={"control_share": controls})
    told = select_images(str(run.folder), home, asked, progress, labelled=(), budget=budget, seed=wanted.seed)
    for note in told["notes"]:
        progress.say(f"    {note}")
    by_sha256 = {image.sha256: image for image in waiting}
    return [by_sha256[one["sha256"]] for one in told["images"] if one["sha256"] in by_sha256]


def weigh(ranked: Sequence[Image], ratings: Mapping[str, int], *, budget: int) -> list[Image]:
    """The first `budget` when each image's place is divided by its rating, 1 (poor) to 5; by default by the middle."""
    places = {image.sha256: place / ratings.get(image.sha256, MIDDLE) for place, image in enumerate(ranked, start=1)}
    return sorted(ranked, key=lambda image: places[image.sha256])[:budget]
