"""Files made durable together: in their places all at once, and never half."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets import write_behind
from datasets.errors import BadDataset
from datasets.store import ImageStore


def test_images_of_a_batch_are_in_their_places_at_its_end(store: ImageStore, photograph: Callable[..., bytes]) -> None:
    with store.batch() as batch:
        stored = [batch.write_image(photograph(number)) for number in (1, 2, 1)]
        assert not store.path(stored[0].file_name).exists()
    assert stored[0] == stored[2] == store.write_image(photograph(1))
    assert store.path(stored[1].file_name).read_bytes() == photograph(2)
    assert len(list(store.root.glob("images/*/*"))) == 2


def test_a_batch_that_fails_keeps_what_it_had(store: ImageStore, photograph: Callable[..., bytes]) -> None:
    def write(*contents: bytes) -> None:
        with store.batch() as batch:
            for content in contents:
                batch.write_image(content)

    with pytest.raises(BadDataset):
        write(photograph(), b"no image")
    assert [path.read_bytes() for path in store.root.glob("images/*/*")] == [photograph()]


def test_many_files_are_put_in_place_along_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_behind, "FILES", 3)
    with write_behind.write_behind(tmp_path) as files:
        for number in range(7):
            files.write(tmp_path / "deep" / f"{number}", b"%d" % number)
        assert len(list((tmp_path / "deep").iterdir())) == 6
    assert [path.read_bytes() for path in sorted((tmp_path / "deep").iterdir())] == [b"%d" % n for n in range(7)]


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"old")
    with write_behind.write_behind(tmp_path) as files:
        files.write(tmp_path / "one", b"new")
    assert (tmp_path / "one").read_bytes() == b"old"


def test_a_file_is_moved_in_place_of_what_is_there(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).write_bytes(name.encode())
    with write_behind.write_behind(tmp_path) as files:
        files.move(tmp_path / "deep" / "a", str(tmp_path / "one"))
        assert (tmp_path / "one").exists()
        files.flush()
        files.move(tmp_path / "deep" / "a", str(tmp_path / "two"))
        files.move(tmp_path / "deep" / "b", str(tmp_path / "three"))
    assert [(tmp_path / "deep" / name).read_bytes() for name in "ab"] == [b"two", b"three"]
    assert not any((tmp_path / name).exists() for name in ("one", "two", "three"))


def test_a_file_of_another_disk_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").write_bytes(b"new")
    with write_behind.write_behind(tmp_path / "root") as files:
        monkeypatch.setattr(files, "_device", -1)
        files.move(tmp_path / "root" / "a", str(tmp_path / "new"))
    assert (tmp_path / "root" / "a").read_bytes() == b"new"


def test_a_file_of_another_mount_of_the_same_disk_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.replace

    def rename_within_a_mount(source: str, place: str) -> None:
        if str(tmp_path / "spool") in source:
            raise OSError(errno.EXDEV, "Invalid cross-device link", source)
        rename(source, place)

    monkeypatch.setattr(os, "replace", rename_within_a_mount)
    (tmp_path / "spool").mkdir()
    with write_behind.write_behind(tmp_path / "root") as files:
        for name in "abc":
            (tmp_path / "spool" / name).write_text(name)
            files.move(tmp_path / "root" / "deep" / name, str(tmp_path / "spool" / name))
            if name == "b":
                files.flush()
    assert [(tmp_path / "root" / "deep" / name).read_text() for name in "abc"] == ["a", "b", "c"]


def test_two_at_once_leave_each_other_alone(tmp_path: Path) -> None:
    with write_behind.write_behind(tmp_path) as one:
        one.write(tmp_path / "a", b"same")
        with write_behind.write_behind(tmp_path) as other:
            other.write(tmp_path / "a", b"same")
            other.write(tmp_path / "b", b"more")
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [b"same", b"more"]


def test_where_there_is_no_syncfs_each_file_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_behind.sys, "platform", "darwin")
    with write_behind.write_behind(tmp_path) as files:
        files.write(tmp_path / "deep" / "a", b"content")
    assert (tmp_path / "deep" / "a").read_bytes() == b"content"
