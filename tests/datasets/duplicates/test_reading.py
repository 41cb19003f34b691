"""Describing files: upright, in the order given, once, and past what is no image."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from datasets.duplicates.descriptor import describe, describe_image
from datasets.duplicates.pairs import find_pairs
from datasets.duplicates.reading import read_described
from datasets.errors import BadDataset

Picture = NDArray[np.uint8]
Scenery = Callable[..., Picture]
Encode = Callable[..., bytes]

FORMATS = ["JPEG", "PNG", "WEBP", "BMP", "TIFF"]


@pytest.fixture
def files(tmp_path: Path, scenery: Scenery, encode: Encode) -> list[Path]:
    """Four images and, as the second, a text that calls itself one."""
    paths = [tmp_path / f"{number}.jpg" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(b"no image" if number == 1 else encode(scenery(number)))
    return paths


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_is_described_as_its_pixels_are(form: str, scenery: Scenery, encode: Encode) -> None:
    picture = scenery(0)
    record, expected = describe_image(encode(picture, form)), describe(picture)
    assert (record["width"], record["height"]) == (480, 360)
    assert np.abs(record["grey"].astype(int) - expected["grey"]).mean() < 2


def test_an_image_is_described_upright(scenery: Scenery, encode: Encode) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # turn a quarter
    picture = scenery(1)
    record = describe_image(encode(np.ascontiguousarray(np.rot90(picture)), exif=exif))
    assert (record["width"], record["height"]) == (480, 360)
    assert [pair.kind for pair in find_pairs(np.array([describe(picture), record]))] == ["scaled"]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16"])
def test_any_kind_of_pixels_can_be_described(mode: str, scenery: Scenery, tmp_path: Path) -> None:
    grey = PillowImage.fromarray(scenery(2)).convert("L")
    if mode == "I;16":
        picture = PillowImage.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        picture = grey.convert("RGB").convert(mode)
    picture.save(tmp_path / "picture.tif")
    record = describe_image((tmp_path / "picture.tif").read_bytes())
    assert np.abs(record["grey"].astype(int) - describe(np.asarray(grey))["grey"]).mean() < 3


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 3000), (63, 65)])
def test_any_size_can_be_described(size: tuple[int, int], encode: Encode) -> None:
    record = describe_image(encode(np.zeros((size[1], size[0], 3), np.uint8)))
    assert (record["width"], record["height"]) == size


def test_a_cut_image_is_refused(scenery: Scenery, encode: Encode) -> None:
    content = encode(scenery(3))
    with pytest.raises(BadDataset, match="not a whole image"):
        describe_image(content[: len(content) // 2])


def test_what_is_no_image_is_reported_and_the_others_described(files: list[Path]) -> None:
    described = read_described([*files, files[0].with_name("missing.jpg")])
    assert described.paths == (files[0], *files[2:])
    assert described.failures[files[1]].startswith("no image that is JPEG")
    assert described.failures[files[0].with_name("missing.jpg")] == "cannot be read: No such file or directory"


def test_the_number_of_workers_changes_nothing(files: list[Path]) -> None:
    one, many = read_described(files, workers=1), read_described(files, workers=4)
    assert (one.paths, one.sha256s, one.failures) == (many.paths, many.sha256s, many.failures)
    assert np.array_equal(one.descriptors, many.descriptors)


def test_an_image_is_known_by_the_sha256_of_its_bytes(files: list[Path]) -> None:
    described = read_described(files[:1])
    assert described.sha256s == (hashlib.sha256(files[0].read_bytes()).hexdigest(),)


def test_a_known_image_is_not_decoded_again(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_described(files)
    known = dict(zip(first.sha256s, first.descriptors, strict=True))
    monkeypatch.setattr("datasets.duplicates.reading.describe_image", None)
    again = read_described([files[0], *files[2:]], known=known)
    assert np.array_equal(again.descriptors, first.descriptors)


def test_progress_is_told_for_every_file(files: list[Path]) -> None:
    told: list[tuple[int, int]] = []
    read_described(files, progress=lambda done, total: told.append((done, total)))
    assert told == [(number, 5) for number in range(1, 6)]


def test_no_files_are_no_images() -> None:
    assert len(read_described([]).descriptors) == 0
