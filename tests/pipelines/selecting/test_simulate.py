"""`carloop simulate`: replays that go on where they were, curves over seeds, and the pinned benchmark."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from benchmarks.label_economy import read_pinned
from benchmarks.selection_speed import run_here
from datasets.errors import BadInput
from pipelines.selecting import replaying
from pipelines.selecting.learners import average_precision
from pipelines.selecting.replaying import Replay
from tests.pipelines.selecting.conftest import publish_models, simulate

ARGUMENTS = ("--strategies", "random,mix,disagreement", "--seeds", 2, "--rounds", 2, "--start", 6, "--budget", 5)


@pytest.fixture(scope="module")
def played(truth: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    home = tmp_path_factory.mktemp("simulated")
    done = simulate("--truth", truth, *ARGUMENTS, "--home", home, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert isinstance(told, dict)
    return told


def test_curves_have_a_point_for_each_round_with_intervals_over_seeds(played: dict[str, dict]) -> None:  # type: ignore[type-arg]
    for found in played["strategies"].values():
        assert [point["labelled"] for point in found["points"]] == [6, 11, 16]
        assert all(
            point["quality"]["low"] <= point["quality"]["mean"] <= point["quality"]["high"] for point in found["points"]
        )
        assert found["next_round"]["labelled"] == 16
    starts = {found["points"][0]["quality"]["mean"] for found in played["strategies"].values()}
    assert len(starts) == 1


def test_labels_saved_are_told_against_random_alone(played: dict[str, dict]) -> None:  # type: ignore[type-arg]
    saved = {name: found["labels_for_the_quality_of_random"] for name, found in played["strategies"].items()}
    assert saved["random"] is None
    assert set(saved["mix"]["by_seed"]) == {"0", "1"}


def test_picture_and_page_lie_beside_the_numbers(played: dict[str, str]) -> None:
    folder = Path(played["folder"])
    assert (folder / "value.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "value.html").read_text()
    assert "Labels saved" in page
    assert "mix" in page
    assert json.loads((folder / "value.json").read_text()) == played


def test_a_replay_that_was_stopped_goes_on_to_the_same_end(
    truth: Path, played: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = replaying.write_json
    left = iter(range(5))

    def stop(path: Path, value: object) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        written(path, value)

    monkeypatch.setattr(replaying, "write_json", stop)
    assert simulate("--truth", truth, *ARGUMENTS, "--home", tmp_path).exit_code == 1
    monkeypatch.undo()
    done = json.loads(simulate("--truth", truth, *ARGUMENTS, "--home", tmp_path, "--json").stdout)
    assert done["strategies"] == played["strategies"]


def test_a_finished_simulation_learns_nothing_again(
    truth: Path, played: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(Path(played["folder"]).parents[1], tmp_path / "home")
    monkeypatch.setattr(Replay, "_learn", lambda *_: pytest.fail("a round was played again"))
    done = simulate("--truth", truth, *ARGUMENTS, "--home", tmp_path / "home", "--json")
    assert json.loads(done.stdout)["strategies"] == played["strategies"]


def test_features_may_come_from_a_published_model(truth: Path, tmp_path: Path) -> None:
    bundle = publish_models(tmp_path / "bundles", tmp_path)["classifier"]
    more = ("--seeds", 1, "--rounds", 1, "--start", 6, "--budget", 5)
    done = simulate("--truth", truth, "--features", bundle, *more, "--home", tmp_path / "home")
    assert done.exit_code == 0, done.output
    assert "mean AP of classes present" in done.stdout


def test_rounds_end_when_the_images_do(truth: Path, tmp_path: Path) -> None:
    more = ("--strategies", "families", "--seeds", 1, "--rounds", 9, "--start", 20, "--budget", 20)
    told = json.loads(simulate("--truth", truth, *more, "--home", tmp_path, "--json").stdout)
    assert told["strategies"]["families"]["points"][-1]["labelled"] == told["train_images"]


def test_more_images_than_there_are_is_told(truth: Path, tmp_path: Path) -> None:
    done = simulate("--truth", truth, "--start", 500, "--home", tmp_path)
    assert isinstance(done.exception, BadInput)
    assert "ask for fewer" in str(done.exception)


def test_an_unknown_strategy_is_told_with_the_known(truth: Path, tmp_path: Path) -> None:
    done = simulate("--truth", truth, "--strategies", "random,guess", "--home", tmp_path)
    assert done.exit_code == 2
    assert "'guess' is unknown; choose among mix, random" in done.stderr


def test_average_precision_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.random(50) < 0.3, rng.integers(0, 9, 50) / 9
    assert math.isclose(average_precision(truth, scores), metrics.average_precision_score(truth, scores))


def test_what_the_benchmark_plays_is_pinned() -> None:
    pinned = read_pinned()
    assert (pinned.strategies, pinned.seeds, pinned.simulation.learner) == (("random", "mix"), 5, "detector")
    assert pinned.project.selection == type(pinned.project.selection)()


def test_the_speed_of_choosing_is_measured_beside_the_plain_way() -> None:
    runs = [run_here(case, images=60, numbers=8, budget=10) for case in ("clustered mix", "noise plain")]
    assert all(run.seconds >= 0 and run.gibibytes > 0 for run in runs)
