"""What a round of the loop lets people annotate: by models, by families, and by what reviewers said."""

from collections.abc import Callable, Iterator
from dataclasses import replace as changed
from itertools import count

import cv2
import numpy as np
import pytest
from msgspec.structs import replace
from rich.console import Console

from datasets.coco import Dataset, Image, make_dataset, with_negatives
from datasets.decisions import Decision, write_decisions
from datasets.selecting.families import select
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY
from datasets.versions import write_version
from pipelines.annotation.choosing import Wanted, choose_round, weigh
from pipelines.progress import Progress
from pipelines.project import parse_project
from pipelines.results import RoundResult, write_round
from pipelines.runs import Run, make_run
from pipelines.shelf import Shelf
from tests.pipelines.selecting.conftest import publish_models

COUNT, LABELLED, BUDGET = 24, 4, 5
WANTED = Wanted(number=1, budget=BUDGET, seed=1)
Choose = Callable[..., list[Image]]
_ROUNDS = count(100)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run after its first round: two photographs each of twelve cars, four labelled, and models that are served."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "runs" / "cars"
    folder.mkdir(parents=True)
    run = make_run(folder, parse_project({"name": "cars"}, where="here"), "key")
    publish_models(run.bundles, home)
    images, labelled = photographs(run)
    version = write_version(labelled, run.versions)
    pool = write_version(make_dataset(DEFAULT_TAXONOMY, images, ()), run.versions)
    test_set = write_version(make_dataset(DEFAULT_TAXONOMY, (), ()), run.versions)
    result = RoundResult(
        number=0, images=LABELLED, labelled_images=LABELLED, tasks={}, dataset=version, test_set=test_set, pool=pool,
        fates={}, models={}, seconds={},
    )  # fmt: skip
    write_round(run.rounds, result)
    return run


def photographs(run: Run) -> tuple[list[Image], Dataset]:
    store, chance = ImageStore(run.store), np.random.default_rng(0)
    with store.batch() as batch:
        pixels = [chance.integers(0, 255, (32, 32, 3), np.uint8) for _ in range(COUNT)]
        stored = [batch.write_image(cv2.imencode(".png", one)[1].tobytes()) for one in pixels]
    images = [
        Image(one.sha256, one.file_name, 32, 32, family=f"car {number // 2}", split="train")
        for number, one in enumerate(stored)
    ]
    return images, with_negatives(make_dataset(DEFAULT_TAXONOMY, images[:LABELLED], ()), DEFAULT_TAXONOMY.ids())


@pytest.fixture
def choose(run: Run) -> Iterator[Choose]:
    """Chooses by a strategy, each time for a round of its own unless one is named."""
    images, labelled = photographs(run)

    def chosen(strategy: str, *, has_models: bool = True, number: int | None = None) -> list[Image]:
        project = parse_project({"name": "cars", "selection": {"strategy": strategy}}, where="here")
        wanted = changed(WANTED, number=number or next(_ROUNDS))
        progress = Progress(Console(quiet=True))
        return choose_round(changed(run, project=project), images, labelled, wanted, progress, has_models=has_models)

    yield chosen
    Shelf(run.folder.parents[1]).decisions.unlink(missing_ok=True)


def by_families(run: Run) -> list[Image]:
    images, labelled = photographs(run)
    return select(images, taken=labelled.by_sha256, budget=BUDGET, seed=WANTED.seed)


def decide(run: Run, decisions: dict[str, Decision]) -> None:
    write_decisions(Shelf(run.folder.parents[1]).decisions, decisions)


def test_the_project_s_strategy_decides_where_there_are_models(run: Run, choose: Choose) -> None:
    chosen = choose("mix")

    assert len({image.family for image in chosen}) == BUDGET
    assert not {image.sha256 for image in chosen} & photographs(run)[1].by_sha256.keys()
    assert list((run.folder / "selections").glob("*/selection.html"))


@pytest.mark.parametrize(("strategy", "has_models"), [("families", True), ("mix", False), ("disagreement", True)])
def test_families_decide_where_they_are_asked_for_or_models_cannot_tell(
    run: Run, choose: Choose, strategy: str, has_models: bool
) -> None:
    assert choose(strategy, has_models=has_models) == by_families(run)


def test_a_round_s_choice_stays_whatever_is_trained_or_decided_after_it(run: Run, choose: Choose) -> None:
    chosen = choose("families", number=7)
    decide(run, {chosen[0].sha256: Decision(marks=("exclude",))})

    assert choose("mix", number=7) == chosen


def test_what_reviewers_excluded_is_not_annotated(run: Run, choose: Choose) -> None:
    first = choose("mix")
    decide(run, {image.sha256: Decision(marks=("exclude",)) for image in first})

    for strategy in ("mix", "families"):
        again = choose(strategy)
        assert len(again) == BUDGET
        assert not set(first) & set(again)


def test_a_good_rating_lets_an_image_come_earlier_and_a_poor_one_later(run: Run, choose: Choose) -> None:
    first = by_families(run)
    decide(run, {first[0].sha256: Decision(quality=1), first[1].sha256: Decision(quality=5)})

    assert choose("families")[0] == first[1]
    assert choose("families").index(first[0]) > 0


def test_an_image_s_place_is_divided_by_its_rating() -> None:
    images = [replace(Image("", "", 1, 1, family=""), sha256=str(number)) for number in range(10)]

    weighed = weigh(images, {"0": 1, "7": 5}, budget=6)

    assert [image.sha256 for image in weighed] == ["1", "0", "2", "3", "7", "4"]
