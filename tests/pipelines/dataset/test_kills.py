"""A kill at any moment leaves the old or the new, and the same command completes it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from datasets.versions import read_content
from pipelines.shelf import Shelf
from tests.pipelines.dataset.helpers import FRONT, PHOTOGRAPHS, invoke, jpeg, picture, sha256, write_coco

KILLER = """
import os, shutil, signal, sys
from pathlib import Path

import datasets.importing, pipelines.dataset.making, pipelines.dataset.rights, pipelines.project
from pipelines.cli import main

root, template, *command = sys.argv[1:]
CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}
WRITES = os.O_WRONLY | os.O_RDWR


def end_at(number, home):
    step = 0

    def watch(event, args):
        nonlocal step
        writes = event == "open" and args[2] & WRITES and str(args[0]).startswith(home)
        if writes or event in CHANGES:
            step += 1
            if step == number:
                if event == "os.rename" and os.path.isfile(args[0]) and number % 2:
                    os.truncate(args[0], os.path.getsize(args[0]) // 2)  # as if it came while the file was written
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


number, alive = 0, True
while alive:
    number += 1
    home = os.path.join(root, str(number))
    shutil.copytree(template, home)
    if (child := os.fork()) == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        end_at(number, home)
        main(["dataset", *command, "--home", home], standalone_mode=False)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    alive = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
print(number, os.waitstatus_to_exitcode(status))
"""


def kill_everywhere(root: Path, template: Path, *command: object) -> tuple[list[Path], Path]:
    """The homes that the command leaves when killed before each change it makes to a disk, and an undisturbed one."""
    arguments = [sys.executable, "-c", KILLER, str(root), str(template), *map(str, command)]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, env=env, check=False)
    assert done.returncode == 0, done.stderr
    last, code = map(int, done.stdout.split())
    assert code == 0, done.stderr
    return [root / str(number) for number in range(1, last)], root / str(last)


def everything(home: Path) -> dict[str, bytes]:
    """All files of a home by name; of the descriptors, whose order is free, that they are there."""
    files = {str(path.relative_to(home)): path for path in home.rglob("*") if path.is_file()}
    return {name: b"" if name.endswith(".npz") else path.read_bytes() for name, path in files.items()}


def assert_nothing_is_half_done(home: Path, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    shelf = Shelf(home)
    assert shelf.names() in (old, new)
    for path in (home / "datasets/versions").glob("[0-9a-f]*"):
        assert read_content(path), "every version that is there is whole"
    for path in (home / "datasets/store/images").rglob("*.jpg"):
        assert sha256(path.read_bytes()) == path.stem


@pytest.mark.parametrize("command", ["import", "merge", "split", "takedown"])
def test_a_kill_at_any_moment_leaves_the_old_or_the_new_and_the_same_command_completes_it(
    command: str, folders: Path, template: Path, tmp_path: Path
) -> None:
    before = Path(shutil.copytree(template, tmp_path / "before"))
    arguments: list[object] = {
        "import": ["import", write_coco(tmp_path / "new", {f"{n}.jpg": jpeg(picture(n)) for n in (50, 51)})],
        "merge": ["merge", "two", "one", "--name", "joined"],
        "split": ["split", "all"],
        "takedown": ["takedown", "--hash", sha256(PHOTOGRAPHS[FRONT]), "--delete"],
    }[command]
    if command == "merge":
        shutil.rmtree(Shelf(before).find("all"))
        (before / "datasets/descriptors.npz").unlink()
        (before / "datasets/names.json").write_text(
            json.dumps({name: digest for name, digest in Shelf(before).names().items() if name != "all"})
        )
    killed, undisturbed = kill_everywhere(tmp_path / "homes", before, *arguments)
    assert len(killed) > 8
    old, new = Shelf(before).names(), Shelf(undisturbed).names()
    assert old != new
    for home in killed:
        assert_nothing_is_half_done(home, old, new)
        code, _, err = invoke(*arguments, "--home", home)
        assert code == 0, err
        assert without_times(everything(home)) == without_times(everything(undisturbed))


def without_times(files: dict[str, bytes]) -> dict[str, Any]:
    ledger = "datasets/takedowns.json"
    if ledger not in files:
        return files
    told = json.loads(files[ledger])
    return {**files, ledger: [{**entry, "at": ""} for entry in told["takedowns"]]}
