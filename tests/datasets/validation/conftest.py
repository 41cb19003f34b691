"""A sound dataset of two photographs, to be spoilt."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from datasets.validation.report import Report
from datasets.validation.validate import validate_dataset

Document = dict[str, Any]
Write = Callable[..., Path]


def picture(number: int, *, width: int = 64, height: int = 48, form: str = "JPEG", **save: Any) -> bytes:
    """A picture's file; another number is another picture."""
    pixels = np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8)
    content = io.BytesIO()
    PillowImage.fromarray(pixels).save(content, form, **save)
    return content.getvalue()


@pytest.fixture(scope="session", name="picture")
def _picture() -> Callable[..., bytes]:
    return picture


@pytest.fixture
def document() -> Document:
    """Two photographs of 64 x 48 pixels with a box, a polygon and a mask."""
    return {
        "info": {"year": 2026},
        "categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "scratch"}],
        "images": [
            {"id": 1, "file_name": "7_front.jpg", "width": 64, "height": 48, "family": "seven"},
            {"id": 2, "file_name": "8_rear.jpg", "width": 64, "height": 48},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 12, 20.5, 8], "area": 164, "note": "box"},
            {
                "id": 2,
                "image_id": 1,
                "category_id": 2,
                "bbox": [4, 4, 40, 30],
                "area": 1200,
                "segmentation": [[4, 4, 44, 4, 44, 34, 4, 34]],
                "iscrowd": 0,
            },
            {
                "id": 3,
                "image_id": 2,
                "category_id": 1,
                "bbox": [0, 0, 32, 48],
                "area": 1536,
                "segmentation": {"size": [48, 64], "counts": [0, 1536, 1536]},
                "iscrowd": 1,
            },
        ],
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Put a COCO file, as a value, a text or bytes, and the photographs into a folder; None leaves one out."""

    def put(content: Any, *, name: str = "annotations.json", pictures: dict[str, bytes | None] | None = None) -> Path:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = content if isinstance(content, str | bytes) else json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        for file_name, picture_bytes in {
            "7_front.jpg": picture(7),
            "8_rear.jpg": picture(8),
            **(pictures or {}),
        }.items():
            if picture_bytes is not None:
                (path.parent / file_name).parent.mkdir(parents=True, exist_ok=True)
                (path.parent / file_name).write_bytes(picture_bytes)
        return tmp_path / "set"

    return put


@pytest.fixture
def codes() -> Callable[[Report], dict[str, list[str]]]:
    """The places of each code in a report."""

    def group(report: Report) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for finding in report.findings:
            found.setdefault(finding.code, []).append(finding.place)
        return found

    return group


@pytest.fixture
def found(write: Write, codes: Callable[[Report], dict[str, list[str]]]) -> Callable[..., dict[str, list[str]]]:
    """What is found in a COCO file, without its images: the places of each code."""

    def validate(content: Any) -> dict[str, list[str]]:
        return codes(validate_dataset(write(content), pixels=False))

    return validate
