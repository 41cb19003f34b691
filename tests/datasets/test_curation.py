"""Reviews in a real FiftyOne and MongoDB, in another process: FiftyOne is one per process."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from pipelines.project import Project
from pipelines.runs import make_run
from pipelines.services import start_mongodb

REVIEW = """
import io, json, sys
from pathlib import Path
from PIL import Image as PillowImage
from datasets.labelled import LabelledObject
from datasets.coco import Annotation, Image, Provenance, Tag, make_dataset
from datasets.comparison import Fate
from datasets.curation import open_fiftyone, write_review
from datasets.ledger import FateRow
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY as taxonomy

folder = Path(sys.argv[1])
store = ImageStore(folder / "store")
images = []
for shade in (10, 200):
    content = io.BytesIO()
    PillowImage.new("RGB", (100, 50), (shade, 0, 0)).save(content, "PNG")
    stored = store.write_image(content.getvalue())
    said = Provenance(license="CC0-1.0", page_url="https://a.example/1")
    images.append(Image(stored.sha256, stored.file_name, 100, 50, "car 1", "train", source=said, tags=(Tag(10),)))
sha256 = images[0].sha256
dataset = make_dataset(taxonomy, images, [Annotation(sha256, 5, (10, 10, 20, 20), source="semi-auto")])
before = LabelledObject("dent", (10.0, 10.0, 40.0, 30.0), 7, 0.87)
after = LabelledObject("dent", (10.0, 10.0, 30.0, 30.0), 7)
fates = [FateRow(sha256, "damage_detector@3", Fate("moved", before, after, 2 / 3))]
with open_fiftyone(sys.argv[2]) as fo:
    counts = [write_review(fo, "cars", dataset, fates, store) for _ in range(2)]
    less = write_review(fo, "fewer", dataset.only([sha256]), (), store)
    sample = fo.load_dataset("cars").match({"sha256": sha256}).first()
    datasets = fo.list_datasets()
truth, prelabel = sample.ground_truth.detections[0], sample.prelabels.detections[0]
print(json.dumps({
    "counts": counts, "less": less, "datasets": datasets,
    "photograph": Path(sample.filepath).is_file(), "tags": sample.tags, "family": sample.family,
    "license": sample.license, "page_url": sample.page_url,
    "whole_image": [c.label for c in sample.whole_image.classifications],
    "truth": [truth.label, truth.bounding_box, truth.drawn_by],
    "prelabel": [prelabel.label, prelabel.bounding_box, prelabel.confidence, prelabel.model, prelabel.verdict],
}))
"""


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What FiftyOne shows after the same review was written twice."""
    folder = tmp_path_factory.mktemp("review")
    run = make_run(folder / "run", Project(), key="review")
    with start_mongodb(run) as uri:
        ended = subprocess.run(
            [sys.executable, "-c", REVIEW, str(folder), uri],
            env={**os.environ, "HOME": str(folder)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert ended.returncode == 0, ended.stderr
    shown: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return shown


def test_a_review_written_again_shows_the_same_photographs_once(review: dict[str, Any]) -> None:
    assert (review["counts"], review["less"], review["datasets"]) == ([2, 2], 1, ["cars", "fewer"])


def test_a_photograph_is_shown_by_reference_with_where_it_came_from(review: dict[str, Any]) -> None:
    assert review["photograph"]
    assert (review["license"], review["page_url"], review["family"]) == ("CC0-1.0", "https://a.example/1", "car 1")
    assert review["tags"] == ["train"]


def test_labels_are_shown_in_parts_of_the_image_with_who_drew_them(review: dict[str, Any]) -> None:
    assert review["truth"] == ["dent", [0.1, 0.2, 0.2, 0.4], "semi-auto"]
    assert review["whole_image"] == ["dirty"]


def test_prelabels_are_shown_with_their_model_and_verdict(review: dict[str, Any]) -> None:
    assert review["prelabel"] == ["dent", [0.1, 0.2, 0.3, 0.4], 0.87, "damage_detector@3", "moved"]


def test_no_mongodb_at_the_address_is_told_with_what_to_do() -> None:
    ask = "from datasets.curation import open_fiftyone as o; o('mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200').__enter__()"
    ended = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False, timeout=120)
    assert "datasets.errors.Unavailable" in ended.stderr
    assert "FIFTYONE_DATABASE_URI" in ended.stderr
