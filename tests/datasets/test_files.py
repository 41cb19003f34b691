"""Files are whole or absent, whatever happens while they are written."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from datasets.errors import BadDataset, Unavailable
from datasets.files import (
    MANIFEST,
    is_complete,
    is_disk_full,
    new_folder,
    read_json,
    require_space,
    write_bytes,
    write_json,
)

KILLED_WHILE_FILLING = """
import os, signal, sys
from pathlib import Path
from datasets.files import new_folder, write_json
with new_folder(Path(sys.argv[1])) as folder:
    write_json(folder / "annotations.json", {})
    os.kill(os.getpid(), signal.SIGKILL)
"""

WRITING_AT_ONCE = """
import os, sys
from pathlib import Path
from datasets.files import MANIFEST, new_folder, write_json
root, children = Path(sys.argv[1]), []
for _ in range(4):
    if child := os.fork():
        children.append(child)
        continue
    for number in range(20):
        write_json(root / "names.json", list(range(100)))
        with new_folder(root / f"version {number}") as folder:
            write_json(folder / "annotations.json", {})
            write_json(folder / MANIFEST, {})
    os._exit(0)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": "é"})
    write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_bytes(tmp_path / "taken", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_broken_json_is_told_with_the_byte_that_breaks_it(tmp_path: Path) -> None:
    content = '{"author": "Émilie", "images": [}'.encode()
    (tmp_path / "broken.json").write_bytes(content)
    with pytest.raises(
        BadDataset, match=rf"broken\.json is not valid JSON at byte {content.index(b'}')} of {len(content)}"
    ):
        read_json(tmp_path / "broken.json")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'{"a": "\xff"}', b"\xef\xbb\xbf{}"])
def test_json_that_is_no_text_is_told_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.json").write_bytes(content)
    with pytest.raises(BadDataset, match=r"broken\.json is not valid JSON at byte 0 of \d+: .+; mend the file"):
        read_json(tmp_path / "broken.json")


def test_a_missing_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"none\.json is not there; check the path"):
        read_json(tmp_path / "none.json")


def test_a_file_that_cannot_be_read_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="cannot be read: Is a directory; check the path and its permissions"):
        read_json(tmp_path)


def test_a_folder_appears_when_it_is_full(tmp_path: Path) -> None:
    with new_folder(tmp_path / "version") as folder:
        write_json(folder / MANIFEST, {})
        assert not (tmp_path / "version").exists()
    assert is_complete(tmp_path / "version")


def test_a_folder_whose_filling_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError), new_folder(tmp_path / "version") as folder:
        write_json(folder / "annotations.json", object())
    assert list(tmp_path.iterdir()) == []


def test_a_process_killed_while_filling_a_folder_leaves_none_that_counts(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_FILLING, str(tmp_path / "version")], check=False)
    assert killed.returncode == -9
    assert not (tmp_path / "version").exists()
    with new_folder(tmp_path / "version") as folder:
        write_json(folder / MANIFEST, {})
    assert [path.name for path in (tmp_path / "version").iterdir()] == [MANIFEST]
    assert [path.name for path in tmp_path.iterdir()] == ["version"]


def test_a_complete_folder_stays_as_it_is(tmp_path: Path) -> None:
    for value in (1, 2):
        with new_folder(tmp_path / "version") as folder:
            write_json(folder / MANIFEST, value)
    assert read_json(tmp_path / "version" / MANIFEST) == 1


def test_processes_that_write_the_same_at_once_all_end_well(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITING_AT_ONCE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    versions = [tmp_path / f"version {number}" for number in range(20)]
    assert set(tmp_path.iterdir()) == {*versions, tmp_path / "names.json"}
    for version in versions:
        assert {path.name for path in version.iterdir()} == {"annotations.json", MANIFEST}
    assert read_json(tmp_path / "names.json") == list(range(100))


def test_a_folder_without_its_manifest_gives_way_to_a_complete_one(tmp_path: Path) -> None:
    (tmp_path / "version").mkdir()
    (tmp_path / "version" / "annotations.json").write_text("{")
    with new_folder(tmp_path / "version") as folder:
        write_json(folder / MANIFEST, {})
    assert [path.name for path in (tmp_path / "version").iterdir()] == [MANIFEST]


def test_too_little_space_is_told_before_work_begins(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"GiB free and 1e\+09 GiB are needed; free some"):
        require_space(tmp_path / "not" / "yet", gibibytes=1e9)


def test_a_full_disk_is_known_behind_other_errors() -> None:
    error = RuntimeError("training failed")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert is_disk_full(error)
    assert is_disk_full(RuntimeError("(sqlite3.OperationalError) database or disk is full"))
    assert not is_disk_full(OSError(errno.EACCES, "Permission denied"))
