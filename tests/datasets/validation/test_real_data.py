"""What is wrong with two real datasets; CARLOOP_REAL_DATA says where they are, without it these tests are skipped."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets.validation.repair import repair_dataset
from datasets.validation.report import Report
from datasets.validation.validate import validate_dataset

REAL_DATA = "CARLOOP_REAL_DATA"


@pytest.fixture
def real() -> Callable[[str], Path]:
    def find(name: str) -> Path:
        if not os.environ.get(REAL_DATA):
            pytest.skip(f"{REAL_DATA} does not say where real datasets are")
        return Path(os.environ[REAL_DATA]) / name

    return find


def test_damaged_parts_has_boxes_that_reach_out_and_areas_of_boxes_on_polygons(
    real: Callable[[str], Path], codes: Callable[[Report], dict[str, list[str]]]
) -> None:
    report = validate_dataset(real("damaged-parts"))
    assert report.counts == {"bbox-partly-outside": 4, "area-mismatch": 6, "unused-category": 1}
    assert codes(report)["unused-category"] == ["categories[0]"]
    assert report.pictures == 630


def test_damaged_parts_is_sound_when_repaired(real: Callable[[str], Path], tmp_path: Path) -> None:
    report = repair_dataset(real("damaged-parts"), tmp_path / "out")
    assert (report.counts, len(report.repairs)) == ({"unused-category": 1}, 14)


def test_car_scratch_has_43_photographs_in_train_and_test_with_other_class_names(real: Callable[[str], Path]) -> None:
    report = validate_dataset(real("car-scratch"))
    assert report.counts["same-source-across-splits"] == report.counts["contradicting-classes"] == 43
    assert (report.counts["area-mismatch"], report.count("error"), report.pictures) == (3, 0, 1221)
