"""`carloop train classifier` and `segmenter`, from a config to a run folder, with tiny networks."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from datasets.errors import CarloopError
from datasets.files import MANIFEST, read_json
from pipelines.modelling.place import find_place
from pipelines.training.classifier import classifier
from pipelines.training.classifier_run import ClassifierConfig
from pipelines.training.config import read_config
from pipelines.training.tracking import log_run
from training.bundle import file_sha256
from training.registry import Registry
from training.run_folder import RunFolder
from training.settings import SegmenterSettings

CONFIGS = Path(__file__).parents[3] / "configs"
TINY = ("model=test_resnet", "pretrained=false", "image_size=32", "epochs=2", "batch=8", "threads=1", "ema_decay=null")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(classifier, [str(CONFIGS / "cleanliness-fast.yaml"), *TINY, *arguments])


def run_json(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output or result.exception
    told: dict[str, Any] = json.loads(result.stdout)
    return told


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of each class, red squares and blue ones, and a broken one."""
    root = tmp_path_factory.mktemp("classes") / "cars"
    chance = np.random.default_rng(0)
    for number in range(24):
        pixels = chance.integers(80, 160, (32, 32, 3), dtype=np.uint8)
        pixels[4:24, 4:24] = (255, 0, 0) if number % 2 else (0, 0, 255)
        path = root / ("dirty", "clean")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), pixels)
    (root / "clean" / "broken.jpg").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="module")
def told(folders: Path) -> dict[str, Any]:
    return run_json("--data", str(folders), "--home", str(folders.parent / "home"))


def mlflow_runs(home: Path) -> tuple[Any, list[Any]]:
    """A client of a home's MLflow, and all its runs."""
    from mlflow.tracking import MlflowClient

    uri = find_place(home, None).registry.uri
    client = MlflowClient(uri, uri)
    return client, list(client.search_runs([client.get_experiment_by_name("carloop").experiment_id]))


def test_mlflow_has_settings_metrics_by_epoch_files_and_where_the_data_came_from(
    told: dict[str, Any], folders: Path
) -> None:
    client, (logged,) = mlflow_runs(folders.parent / "home")
    history = read_json(Path(told["run"]) / "history.json")

    assert logged.info.status == "FINISHED"
    assert logged.data.params.items() >= {"model": "test_resnet", "epochs": "2", "seed": "0"}.items()
    assert logged.data.tags.items() >= {"carloop.task": "classifier", "carloop.dataset": str(folders)}.items()
    assert logged.data.metrics["test_accuracy"] == told["accuracy"]
    losses = [(one.step, one.value) for one in client.get_metric_history(logged.info.run_id, "loss")]
    assert losses == [(row["epoch"], row["loss"]) for row in history]
    assert {"best", "test_report.json"} <= {one.path for one in client.list_artifacts(logged.info.run_id)}


def test_a_log_that_was_cut_short_is_completed_and_doubles_nothing(told: dict[str, Any], folders: Path) -> None:
    (Path(told["run"]) / "mlflow.json").unlink()

    assert run_json("--data", str(folders), "--home", str(folders.parent / "home")) == told

    client, (logged,) = mlflow_runs(folders.parent / "home")
    assert len(client.get_metric_history(logged.info.run_id, "loss")) == 2


def test_an_mlflow_that_cannot_be_used_is_told_and_costs_only_the_log(told: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "mlflow.sqlite").write_bytes(b"no database, and longer than a page of one would begin" * 20)
    run_folder = tmp_path / "run"
    shutil.copytree(told["run"], run_folder, ignore=lambda *_: ["mlflow.json"])

    problem = log_run(RunFolder(run_folder), Registry(f"sqlite:///{tmp_path}/mlflow.sqlite", tmp_path / "files"), {})

    assert problem is not None
    assert "has no log of this run" in problem
    assert "not a database" in problem
    assert not (run_folder / "mlflow.json").exists()


def test_a_run_folder_has_everything(told: dict[str, Any], folders: Path) -> None:
    folder = Path(told["run"])
    report, manifest = read_json(folder / "test_report.json"), read_json(folder / MANIFEST)

    assert told["classes"] == ["dirty", "clean"]
    assert {
        "config.yaml", "history.json", "test_report.json", "test_predictions.csv", "losses.png", "metrics.png",
        "confusion.png", "precision_recall.png", "worst_errors.png", "best/weights.safetensors", "best/model.onnx",
    } <= set(manifest["files"])  # fmt: skip
    assert all(file_sha256(folder / name) == digest for name, digest in manifest["files"].items())
    assert {"macro_f1", "accuracy", "auc_roc", "ece", "confusion", "by_class"} == set(report["test"])
    assert any("broken.jpg" in note for note in report["notes"])
    assert not (folder / "checkpoints").exists()


def test_scores_follow_from_the_predictions_beside_them(told: dict[str, Any]) -> None:
    folder = Path(told["run"])
    lines = [line.split(",") for line in (folder / "test_predictions.csv").read_text().splitlines()]
    names = lines[0][2:]

    right = [names[int(np.argmax([float(value) for value in row[2:]]))] == row[1] for row in lines[1:]]

    assert np.mean(right) == read_json(folder / "test_report.json")["test"]["accuracy"]


def test_the_same_command_again_does_nothing_anew(told: dict[str, Any], folders: Path) -> None:
    history = Path(told["run"]) / "history.json"
    written = history.stat().st_mtime_ns

    assert run_json("--data", str(folders), "--home", str(folders.parent / "home")) == told
    assert history.stat().st_mtime_ns == written


def test_one_class_alone_is_refused_before_anything_is_trained(folders: Path, tmp_path: Path) -> None:
    result = run("--data", str(folders), "--home", str(tmp_path), "classes=[clean, muddy]")

    assert isinstance(result.exception, CarloopError)
    assert "has only 'clean' in the train split, of clean, muddy" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("override", ["epoch=3", "batch=1", "classes=[dirty, dirty]"])
def test_settings_that_do_not_fit_are_refused(folders: Path, tmp_path: Path, override: str) -> None:
    result = run("--data", str(folders), "--home", str(tmp_path), override)

    assert isinstance(result.exception, CarloopError)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("cleanliness-fast", 2),
        ("cleanliness-quality", 2),
        ("cleanliness-maximum", 2),
        ("damaged-whole", 2),
        ("lados-resnet50", 6),
        ("lados-efficientnet-b0", 6),
        ("lados-vit-b16", 6),
    ],
)
def test_shipped_configurations_fit(name: str, classes: int) -> None:
    import timm

    config = read_config(CONFIGS / f"{name}.yaml", ClassifierConfig)

    assert len(config.classes) == classes
    assert timm.is_model(config.model)


def test_the_segmenters_configuration_fits() -> None:
    assert read_config(CONFIGS / "segmenter.yaml", SegmenterSettings).backbone == "resnet50"
