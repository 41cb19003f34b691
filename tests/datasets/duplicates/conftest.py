"""Photographs to copy and edit: rendered cars, and smooth random pictures with as many frequencies as one likes."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from datasets.rendering.write import write_rendered_cars

Picture = NDArray[np.uint8]


@pytest.fixture(scope="session")
def scenery() -> Callable[..., Picture]:
    """An RGB picture of soft blobs of many sizes; another number is another picture."""

    def make(number: int, *, width: int = 480, height: int = 360) -> Picture:
        random = np.random.default_rng(number)
        layers = [
            cv2.resize(random.normal(size=(rows, rows + 3)), (width, height), interpolation=cv2.INTER_CUBIC) / rows**0.4
            for rows in (3, 6, 12, 24, 48)
        ]
        grey = np.sum(layers, axis=0)
        levels = np.clip(120 + 45 * grey / grey.std(), 0, 255).astype(np.uint8)
        return np.stack([levels, levels // 2 + 40, 255 - levels], axis=-1)

    return make


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """A picture's file."""

    def make(picture: Picture, form: str = "JPEG", **save: object) -> bytes:
        content = io.BytesIO()
        PillowImage.fromarray(picture).save(content, form, **save)  # type: ignore[arg-type]
        return content.getvalue()

    return make


@pytest.fixture(scope="session")
def cars(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The photographs of six rendered cars."""
    folder = tmp_path_factory.mktemp("rendered") / "cars"
    write_rendered_cars(folder, cars=6, seed=3)
    return sorted((folder / "images").rglob("*.jpg"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real photographs, where CARLOOP_REAL_DATA says that there are some."""
    folder = os.environ.get("CARLOOP_REAL_DATA")
    if not folder:
        pytest.skip("CARLOOP_REAL_DATA names no folder of real photographs")
    return Path(folder)
