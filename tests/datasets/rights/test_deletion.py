"""Deleting taken-down pictures from the store: those bytes, and no others."""

from collections.abc import Callable
from pathlib import Path

import pytest

from datasets.coco import Copy, Image
from datasets.rights import delete_images, print_deletion
from datasets.store import ImageStore


@pytest.fixture
def pictures(store: ImageStore, photograph: Callable[..., bytes]) -> list[Image]:
    stored = [store.write_image(photograph(number)) for number in range(3)]
    return [Image(one.sha256, one.file_name, one.width, one.height, "car") for one in stored]


def test_an_image_and_its_copy_are_deleted(store: ImageStore, pictures: list[Image]) -> None:
    one, other, _ = pictures
    with_copy = Image(one.sha256, one.file_name, 64, 48, "car", copies=(Copy(other.sha256, other.file_name, 64, 48),))
    done = delete_images([with_copy], store)
    assert len(done.deleted) == 2
    assert [store.path(image.file_name).exists() for image in pictures] == [False, False, True]


def test_again_it_finds_them_missing(store: ImageStore, pictures: list[Image]) -> None:
    delete_images(pictures[:1], store)
    done = delete_images(pictures[:1], store)
    assert (done.deleted, len(done.missing), done.kept) == ((), 1, ())


def test_other_bytes_under_the_name_stay(
    store: ImageStore, pictures: list[Image], capsys: pytest.CaptureFixture[str]
) -> None:
    one, other, _ = pictures
    done = delete_images([Image(one.sha256, other.file_name, 64, 48, "car")], store)
    assert done.kept == (store.path(other.file_name),)
    assert store.path(other.file_name).exists()
    print_deletion(done)
    assert "stays: it has other bytes" in capsys.readouterr().out


@pytest.mark.parametrize("absolute", [False, True])
def test_nothing_outside_of_the_store_is_deleted(
    absolute: bool, store: ImageStore, pictures: list[Image], tmp_path: Path
) -> None:
    outside = tmp_path / "precious.jpg"
    outside.write_bytes(store.path(pictures[0].file_name).read_bytes())
    name = str(outside) if absolute else "../precious.jpg"
    done = delete_images([Image(pictures[0].sha256, name, 64, 48, "car")], store)
    assert len(done.kept) == 1
    assert outside.exists()
