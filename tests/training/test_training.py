import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from safetensors.numpy import load_file

from datasets.coco import make_dataset, read_coco, write_coco
from datasets.files import is_complete, read_json
from datasets.taxonomy import Taxonomy
from training.bundle import BundleSpec, class_names, read_bundle, write_bundle
from training.errors import TrainingFailed
from training.evaluate import ClassifierScores, evaluate_bundle
from training.jobs import ClassifierJob, DetectorJob, run_training
from training.settings import ClassifierSettings

PARENT = """
import sys
from pathlib import Path
from training.jobs import JOB, run_training
run_training(JOB.validate_json(sys.argv[1]), log=Path(sys.argv[2]), on_epoch=lambda *_: print("epoch", flush=True))
"""


def run_quietly(job: DetectorJob | ClassifierJob) -> None:
    run_training(job, log=job.out.with_suffix(".log"), on_epoch=lambda *_: None)


def test_a_training_leaves_weights_graph_history_and_job(trained_detector: Path, detector_job: DetectorJob) -> None:
    names = {path.name for path in trained_detector.iterdir()}
    history = read_json(trained_detector / "history.json")

    assert names == {"weights.safetensors", "model.onnx", "history.json", "job.json", "manifest.json"}
    assert [row["epoch"] for row in history] == [1, 2]
    assert set(history[0]) == {"epoch", "box_loss", "cls_loss", "dfl_loss"}
    assert DetectorJob.model_validate_json((trained_detector / "job.json").read_bytes()) == detector_job


def test_nothing_is_left_beside_the_result(trained_detector: Path, store: Path) -> None:
    assert sorted(path.name for path in trained_detector.parent.iterdir()) == ["detector", "detector.log"]
    assert {path.suffix for path in store.rglob("*") if path.is_file()} == {".jpg", ".json"}


def test_the_same_job_gives_the_same_bytes(trained_detector: Path, detector_job: DetectorJob, tmp_path: Path) -> None:
    epochs: list[tuple[int, int]] = []
    again = detector_job.model_copy(update={"out": tmp_path / "again"})

    run_training(again, log=tmp_path / "log", on_epoch=lambda epoch, of, losses: epochs.append((epoch, of)))

    assert epochs == [(1, 2), (2, 2)]
    for name in ("weights.safetensors", "model.onnx"):
        assert (again.out / name).read_bytes() == (trained_detector / name).read_bytes()


def test_a_complete_training_is_not_run_again(trained_detector: Path, detector_job: DetectorJob) -> None:
    run_training(detector_job, log=Path("/nowhere"), on_epoch=lambda *_: pytest.fail("it ran"))


def test_a_training_goes_on_from_earlier_weights(
    trained_detector: Path, detector_job: DetectorJob, tmp_path: Path
) -> None:
    weights = trained_detector / "weights.safetensors"
    barely = detector_job.settings.model_copy(update={"learning_rate": 1e-9, "epochs": 1})
    job = detector_job.model_copy(update={"initial_weights": weights, "settings": barely, "out": tmp_path / "on"})

    run_quietly(job)

    name = "model.0.conv.weight"
    before, after = load_file(weights)[name], load_file(job.out / "weights.safetensors")[name]
    assert abs(before - after).max() < 1e-6


def test_a_dataset_without_boxes_says_so(
    detector_job: DetectorJob, taxonomy: Taxonomy, store: Path, tmp_path: Path
) -> None:
    dataset = read_coco(store / "annotations.json", taxonomy)
    write_coco(make_dataset(taxonomy, dataset.images, ()), tmp_path / "empty.json")
    job = detector_job.model_copy(update={"dataset": tmp_path / "empty.json", "out": tmp_path / "out"})

    with pytest.raises(TrainingFailed, match=r"empty\.json has no box on an image of the train split.*log: "):
        run_quietly(job)
    assert not job.out.exists()


def test_a_killed_worker_points_to_memory(detector_job: DetectorJob, tmp_path: Path) -> None:
    job = detector_job.model_copy(update={"out": tmp_path / "out"})

    def kill(*_: object) -> None:
        for child in psutil.Process().children():
            if "training.worker" in child.cmdline():  # other tests' servers are children too
                child.kill()

    with pytest.raises(TrainingFailed, match="was killed, most often for want of memory"):
        run_training(job, log=tmp_path / "log", on_epoch=kill)


def test_a_killed_parent_leaves_no_worker(detector_job: DetectorJob, tmp_path: Path) -> None:
    long = detector_job.settings.model_copy(update={"epochs": 10_000})
    job = detector_job.model_copy(update={"settings": long, "out": tmp_path / "out"})
    command = [sys.executable, "-c", PARENT, job.model_dump_json(), str(tmp_path / "log")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "epoch\n"
        workers = psutil.Process(parent.pid).children()
        parent.send_signal(signal.SIGKILL)

    _, alive = psutil.wait_procs(workers, timeout=10)

    assert len(workers) == 1
    assert alive == []
    assert not is_complete(job.out)


def test_a_classifier_learns_what_it_is_shown(
    detector_job: DetectorJob, store: Path, taxonomy: Taxonomy, tmp_path: Path
) -> None:
    settings = ClassifierSettings(model="resnet10t", image_size=64, epochs=12, batch=4, brightness=0, dropout=0)
    job = ClassifierJob(
        dataset=detector_job.dataset, taxonomy=taxonomy, store=store, out=tmp_path / "classifier", settings=settings
    )
    run_quietly(job)
    spec = BundleSpec(
        task="classifier",
        model="cleanliness_classifier",
        version="1",
        class_names=class_names(taxonomy, "classifier"),
        image_size=64,
    )
    bundle = read_bundle(tmp_path, write_bundle(tmp_path, spec, job.out / "model.onnx"))

    scores = evaluate_bundle(bundle, read_coco(job.dataset, taxonomy), store)

    assert scores == ClassifierScores(macro_f1=1.0, accuracy=1.0)
    assert json.loads((job.out / "job.json").read_text())["kind"] == "classifier"
