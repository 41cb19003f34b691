"""Photographs, COCO folders, and strategies for datasets that might have come from anywhere."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from PIL import Image as PillowImage

from datasets.coco import Annotation, Dataset, Image, Origin, Provenance, Tag, make_dataset
from datasets.store import ImageStore
from datasets.taxonomy import Category, Taxonomy

SHA256S = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(5)]
BOX_IDS, TAG_IDS = (1, 2), (3, 4)


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return Taxonomy(
        categories=(
            Category(name="damaged door", aliases=("door",)),
            Category(name="dent"),
            Category(name="clean", kind="tag"),
            Category(name="dirty", kind="tag"),
        )
    )


@pytest.fixture(scope="session")
def photograph() -> Callable[..., bytes]:
    """A picture's file; another number is another picture."""

    def make(number: int = 0, *, width: int = 64, height: int = 48, form: str = "JPEG", **save: Any) -> bytes:
        pixels = np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8)
        content = io.BytesIO()
        PillowImage.fromarray(pixels).save(content, form, **save)
        return content.getvalue()

    return make


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


@pytest.fixture
def coco() -> dict[str, Any]:
    """What is in a sound COCO file of two photographs, 64 × 48 pixels each."""
    return {
        "licenses": [{"id": 1, "name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"}],
        "categories": [{"id": 0, "name": "car parts"}, {"id": 1, "name": "dent"}, {"id": 9, "name": "door"}],
        "images": [
            {"id": 1, "file_name": "7_front.jpg", "width": 64, "height": 48, "license": 1},
            {"id": 2, "file_name": "8_rear.jpg", "width": 64, "height": 48},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 12, 20.5, 8]},
            {"id": 2, "image_id": 1, "category_id": 9, "bbox": [0.1, 0.1, 0.2, 0.2]},
        ],
    }


@pytest.fixture
def write_folder(tmp_path: Path, photograph: Callable[..., bytes]) -> Callable[..., Path]:
    """A folder with an annotation file and the photographs of `coco`; None leaves one out."""

    def write(
        content: Any, *, name: str = "annotations.json", photographs: dict[str, bytes | None] | None = None
    ) -> Path:
        folder = tmp_path / "truth"
        folder.mkdir()
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
        files = {"7_front.jpg": photograph(7), "8_rear.jpg": photograph(8), **(photographs or {})}
        for file_name, image in files.items():
            if image is not None:
                (folder / file_name).parent.mkdir(exist_ok=True)
                (folder / file_name).write_bytes(image)
        return folder

    return write


def _images() -> SearchStrategy[Image]:
    """Images whose family and split follow from their content, as they do in a project."""
    word = st.none() | st.sampled_from(["CC0-1.0", "CC BY 4.0", "Ünbekannt"])

    def make(number: int, source: Provenance, tags: list[Tag], absent: set[int], unsure: set[int]) -> Image:
        return Image(
            sha256=SHA256S[number],
            file_name=f"images/{SHA256S[number]}.jpg",
            width=640,
            height=480,
            family=f"car {number // 2}",
            split="train" if number < 3 else "test",
            source=source,
            tags=tuple({tag.category_id: tag for tag in sorted(tags, key=lambda tag: tag.category_id)}.values()),
            neg_category_ids=tuple(sorted(absent)),
            not_exhaustive_category_ids=tuple(sorted(unsure)),
        )

    return st.builds(
        make,
        st.integers(0, len(SHA256S) - 1),
        st.builds(Provenance, page_url=word, url=word, author=word, license=word, retrieved_at=word, robots=word),
        st.lists(st.builds(Tag, st.sampled_from(TAG_IDS), _attributes()), max_size=2),
        st.sets(st.sampled_from(BOX_IDS + TAG_IDS)),
        st.sets(st.sampled_from(BOX_IDS + TAG_IDS), max_size=1),
    )


def _attributes() -> SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(["occluded", "depth"]), st.sampled_from(["true", "5 mm"]), max_size=2)


def _annotations(sha256s: list[str]) -> SearchStrategy[Annotation]:
    side = st.sampled_from([-0.0, 0.0, 1.0, 2.25, 100.0])
    return st.builds(
        Annotation,
        sha256=st.sampled_from(sha256s),
        category_id=st.sampled_from(BOX_IDS),
        bbox_xywh=st.tuples(side, side, st.just(10.0), st.just(20.5)),
        attributes=_attributes(),
        score=st.none() | st.sampled_from([0.25, 0.5]),
        source=st.sampled_from(["manual", "auto", "semi-auto", "file"]),
        origins=st.lists(
            st.builds(Origin, st.sampled_from(["cvat", "roboflow"]), st.sampled_from("abc")), max_size=2
        ).map(tuple),
    )


@pytest.fixture(scope="session")
def any_dataset(taxonomy: Taxonomy) -> SearchStrategy[Dataset]:
    """Datasets over a handful of images and places, so that two of them often meet."""

    @st.composite
    def draw_dataset(draw: st.DrawFn) -> Dataset:
        images = draw(st.lists(_images(), max_size=4, unique_by=lambda image: image.sha256))
        found = st.lists(_annotations([image.sha256 for image in images]), max_size=6) if images else st.just([])
        return make_dataset(taxonomy, images, draw(found))

    return draw_dataset()
