"""Archives that try to leave their folder, or to fill the disk."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scrapers.errors import ArchiveRefused
from scrapers.fetching.archives import ArchiveLimits, unpack

FILES = {"train/a.jpg": b"a", "train/b.jpg": b"bb", "_annotations.coco.json": b"{}"}


def zipped(files: dict[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(files: dict[str, bytes], path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


Pack = Callable[[dict[str, bytes], Path], Path]
both = pytest.mark.parametrize("pack", [zipped, tarred])


@both
def test_files_come_out_as_they_went_in(pack: Pack, tmp_path: Path) -> None:
    unpack(pack(FILES, tmp_path / "archive"), tmp_path / "out")
    assert contents(tmp_path / "out") == FILES


@both
@pytest.mark.parametrize(
    "name", ["../up.jpg", "/etc/passwd.jpg", "a/../../up.jpg", "C:\\x.jpg", "..\\up.jpg", "C:/x.jpg", "a/.."]
)
def test_a_name_that_leaves_the_folder_is_refused(pack: Pack, name: str, tmp_path: Path) -> None:
    archive = pack({"ok.jpg": b"ok", name: b"out"}, tmp_path / "archive")
    with pytest.raises(ArchiveRefused, match="would leave its folder"):
        unpack(archive, tmp_path / "out" / "here")
    assert contents(tmp_path / "out") == {}


@both
def test_the_limits_hold(pack: Pack, tmp_path: Path) -> None:
    archive = pack(FILES, tmp_path / "archive")
    with pytest.raises(ArchiveRefused, match="more than the 2 files allowed"):
        unpack(archive, tmp_path / "out", limits=ArchiveLimits(max_files=2))
    with pytest.raises(ArchiveRefused, match="more than the 3 bytes allowed"):
        unpack(archive, tmp_path / "out", limits=ArchiveLimits(max_bytes=3))
    assert not (tmp_path / "out").exists()


@both
def test_a_bomb_is_left_in_the_middle(pack: Pack, tmp_path: Path) -> None:
    archive = pack({"zeros.jpg": bytes(20_000_000)}, tmp_path / "archive")
    with pytest.raises(ArchiveRefused, match="bytes allowed for its size"):
        unpack(archive, tmp_path / "out")


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    archive = zipped({"a.jpg": bytes(1_000_000)}, tmp_path / "archive")
    archive.write_bytes(archive.read_bytes().replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(ArchiveRefused, match="is a broken archive"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_of_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        member = tarfile.TarInfo("a.jpg")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(ArchiveRefused, match="which is no plain file"):
        unpack(tmp_path / "archive", tmp_path / "out")


def test_links_of_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        link = zipfile.ZipInfo("a.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ArchiveRefused, match="which is no plain file"):
        unpack(tmp_path / "archive", tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr("a.jpg", b"one")
        archive.writestr("./a.jpg", b"other")
    with pytest.raises(ArchiveRefused, match="twice"):
        unpack(tmp_path / "archive", tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04"])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(ArchiveRefused):
        unpack(tmp_path / "archive", tmp_path / "out")
