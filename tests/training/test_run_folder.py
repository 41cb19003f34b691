from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from datasets.files import read_json
from training.bundle import file_sha256
from training.run_folder import open_run, write_results

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
CONFIG = {"epochs": 3, "model": "yolov8n"}


def test_a_run_is_named_by_its_time_and_holds_its_settings(tmp_path: Path) -> None:
    with open_run(tmp_path, task="detector", key="a" * 64, config=CONFIG, now=NOW) as run:
        assert run.path.name == "2026-03-01T12-30-00Z"
        assert yaml.safe_load((run.path / "config.yaml").read_text()) == CONFIG
        assert not run.is_finished


def test_the_same_key_finds_its_folder_again_and_another_does_not(tmp_path: Path) -> None:
    places = []
    for minutes, task, key in (
        (0, "detector", "a"),
        (1, "detector", "a"),
        (2, "detector", "b"),
        (3, "classifier", "a"),
    ):
        with open_run(tmp_path, task=task, key=key, config=CONFIG, now=NOW + timedelta(minutes=minutes)) as run:
            places.append(run.path)

    assert places[0] == places[1]
    assert len(set(places)) == 3


def test_a_fresh_run_within_the_same_second_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    with open_run(tmp_path, task="detector", key="a", config=CONFIG, now=NOW) as first:
        pass
    with open_run(tmp_path, task="detector", key="a", config=CONFIG, now=NOW, fresh=True) as second:
        pass
    with open_run(tmp_path, task="detector", key="a", config=CONFIG, now=NOW) as third:
        pass

    assert first.path != second.path == third.path


def test_a_broken_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "run.json").write_text("{")

    with open_run(tmp_path, task="detector", key="a", config=CONFIG, now=NOW) as run:
        assert run.path.name != "older"


def test_a_finished_run_has_results_and_the_digest_of_each_file(tmp_path: Path) -> None:
    with open_run(tmp_path, task="detector", key="a", config=CONFIG, now=NOW) as run:
        run.best.mkdir()
        (run.best / "model.onnx").write_bytes(b"graph")
        run.log.write_text("whatever libraries said")
        write_results(run, history=[{"epoch": 1, "loss": 0.5}], report={"map50": 0.25}, pictures={"losses.png": b"png"})

        assert run.is_finished
        assert run.read_history() == [{"epoch": 1, "loss": 0.5}]
        assert run.read_report() == {"map50": 0.25}
        files = read_json(run.path / "manifest.json")["files"]
        assert files["best/model.onnx"] == file_sha256(run.best / "model.onnx")
        assert {"config.yaml", "history.json", "test_report.json", "losses.png", "run.json"} < set(files)
        assert "log.txt" not in files
