"""One peer of benchmarks.train_detector, alone in its process: `python -m benchmarks.train_detector_peer PEER FOLDER`.

The folder holds job.json, the training of both, and yolo/ with the same images and boxes as Ultralytics reads them.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from benchmarks.turns import Figures, peak_gib
from datasets.coco import Image, make_dataset, read_coco, write_coco
from datasets.files import write_bytes
from datasets.importing import ImportSettings, import_dataset
from datasets.merge import merge
from datasets.rendering.write import write_rendered_cars
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY
from training.bundle import class_names
from training.detector_data import Label, read_detector_data
from training.jobs import DetectorJob, worker_environment
from training.settings import DetectorSettings

Clock = Callable[[dict[str, float]], None]
"""Called with its losses when an epoch has ended."""


def write_peers_data(folder: Path, settings: DetectorSettings, *, cars: int, size: int) -> int:
    """Render cars, and write them for both peers; how many images there are."""
    write_rendered_cars(folder / "cars", cars=cars, seed=0, size=size)
    store = ImageStore(folder / "store")
    imported = import_dataset(folder / "cars", taxonomy=DEFAULT_TAXONOMY, store=store, settings=ImportSettings())
    merged = merge(imported.datasets, taxonomy=DEFAULT_TAXONOMY)
    images = [_learnt(image) for image in merged.images]
    write_coco(make_dataset(merged.taxonomy, images, merged.annotations), folder / "annotations.json")
    job = DetectorJob(
        dataset=folder / "annotations.json",
        taxonomy=DEFAULT_TAXONOMY,
        store=store.root,
        out=folder / "trained",
        settings=settings,
    )
    write_bytes(folder / "job.json", job.model_dump_json().encode())
    labels = read_detector_data(job, read_coco(job.dataset, job.taxonomy)).labels
    for label in labels:
        _write_label(folder / "yolo", label)
    names = dict(enumerate(class_names(job.taxonomy, "detector")))
    described = {"path": str(folder / "yolo"), "train": "images", "val": "images", "names": names}
    write_bytes(folder / "yolo" / "data.yaml", json.dumps(described).encode())
    return len(labels)


def _learnt(image: Image) -> Image:
    return replace(image, split="train", views=())


def _write_label(folder: Path, label: Label) -> None:
    picture = Path(label["im_file"])
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "images" / picture.name).symlink_to(picture)
    rows = [
        " ".join([str(int(class_id)), *(f"{value:.9g}" for value in box)])
        for (class_id,), box in zip(label["cls"], label["bboxes"], strict=True)
    ]
    (folder / "labels" / f"{picture.stem}.txt").write_text("\n".join(rows))


def train_ours(folder: Path, job: DetectorJob, on_epoch: Clock) -> None:
    """As a training's worker does."""
    from training.detector import train_detector

    train_detector(job, on_epoch=lambda epoch, epochs, losses: on_epoch(losses), on_note=lambda _: None)


def train_stock(folder: Path, job: DetectorJob, on_epoch: Clock) -> None:
    """Ultralytics' own trainer, with the same options and its own data, precision and memory format."""
    from ultralytics.models.yolo.detect import DetectionTrainer
    from ultralytics.utils import SETTINGS

    from training.detector import ultralytics_options

    SETTINGS["mlflow"] = False  # or it fills a database in the current folder, which takes time too
    batch = job.settings.batch if isinstance(job.settings.batch, int) else -1
    options = ultralytics_options(job, batch=batch, images=1)
    del options["amp"]
    own = {"data": str(folder / "yolo" / "data.yaml"), "cache": "ram", "close_mosaic": job.settings.plain_epochs}
    trainer = DetectionTrainer(overrides={**options, **own, "save_dir": str(folder / "stock")})
    trainer.add_callback("on_fit_epoch_end", lambda one: on_epoch({k: float(v) for k, v in one.tloss.items()}))
    trainer.validate = lambda: ({}, 0.0)
    trainer.save_model = lambda: False
    trainer.final_eval = lambda: None
    trainer.train()


PEERS = {"ours": train_ours, "stock": train_stock}


def run_peer(peer: str, folder: Path) -> Figures:
    """Seconds from the first epoch's end to the last one's, and the last one's losses."""
    job = DetectorJob.model_validate_json((folder / "job.json").read_bytes())
    job = job.model_copy(update={"out": folder / f"{peer}-{os.getpid()}"})
    clock: list[tuple[float, float]] = []
    told: list[dict[str, float]] = []

    def on_epoch(losses: dict[str, float]) -> None:
        clock.append((time.perf_counter(), time.process_time()))
        told.append(losses)

    if job.settings.threads:
        import torch

        torch.set_num_threads(job.settings.threads)
    with contextlib.redirect_stdout(sys.stderr):
        PEERS[peer](folder, job, on_epoch)
    (start, start_cpu), (end, end_cpu) = clock[0], clock[-1]
    figures = {"seconds": end - start, "cpu_seconds": end_cpu - start_cpu, "peak_gib": peak_gib()}
    return {**figures, "losses": {name: round(value, 4) for name, value in told[-1].items()}}


if __name__ == "__main__":
    os.environ.update(worker_environment(Path(sys.argv[2])))
    print(json.dumps(run_peer(sys.argv[1], Path(sys.argv[2]))))
