"""Eight small pictures of coloured squares on noise, as a dataset version in a store."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.coco import Annotation, Image, Tag, make_dataset, with_negatives, write_coco
from datasets.taxonomy import Category, Taxonomy
from training.jobs import DetectorJob, run_training
from training.settings import DetectorSettings

SIZE = 64
SETTINGS = DetectorSettings(image_size=SIZE, epochs=2, batch=4, plain_epochs=0, warmup_epochs=0)


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return Taxonomy(
        categories=(
            Category(name="dent"),
            Category(name="damaged hood"),
            Category(name="clean", kind="tag"),
            Category(name="dirty", kind="tag"),
        )
    )


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, taxonomy: Taxonomy) -> Path:
    """A folder with images/ and annotations.json; one box reaches out of its image."""
    folder = tmp_path_factory.mktemp("store")
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(8):
        pixels = rng.integers(80, 160, (48, SIZE, 3), dtype=np.uint8)
        left, top, category_id = 4 + 5 * number, 8 + 2 * number, 1 + number % 2
        pixels[top : top + 20, left : left + 24] = (255, 0, 0) if category_id == 1 else (0, 0, 255)
        content = cv2.imencode(".jpg", pixels)[1].tobytes()
        sha256 = hashlib.sha256(content).hexdigest()
        file_name = f"images/{sha256[:2]}/{sha256}.jpg"
        (folder / file_name).parent.mkdir(parents=True, exist_ok=True)
        (folder / file_name).write_bytes(content)
        tags = (Tag(taxonomy.category_id("clean" if number % 2 else "dirty")),)
        images.append(Image(sha256, file_name, SIZE, 48, family=str(number), split="train", tags=tags))
        annotations.append(Annotation(sha256, category_id, (left, top, 24, 20)))
    dataset = make_dataset(taxonomy, images, annotations)
    write_coco(with_negatives(dataset, taxonomy.ids()), folder / "annotations.json")
    return folder


@pytest.fixture(scope="session")
def detector_job(store: Path, taxonomy: Taxonomy, tmp_path_factory: pytest.TempPathFactory) -> DetectorJob:
    return DetectorJob(
        dataset=store / "annotations.json",
        taxonomy=taxonomy,
        store=store,
        out=tmp_path_factory.mktemp("trainings") / "detector",
        settings=SETTINGS,
    )


@pytest.fixture(scope="session")
def trained_detector(detector_job: DetectorJob) -> Path:
    """The folder of a detector trained for two epochs."""
    run_training(detector_job, log=detector_job.out.with_suffix(".log"), on_epoch=lambda *_: None)
    return detector_job.out
