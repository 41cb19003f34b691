"""A dataset with one of everything, on real photographs, to be exported."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace
from PIL import Image as PillowImage
from pycocotools import mask as coco_mask

from datasets.coco import Annotation, Dataset, Image, Origin, Provenance, Rle, Tag, make_dataset
from datasets.exporting.export import export_dataset
from datasets.exporting.settings import Exported, ExportFormat, ExportSettings
from datasets.store import ImageStore
from datasets.taxonomy import Category, Taxonomy

WIDTH, HEIGHT = 64, 48
DOOR, DENT, CLEAN, DIRTY = 1, 2, 3, 4
TURN_RIGHT = 6
Export = Callable[..., tuple[Path, Exported]]


def jpeg(number: int, *, width: int = WIDTH, height: int = HEIGHT, orientation: int | None = None) -> bytes:
    """A photograph; `orientation` is EXIF's, `width` and `height` are as stored."""
    pixels = np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8)
    content, exif = io.BytesIO(), PillowImage.Exif()
    if orientation:
        exif[274] = orientation
    PillowImage.fromarray(pixels).save(content, "JPEG", exif=exif)
    return content.getvalue()


def rle(pixels: Any) -> Rle:
    """A mask of (H, W) as COCO's run lengths."""
    encoded = coco_mask.encode(np.asfortranarray(pixels.astype(np.uint8)))
    return Rle(tuple(encoded["size"]), encoded["counts"].decode())


def ring() -> Any:
    """A mask with a hole: 20 x 12 at (5, 7), without 4 x 4 at (10, 10)."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[7:19, 5:25] = 1
    pixels[10:14, 10:14] = 0
    return pixels


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
def photographs(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    """A store for all tests; nobody writes into it but by adding."""
    return ImageStore(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="session")
def add_image(photographs: ImageStore) -> Callable[..., Image]:
    def add(content: bytes, **fields: Any) -> Image:
        stored = photographs.write_image(content)
        every = {"family": stored.sha256[:8], "neg_category_ids": (DOOR, DENT), "split": "train", **fields}
        return Image(stored.sha256, stored.file_name, stored.width, stored.height, **every)

    return add


@pytest.fixture(scope="session")
def everything(taxonomy: Taxonomy, add_image: Callable[..., Image]) -> Dataset:
    """Six photographs of three cars, and one that was deleted."""
    said = Provenance(url="https://cars.example/p/Left%20door.jpg", license="CC BY 4.0", author="Ada")
    front = add_image(
        jpeg(1), family="car 1", source=said, tags=(Tag(DIRTY, {"how": "very"}),), neg_category_ids=(CLEAN,)
    )
    rear = add_image(jpeg(2), family="car 1", neg_category_ids=(DOOR, DENT, DIRTY))
    turned = add_image(jpeg(3, orientation=TURN_RIGHT), family="car 2", split="test")
    unsure = add_image(jpeg(4), family="car 3", neg_category_ids=(DENT,), split="test", tags=(Tag(CLEAN),))
    silent = add_image(jpeg(5), family="car 3", neg_category_ids=(), split="test")
    loose = add_image(jpeg(6), family="car 4", split=None, tags=(Tag(CLEAN), Tag(DIRTY)))
    gone = add_image(jpeg(7), family="car 5", deleted=True)
    triangle, square = (30.0, 30.0, 40.5, 30.0, 30.0, 41.25), (50.0, 5.0, 60.0, 5.0, 60.0, 15.0, 50.0, 15.0)
    annotations = [
        Annotation(front.sha256, DOOR, (10.25, 12.0, 20.5, 8.0), {"occluded": "true", "side": "left <&>"}, track_id=7),
        Annotation(front.sha256, DENT, (30, 30, 10.5, 11.25), segmentation=(triangle,), score=0.75, source="auto"),
        Annotation(front.sha256, DENT, (30, 5, 30, 36.25), segmentation=(triangle, square), source="semi-auto"),
        Annotation(front.sha256, DOOR, (5, 7, 20, 12), segmentation=rle(ring())),
        Annotation(rear.sha256, DENT, (0, 0, 64, 20), iscrowd=True, origins=(Origin("cvat", "9"),)),
        Annotation(rear.sha256, DENT, (20, 20, 20, 10), {"rotation": "90"}),
        Annotation(turned.sha256, DOOR, (40, 50, 20, 30.5), track_id=7),
        Annotation(unsure.sha256, DENT, (1.5, 2.5, 3, 4)),
        Annotation(gone.sha256, DENT, (1, 2, 3, 4)),
    ]
    return make_dataset(taxonomy, [front, rear, turned, unsure, silent, loose, gone], annotations)


@pytest.fixture
def export(photographs: ImageStore, tmp_path: Path) -> Export:
    """Export to a new folder of the test's."""

    def run(dataset: Dataset, form: ExportFormat, out: Path | None = None, **settings: Any) -> tuple[Path, Exported]:
        folder = out or tmp_path / f"as {form}"
        told = export_dataset(dataset, photographs, folder, format=form, settings=ExportSettings(**settings))
        return folder, told

    return run


