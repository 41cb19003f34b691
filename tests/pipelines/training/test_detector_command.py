import hashlib
import json
from pathlib import Path
from shutil import copytree

import pytest
import yaml
from click.testing import CliRunner, Result

from datasets.errors import CarloopError
from datasets.files import is_complete, read_json
from datasets.rendering.write import write_rendered_cars
from training.errors import NothingToTrain, UntrustedCheckpoint
from training.evaluation.folder import recompute
from training.starting_weights import read_starting_weights

SETTINGS = {"image_size": 64, "epochs": 2, "batch": 4, "plain_epochs": 0, "threads": 2, "val_fraction": 0.25}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rendered cars and a configuration."""
    folder = tmp_path_factory.mktemp("train")
    write_rendered_cars(folder / "cars", cars=7, seed=0, size=96)
    (folder / "config.yaml").write_text(yaml.safe_dump(SETTINGS))
    return folder


def train(place: Path, *arguments: str) -> Result:
    from pipelines.training.detector import detector

    command = [str(place / "config.yaml"), "--data", str(place / "cars"), "--home", str(place / "home"), *arguments]
    return CliRunner().invoke(detector, [*command, "--no-mlflow"])


@pytest.fixture(scope="module")
def trained(place: Path) -> Result:
    return train(place, "epochs=1", "--json")


def run_of(result: Result) -> Path:
    return Path(json.loads(result.stdout)["run"])


def test_a_training_leaves_a_run_folder_with_everything(trained: Result) -> None:
    run = run_of(trained)

    assert trained.exit_code == 0
    assert is_complete(run)
    assert {path.name for path in run.iterdir()} == {
        "best", "test", "config.yaml", "run.json", "history.json", "test_report.json", "log.txt", "manifest.json",
        "losses.png", "metrics.png", "precision_recall.png", "confusion.png", "calibration.png", "worst_errors.png",
    }  # fmt: skip
    assert {"weights.safetensors", "model.onnx"} < {path.name for path in (run / "best").iterdir()}


def test_its_settings_are_those_of_the_file_and_the_command_line(trained: Result) -> None:
    config = yaml.safe_load((run_of(trained) / "config.yaml").read_text())

    assert config.items() >= {**SETTINGS, "epochs": 1, "seed": 0, "model": "yolov8n"}.items()


def test_its_report_can_be_made_again_from_the_files_beside_it(trained: Result) -> None:
    run = run_of(trained)

    assert recompute(run / "test") == read_json(run / "test_report.json")["test"]


def test_the_same_command_again_shows_what_is_there(place: Path, trained: Result) -> None:
    assert train(place, "epochs=1", "--json").stdout == trained.stdout


def test_a_test_picture_that_broke_while_it_trained_is_left_out_and_told(
    place: Path, trained: Result, tmp_path: Path
) -> None:
    copied = copytree(place, tmp_path / "place")
    run = copied / run_of(trained).relative_to(place)
    (run / "manifest.json").unlink()
    store = copied / "home" / "datasets" / "store"
    version = read_json(run / "test_report.json")["data"]
    images = read_json(copied / "home" / "datasets" / "versions" / version / "annotations.json")["images"]
    gone, broken = [store / image["file_name"] for image in images if image["split"] == "test"][:2]
    gone.unlink()
    broken.unlink()
    broken.write_bytes(b"no picture")

    again = train(copied, "epochs=1", "--json", "--data", version)

    assert again.exit_code == 0, again.output
    (told,) = (note for note in json.loads(again.stdout)["notes"] if note.startswith("of those to test on"))
    assert "2 of" in told
    assert gone.name in told


def test_an_unknown_setting_is_refused_before_anything_is_read(place: Path) -> None:
    error = train(place, "epoch=1").exception

    assert isinstance(error, CarloopError)
    assert "epoch: Extra inputs are not permitted" in str(error)


def test_a_pickle_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / "yolo.pt").write_bytes(b"a pickle")
    sha256 = hashlib.sha256(b"a pickle").hexdigest()

    for trust, told in ((None, f"pass --trust {sha256}"), ("0" * 64, f"has SHA-256 {sha256}, not the trusted 0000")):
        with pytest.raises(UntrustedCheckpoint, match=told):
            read_starting_weights(tmp_path / "yolo.pt", tmp_path, trust=trust)


def test_weights_without_pickle_need_no_trust(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"")

    assert read_starting_weights(tmp_path / "weights.safetensors", tmp_path, trust=None) == (
        tmp_path / "weights.safetensors",
        [],
    )


def test_absent_weights_are_told(tmp_path: Path) -> None:
    with pytest.raises(NothingToTrain, match=r"yolo\.pt is not there"):
        read_starting_weights(tmp_path / "yolo.pt", tmp_path, trust=None)
    (tmp_path / "weights.txt").write_bytes(b"words")
    with pytest.raises(NothingToTrain, match=r"weights\.txt holds no weights"):
        read_starting_weights(tmp_path / "weights.txt", tmp_path, trust=None)
