import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from safetensors.numpy import load_file, save_file

from datasets.coco import Dataset, make_dataset, read_coco, write_coco
from datasets.files import read_json
from datasets.taxonomy import Taxonomy
from training.jobs import DetectorJob, worker_environment

SCRIPT = Path(__file__).with_name("detector_runs.py")
HARD = {
    "model": "yolov8n-seg", "epochs": 2, "batch": 4, "plain_epochs": 1,
    "mixup": 0.5, "class_weights": 0.5, "val_fraction": 0.3,
}  # fmt: skip


@dataclass(frozen=True)
class Runs:
    """What became of each run, by its name."""

    folder: Path
    told: Mapping[str, Mapping[str, Any]]

    def out(self, name: str) -> Path:
        return self.folder / name

    def history(self, name: str) -> Any:
        return read_json(self.out(name) / "history.json")

    def notes(self, name: str) -> str:
        return "\n".join(self.told[name]["notes"])


def partly_labelled(dataset: Dataset) -> Dataset:
    """Each image was searched only for the class that it shows."""
    images = (replace(image, neg_category_ids=()) for image in dataset.images)
    return make_dataset(dataset.taxonomy, images, dataset.annotations)


def outlined(dataset: Dataset) -> Dataset:
    """The first box of all gets an outline: a triangle."""
    first, *others = dataset.annotations
    x, y, width, height = first.bbox_xywh
    triangle = replace(first, segmentation=((x, y, x + width, y, x, y + height),))
    return make_dataset(dataset.taxonomy, dataset.images, [triangle, *others])


@pytest.fixture(scope="module")
def runs(store: Path, taxonomy: Taxonomy, detector_job: DetectorJob, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("runs")
    write_coco(outlined(partly_labelled(read_coco(store / "annotations.json", taxonomy))), folder / "partial.json")
    save_file({"model.0.conv.weight": np.full((16, 3, 3, 3), np.nan, np.float32)}, folder / "broken.safetensors")

    def job(name: str, checkpoints: str | None = None, weights: str | None = None, **settings: Any) -> dict[str, Any]:
        told = detector_job.model_copy(
            update={
                "dataset": folder / "partial.json",
                "out": folder / name,
                "settings": detector_job.settings.model_copy(update=settings),
                "halvings": 1,
                "checkpoints": folder / checkpoints if checkpoints else None,
                "initial_weights": folder / weights if weights else None,
            }
        )
        return {"name": name, "job": told.model_dump(mode="json")}

    asked = [
        job("undisturbed", "checkpoints of one", **HARD),
        job("killed", "checkpoints of another", **HARD) | {"kill_after": 1},
        job("resumed", "checkpoints of another", **HARD),
        job("diverging", weights="broken.safetensors"),
    ]
    (folder / "runs.json").write_text(json.dumps(asked))
    with (folder / "log").open("wb") as log:
        command = [sys.executable, str(SCRIPT), str(folder / "runs.json"), str(folder / "results.json")]
        subprocess.run(command, check=True, stdout=log, stderr=log, env=worker_environment(folder))
    return Runs(folder, read_json(folder / "results.json"))


def test_a_training_that_was_killed_goes_on_to_the_same_end(runs: Runs) -> None:
    assert runs.told["killed"]["code"] == -9
    assert not runs.out("killed").exists()
    assert runs.history("resumed") == runs.history("undisturbed")
    assert [row["epoch"] for row in runs.history("resumed")] == [1, 2]
    undisturbed = load_file(runs.out("undisturbed") / "weights.safetensors")
    for name, value in load_file(runs.out("resumed") / "weights.safetensors").items():
        np.testing.assert_array_equal(value, undisturbed[name])


def test_the_families_kept_back_rate_every_epoch(runs: Runs) -> None:
    losses = {"box_loss", "seg_loss", "cls_loss", "dfl_loss", "sem_loss"}
    assert set(runs.history("resumed")[0]) == {"epoch", "batch", "val_map50", "val_map50_95", *losses}


def test_a_halved_batch_is_told_with_each_epoch(runs: Runs) -> None:
    assert [row["batch"] for row in runs.history("resumed")] == [2, 2]


def test_only_the_last_epoch_is_kept_beside_the_best(runs: Runs) -> None:
    names = {path.name for path in (runs.folder / "checkpoints of one").iterdir()}

    assert names == {"epoch-00002", "best.safetensors"}


def test_a_segmentation_model_leaves_a_graph_with_prototypes(runs: Runs) -> None:
    assert b"prototypes" in (runs.out("resumed") / "model.onnx").read_bytes()


def test_a_loss_that_is_no_number_ends_the_training_in_a_sentence(runs: Runs) -> None:
    assert runs.told["diverging"]["code"] == 1
    assert "TrainingFailed: the loss is no number in epoch 1; lower learning_rate" in runs.notes("diverging")


def test_what_is_known_follows_each_pixel_through_mosaic_and_mixup(runs: Runs) -> None:
    assert runs.told["masks"]["mosaic"] > 0.97  # the rest are edges, where colours are interpolated
    assert runs.told["masks"]["blend"] > 0.94


def test_an_unknown_class_pulls_at_nothing(runs: Runs) -> None:
    known, unknown = runs.told["gradients"]

    assert known > 0
    assert unknown == 0
