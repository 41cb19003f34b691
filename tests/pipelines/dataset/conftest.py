"""Homes with imported and merged datasets, and commands that have to succeed or be refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.dataset.helpers import (
    FRONT,
    INSIDE,
    MIRRORED_REAR,
    PHOTOGRAPHS,
    REAR,
    SIDE,
    SMALL_SIDE,
    Run,
    RunJson,
    invoke,
    state,
    write_coco,
)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets: `one`, and `two`, which sees another class on one image and has altered copies of two others."""
    root = tmp_path_factory.mktemp("folders")
    write_coco(
        root / "one",
        {"front.jpg": PHOTOGRAPHS[FRONT], "side.jpg": PHOTOGRAPHS[SIDE], "rear.jpg": PHOTOGRAPHS[REAR]},
        [("front.jpg", "dent", [10, 10, 40, 30]), ("side.jpg", "damaged door", [20, 20, 60, 40])],
        addresses={"front.jpg": "https://cars.example/front.jpg"},
    )
    write_coco(
        root / "two",
        {"a.jpg": PHOTOGRAPHS[FRONT], "b.jpg": SMALL_SIDE, "c.jpg": MIRRORED_REAR, "d.jpg": PHOTOGRAPHS[INSIDE]},
        [("a.jpg", "damaged door", [10, 10, 40, 30]), ("b.jpg", "dent", [50, 30, 20, 10])],
    )
    return root


@pytest.fixture(scope="session")
def template(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with both datasets and what they were merged into, `all`."""
    home = tmp_path_factory.mktemp("template") / "home"
    for command in (["import", folders / "one"], ["import", folders / "two"], ["merge", "one", "two", "--name", "all"]):
        assert invoke(*command, "--home", home)[0] == 0
    return home


@pytest.fixture
def home(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it; the command runs in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Path(shutil.copytree(template, tmp_path / "home"))


@pytest.fixture
def run(home: Path) -> Run:
    """A command that has to succeed: what it prints."""

    def succeed(*arguments: object, at: Path = home) -> str:
        code, out, err = invoke(*arguments, *([] if arguments[0] == "validate" else ["--home", at]))
        assert code == 0, err
        return out

    return succeed


@pytest.fixture
def run_json(run: Run) -> RunJson:
    def succeed(*arguments: object, **options: Path) -> Any:
        return json.loads(run(*arguments, "--json", **options))

    return succeed


@pytest.fixture
def refusal(home: Path) -> Callable[..., str]:
    """What refuses a command in one sentence, with everything left as it was."""

    def refuse(*arguments: object, code: int = 1, lines: int = 1) -> str:
        before = state(home)
        found, out, err = invoke(*arguments, *([] if arguments[0] == "validate" else ["--home", home]))
        assert (found, out) == (code, ""), err
        said = [line for line in err.splitlines() if not line.startswith("  ") or line.startswith("  - ")]
        if code == 1:
            assert said[0].startswith("carloop: ")
            assert len(said) == lines
        assert state(home) == before
        return "\n".join(said)

    return refuse
