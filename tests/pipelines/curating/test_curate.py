"""The `carloop curate` commands against a real FiftyOne, whose MongoDB they start."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner
from cvat_sdk import Client
from rich.console import Console

from datasets.ledger import Ledger
from pipelines.annotation.desk import Desk
from pipelines.curating.accepted import show_accepted
from pipelines.curating.cli import curate
from pipelines.dataset.cli import dataset
from pipelines.progress import Progress
from pipelines.project import Project
from pipelines.shelf import Shelf

SESSION = Path(__file__).with_name("curate_session.py")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def home(cars: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the version `cars`, split."""
    home = tmp_path_factory.mktemp("curate")
    for command in (["import", str(cars)], ["split", "cars"]):
        done = CliRunner().invoke(dataset, [*command, "--name", "cars", "--home", str(home)])
        assert done.exit_code == 0, done.output
    return home


@pytest.fixture(scope="module")
def told(home: Path) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, str(SESSION), str(home)],
        env={**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return said


def test_a_version_is_shown_once_however_often_it_is_synced(told: dict[str, Any]) -> None:
    count = told["images"]
    assert told["sync"] == {"dataset": "cars", "images": count, "added": count, "changed": 0, "removed": 0}
    assert (told["again"]["added"], told["again"]["changed"]) == (0, 0)


def test_views_are_listed_with_how_much_they_show(told: dict[str, Any]) -> None:
    assert told["views"]["images"] == told["images"]
    assert told["views"]["views"]["models disagree"] > 0
    assert told["views"]["views"]["quarantined"] == 0


def test_predictions_that_are_not_given_again_are_no_longer_shown(told: dict[str, Any]) -> None:
    assert told["without_predictions"]["changed"] == told["images"]


def test_the_brain_takes_embeddings_from_a_file(told: dict[str, Any]) -> None:
    assert told["brain"]["embedded"] == told["images"]
    assert told["brain"]["evaluated"] == {}
    assert "holds no embeddings" in told["broken"]


def test_the_brain_embeds_by_the_home_s_champion_each_image_once(told: dict[str, Any], home: Path) -> None:
    assert (told["embedded"]["embedded"], told["embedded"]["embedded_by"]) == (
        told["images"], "cleanliness_classifier@1",
    )  # fmt: skip
    assert told["embedded_again"] == told["embedded"]
    assert len(list((home / "embeddings").glob("*.npz"))) == 1


def test_a_run_of_the_loop_takes_what_reviewers_decide_in_its_own_dataset(told: dict[str, Any]) -> None:
    assert told["of_run"] == {told["excluded"]: ["exclude"], told["gold"]: ["relabel", "gold"]}


def test_an_excluded_image_leaves_the_next_version(told: dict[str, Any]) -> None:
    (made,) = told["read"]["versions"].values()
    assert (told["read"]["exclude"], made["excluded"], made["images"]) == (1, 1, told["images"] - 1)
    assert told["is_left_out"]


def test_a_gold_image_and_its_car_leave_training(told: dict[str, Any]) -> None:
    assert not told["gold_is_trained_on"]
    assert told["parts"]["gold"] == [told["gold"]]


def test_what_is_to_be_labelled_again_is_a_version_to_push(told: dict[str, Any]) -> None:
    (made,) = told["read"]["versions"].values()
    assert made["relabel"] == "cars-relabel"
    assert told["parts"]["relabel"] == [told["gold"]]


def test_reviewing_twice_changes_nothing(told: dict[str, Any]) -> None:
    assert told["read_again"] == told["read"]
    assert told["same_decisions"]


def test_another_dataset_of_the_same_images_takes_nothing_back(told: dict[str, Any]) -> None:
    assert told["other"]["added"] == told["images"]
    assert told["same_after_other"]
    assert told["read_other"] == {**told["read"], "dataset": "other"}


def test_a_dataset_shows_less_only_after_what_was_said_of_the_rest_is_read(told: dict[str, Any]) -> None:
    narrowed = told["narrowed"]
    assert "carloop curate read other, then sync again" in narrowed["refused"]
    assert narrowed["left"] == told["images"]
    assert (narrowed["told"]["images"], narrowed["told"]["removed"]) == (1, told["images"] - 1)
    assert narrowed["noted"] == "dusk"


def test_marks_that_are_taken_off_leave_no_version_behind_under_their_name(told: dict[str, Any]) -> None:
    taken_off = told["taken_off"]
    assert (taken_off["told"]["gold"], taken_off["told"]["relabel"]) == (0, 0)
    assert taken_off["gone"] == ["cars-gold", "cars-relabel"]
    assert taken_off["by_hand"]


def test_decisions_of_images_that_left_are_kept(told: dict[str, Any]) -> None:
    """The next version is shown in place of the old one, without the excluded image."""
    assert (told["next"]["removed"], told["read_next"]["exclude"]) == (1, 0)
    assert told["decisions"] == {told["excluded"]: ["exclude"], told["gold"]: ["relabel", "gold"]}
    (before,), (after,) = told["read"]["versions"].values(), told["read_next"]["versions"].values()
    assert (after["name"], after["digest"]) == (before["name"], before["digest"])


def test_what_people_accepted_is_shown_under_the_name_of_its_version(told: dict[str, Any]) -> None:
    assert told["accepted"] == {"images": told["images"], "versions": ["cars-accepted"]}


def test_mongodb_away_is_told_and_learning_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100")
    with closing(Ledger("sqlite://", "a server cars")) as ledger:
        desk = Desk(Project(name="cars"), Shelf(home), ledger, cast(Client, None), Progress(Console(stderr=True)))
        show_accepted(desk, home, "cars")
    assert "FiftyOne does not show cars: FiftyOne's MongoDB does not answer: 127.0.0.1:9" in capsys.readouterr().err


def test_a_home_that_shows_nothing_starts_no_mongodb(tmp_path: Path) -> None:
    for command in (["views"], ["brain", "cars"], ["read", "cars"], ["open", "--port", "5999"]):
        done = CliRunner().invoke(curate, [*command, "--home", str(tmp_path / "home")])
        assert "shows nothing in FiftyOne yet" in str(done.exception)
    assert not (tmp_path / "home").exists()


def test_mongodb_ends_with_the_command_that_started_it(told: dict[str, Any]) -> None:
    assert not told["address_left"]


def test_a_version_that_is_not_there_is_told_before_anything_is_started(home: Path) -> None:
    done = CliRunner().invoke(curate, ["sync", "boats", "--home", str(home)])
    assert "boats is no dataset version here" in str(done.exception)


def test_predictions_on_another_version_are_refused(home: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text('[{"image_id": 999999, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}]')
    done = CliRunner().invoke(curate, ["sync", "cars", "--champion", str(results), "--home", str(home)])
    assert "speaks of image 999999, class 1, which the version lacks" in str(done.exception)
    results.write_text('[{"image_id": "one"}]')
    done = CliRunner().invoke(curate, ["sync", "cars", "--champion", str(results), "--home", str(home)])
    assert "holds no COCO results" in str(done.exception)


def test_mongodb_away_is_told_in_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100")
    done = CliRunner().invoke(curate, ["views", "--home", str(home)])
    assert "MongoDB does not answer: 127.0.0.1:9" in str(done.exception)
    assert "FIFTYONE_DATABASE_URI" in str(done.exception)