def losses(told: Exported) -> dict[str, int]:
    """Counts by what was lost."""
    return {loss.what: loss.count for loss in told.losses}


def close(one: Sequence[float], other: Sequence[float], *, pixels: float) -> bool:
    return bool(np.allclose(one, other, rtol=0, atol=pixels))


def _sides(longest: int) -> SearchStrategy[tuple[float, float]]:
    """Where something begins and how long it is, in quarters of a pixel: mostly inside."""
    quarters = st.tuples(st.integers(-8, 4 * longest), st.integers(1, 4 * longest))
    return quarters.map(lambda pair: (pair[0] / 4, pair[1] / 4))


@st.composite
def _annotation(draw: st.DrawFn, image: Image) -> Annotation:
    (x, width), (y, height) = draw(_sides(image.width)), draw(_sides(image.height))
    kind = draw(st.sampled_from(["box", "box", "rotated", "polygon", "polygons", "mask"]))
    attributes = draw(st.dictionaries(st.sampled_from(["side", "note"]), st.sampled_from(["left", "a <b> & 'c'"])))
    attributes |= draw(st.sampled_from([{}, {"occluded": "true"}]))
    attributes |= {"rotation": draw(st.sampled_from(["30", "90.5", "270"]))} if kind == "rotated" else {}
    corner = (x, y, x + width, y, x, y + height)
    segmentation: Any = {"polygon": (corner,), "polygons": (corner, (0.0, 0.0, 3.5, 0.0, 3.0, 5.0))}.get(kind, ())
    if kind == "mask":
        left, top = draw(st.integers(0, image.width - 2)), draw(st.integers(0, image.height - 2))
        pixels = np.zeros((image.height, image.width), np.uint8)
        pixels[top : top + 9, left : left + 7] = 1
        pixels[top + 3 : top + 5, left + 2 : left + 4] = 0
        segmentation = rle(pixels)
    return Annotation(
        image.sha256,
        draw(st.sampled_from([DOOR, DENT])),
        (x, y, width, height),
        attributes,
        score=draw(st.sampled_from([None, 0.5])),
        source=draw(st.sampled_from(["manual", "auto", "semi-auto", "file"])),
        segmentation=segmentation,
        iscrowd=draw(st.booleans()) and kind == "box",
        track_id=draw(st.sampled_from([None, 1, 70])),
    )


@pytest.fixture(scope="session")
def any_cars(taxonomy: Taxonomy, add_image: Callable[..., Image]) -> SearchStrategy[Dataset]:
    """Datasets on a few real photographs, with anything that can be said of them."""
    pool = [add_image(jpeg(40)), add_image(jpeg(41, orientation=TURN_RIGHT)), add_image(jpeg(42, width=80))]

    @st.composite
    def draw_dataset(draw: st.DrawFn) -> Dataset:
        chosen = draw(st.lists(st.sampled_from(pool), min_size=1, unique_by=lambda image: image.sha256))
        tags = st.lists(st.sampled_from([Tag(CLEAN), Tag(DIRTY, {"how": "very"})]), unique_by=lambda t: t.category_id)
        images = [
            replace(
                image,
                split=draw(st.sampled_from(["train", "test", None])),
                tags=tuple(draw(tags)),
                neg_category_ids=tuple(sorted(draw(st.sets(st.sampled_from([DOOR, DENT, CLEAN, DIRTY]))))),
                source=Provenance(license=draw(st.sampled_from([None, "CC BY 4.0"]))),
            )
            for image in chosen
        ]
        annotations = st.lists(st.sampled_from(images).flatmap(_annotation), max_size=6)
        return make_dataset(taxonomy, images, draw(annotations))

    return draw_dataset()
