"""The image store: the same bytes in the same place, and nothing that is no whole image."""

import contextlib
import hashlib
import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from datasets.errors import BadDataset
from datasets.store import ImageStore, probe

FORMATS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "BMP": "bmp", "TIFF": "tif"}


def test_an_image_lies_under_its_sha256_with_the_bytes_it_came_with(
    store: ImageStore, photograph: Callable[..., bytes]
) -> None:
    content = photograph()
    stored = store.write_image(content)
    sha256 = hashlib.sha256(content).hexdigest()
    assert (stored.sha256, stored.file_name) == (sha256, f"images/{sha256[:2]}/{sha256}.jpg")
    assert store.path(stored.file_name).read_bytes() == content
    assert (stored.width, stored.height) == (64, 48)


def test_the_same_bytes_again_change_nothing(store: ImageStore, photograph: Callable[..., bytes]) -> None:
    first = store.write_image(photograph())
    before = store.path(first.file_name).stat()
    assert store.write_image(photograph()) == first
    after = store.path(first.file_name).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize(("form", "extension"), FORMATS.items())
def test_the_extension_follows_the_content(form: str, extension: str, photograph: Callable[..., bytes]) -> None:
    assert probe(photograph(form=form)).extension == extension


def test_a_phone_s_picture_with_a_second_one_inside_is_a_jpeg(photograph: Callable[..., bytes]) -> None:
    content = photograph(form="MPO", save_all=True, append_images=[PillowImage.new("RGB", (8, 8))])
    assert probe(content).extension == "jpg"


def test_the_size_is_that_of_the_upright_image(photograph: Callable[..., bytes]) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # turn a quarter
    facts = probe(photograph(exif=exif))
    assert (facts.width, facts.height) == (48, 64)


@given(data=st.data())
@pytest.mark.parametrize("form", FORMATS)
def test_a_cut_image_is_refused(form: str, photograph: Callable[..., bytes], data: st.DataObject) -> None:
    content = photograph(form=form)
    end = data.draw(st.integers(0, int(len(content) * 0.9)))
    with pytest.raises(BadDataset, match=r"not a whole image|no image"):
        probe(content[:end])


@given(data=st.data())
@pytest.mark.parametrize("form", FORMATS)
def test_a_damaged_image_is_read_or_refused(form: str, photograph: Callable[..., bytes], data: st.DataObject) -> None:
    content = bytearray(photograph(form=form, width=8, height=8))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadDataset):
        assert probe(bytes(content)).extension in FORMATS.values()


def test_a_page_is_no_image_and_the_refusal_says_what_would_be(store: ImageStore) -> None:
    with pytest.raises(BadDataset, match=r"^no image that is JPEG, PNG, WEBP, BMP, TIFF$"):
        store.write_image(b"<!doctype html><title>Not found</title>")
    assert not store.root.exists()


def test_an_image_of_too_many_pixels_is_refused_by_its_header() -> None:
    content = io.BytesIO()
    PillowImage.new("1", (10_000, 10_000)).save(content, "PNG")
    with pytest.raises(BadDataset, match=r"too many pixels: Image size \(100000000 pixels\) exceeds limit"):
        probe(content.getvalue())
