"""What reviewers decided holds in every version that is made after: merged, split, or trained on."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from datasets.coco import Dataset
from datasets.decisions import Decision, Mark, write_decisions
from pipelines.progress import Progress
from pipelines.shelf import Shelf
from pipelines.training.data import read_training_data
from tests.pipelines.dataset.helpers import MIRRORED_REAR, PHOTOGRAPHS, REAR, SIDE, SMALL_SIDE, RunJson, sha256, sides

REAR_IMAGE, SIDE_IMAGE = sha256(PHOTOGRAPHS[REAR]), sha256(PHOTOGRAPHS[SIDE])


@pytest.fixture
def undecided(home: Path, run_json: RunJson) -> str:
    """The split version of `all` before anybody decided; all its images are trained on."""
    version: str = run_json("split", "all", "--test-fraction", "0.01")["version"]
    assert set(sides(home, "all").values()) == {"train"}
    return version


def decide(home: Path, **marks: Mark) -> None:
    sha256_of = {"rear": REAR_IMAGE, "side": SIDE_IMAGE, "small_side": sha256(SMALL_SIDE)}
    write_decisions(Shelf(home).decisions, {sha256_of[name]: Decision((mark,)) for name, mark in marks.items()})


def train_on(home: Path, reference: str) -> Dataset:
    progress = Progress(Console(file=io.StringIO()))
    return read_training_data(Shelf(home), reference, project=None, progress=progress).dataset


def test_an_excluded_image_is_in_no_merged_version_and_its_other_sizes_are(
    home: Path, undecided: str, run_json: RunJson
) -> None:
    decide(home, side="exclude")
    told = run_json("merge", "one", "two", "--name", "merged")
    assert told["excluded"] == 1
    assert set(sides(home, "all")) - set(sides(home, "merged")) == {SIDE_IMAGE}
    assert sha256(SMALL_SIDE) in sides(home, "merged")


def test_a_split_leaves_excluded_images_out_and_the_cars_of_gold_ones_on_no_side(
    home: Path, undecided: str, run_json: RunJson
) -> None:
    decide(home, side="exclude", rear="gold")
    told = run_json("split", "all", "--name", "decided")
    assert (told["excluded"], told["gold"], told["images"]) == (1, 1, {"none": 2, "train": 2})
    assert {sha256 for sha256, side in sides(home, "decided").items() if side is None} == {
        REAR_IMAGE, sha256(MIRRORED_REAR),
    }  # fmt: skip


def test_nothing_that_reviewers_set_aside_is_trained_on_from_an_older_version(home: Path, undecided: str) -> None:
    decide(home, side="exclude", rear="gold")
    trained = {image.sha256 for image in train_on(home, undecided).images if image.split == "train"}
    assert len(trained) == 2
    assert not trained & {REAR_IMAGE, sha256(MIRRORED_REAR), SIDE_IMAGE}


def test_a_copy_that_is_gold_makes_its_picture_gold(home: Path, undecided: str) -> None:
    decide(home, small_side="gold")
    assert SIDE_IMAGE not in {image.sha256 for image in train_on(home, undecided).images if image.split == "train"}


def test_decisions_that_are_taken_back_give_the_same_version_again(
    home: Path, undecided: str, run_json: RunJson
) -> None:
    decide(home, side="exclude", rear="gold")
    decided = run_json("split", "all", "--name", "decided")["version"]
    assert decided != undecided
    assert run_json("split", "all", "--name", "decided")["version"] == decided
    write_decisions(Shelf(home).decisions, {})
    assert run_json("split", "all", "--name", "decided")["version"] == undecided
