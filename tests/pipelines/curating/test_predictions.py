"""Predictions that are given to `carloop curate sync`: taken where they can be, refused with what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from datasets.coco import Dataset, from_records
from datasets.errors import BadDataset
from datasets.records import CategoryRecord, CocoFile, ImageRecord
from datasets.versions import taxonomy_of
from pipelines.curating.cli import curate
from pipelines.curating.predictions import read_predictions

SHA256 = "ab" * 32
CONTENT = CocoFile(
    [CategoryRecord(1, "dent")],
    [ImageRecord(sha256=SHA256, file_name="images/ab/a.jpg", width=100, height=80, family="a", id=1)],
    [],
)
RESULT = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.5}


def read(folder: Path, text: str) -> Dataset:
    path = folder / "predictions.json"
    path.write_text(text)
    return read_predictions(path, CONTENT, from_records(CONTENT, taxonomy_of(CONTENT)))


def as_dataset(result: dict[str, Any]) -> dict[str, Any]:
    """The same as a COCO dataset with a score."""
    return {
        "categories": [{"id": 1, "name": "dent"}],
        "images": [
            {"id": 1, "sha256": SHA256, "file_name": "images/ab/a.jpg", "width": 100, "height": 80, "family": "a"}
        ],
        "annotations": [{"id": 1, **result}],
    }


@pytest.mark.parametrize("bbox", [[10, 10, 20, 20], [-3, -3, 110, 90], [100, 0, 0, 10]])
def test_a_box_may_reach_over_the_edges_and_may_be_empty(tmp_path: Path, bbox: list[float]) -> None:
    (said,) = read(tmp_path, json.dumps([{**RESULT, "bbox": bbox}])).annotations
    assert said.bbox_xywh == tuple(bbox)


@pytest.mark.parametrize("score", [7.0, -0.1])
def test_a_score_that_is_no_probability_is_refused(tmp_path: Path, score: float) -> None:
    for told in ([{**RESULT, "score": score}], as_dataset({**RESULT, "score": score})):
        with pytest.raises(BadDataset, match=f"has, on image abab.*the score {score:g}, which is not from 0 to 1"):
            read(tmp_path, json.dumps(told))


@pytest.mark.parametrize("bbox", [[0, 0, -5, 5], [1e300, 1e300, 5, 5], [0, 0, 1e300, 5], [0, 200, 5, 5]])
def test_a_box_that_is_no_part_of_its_image_is_refused(tmp_path: Path, bbox: list[float]) -> None:
    for told in ([{**RESULT, "bbox": bbox}], as_dataset({**RESULT, "bbox": bbox})):
        with pytest.raises(BadDataset, match="which is no part of its 100x80 pixels"):
            read(tmp_path, json.dumps(told))


@pytest.mark.parametrize("text", ["image,score\na.jpg,0.5\n", '[{"image_id": 1, "category_id": 1, "score": 0.5}]'])
def test_another_file_is_refused_with_what_is_wanted(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadDataset, match=r"predictions\.json of carloop model evaluate --on VERSION"):
        read(tmp_path, text)


def test_the_help_names_a_file_that_carloop_writes() -> None:
    told = " ".join(CliRunner().invoke(curate, ["sync", "--help"]).output.split())
    assert "predictions.json of carloop model evaluate MODEL --on VERSION" in told
    assert "carloop predict" not in told
