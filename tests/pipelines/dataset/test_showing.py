"""What there is, is listed, counted and drawn."""

import json
from pathlib import Path

from pipelines.shelf import Shelf
from tests.pipelines.dataset.helpers import FRONT, INSIDE, PHOTOGRAPHS, Run, RunJson, sha256


def test_the_list_tells_names_digests_and_counts(run: Run, run_json: RunJson) -> None:
    rows = {row["name"]: row for row in run_json("list")}
    assert {name: (row["images"], row["annotations"]) for name, row in rows.items()} == {
        "all": (5, 4),
        "one": (3, 2),
        "two": (4, 2),
    }
    assert all(row["digest"][:12] in run("list") for row in rows.values())


def test_a_broken_version_is_marked_in_the_list_and_hides_no_other(home: Path, run: Run, run_json: RunJson) -> None:
    shelf = Shelf(home)
    shelf.write_name("dangling", "0" * 64)
    (shelf.find("two") / "manifest.json").write_text("[]")
    rows = {row["name"]: row for row in run_json("list")}
    assert [rows[name]["images"] for name in ("all", "one")] == [5, 3]
    assert "is not a complete dataset version" in rows["dangling"]["error"]
    assert "manifest.json is broken" in rows["two"]["error"]
    told = run("list")
    assert "dangling: " in told
    assert rows["one"]["digest"][:12] in told


def test_statistics_are_told_and_put_on_a_page(run: Run, run_json: RunJson, tmp_path: Path) -> None:
    told = run_json("stats", "all", "--html", tmp_path / "stats.html")
    assert (told["images"], told["annotations"], told["copies"]) == (5, 4, 1)
    page = (tmp_path / "stats.html").read_text()
    assert "damaged door" in page
    assert "<script src" not in page
    assert f"Page: {tmp_path / 'stats.html'}" in run("stats", "all", "--html", tmp_path / "stats.html")


def test_frames_in_conflict_are_shown_on_a_page(run: Run, run_json: RunJson, tmp_path: Path) -> None:
    told = run_json("show", "all", "--html", tmp_path / "frames.html", "--only", "conflicts")
    assert sha256(PHOTOGRAPHS[FRONT]) in json.dumps(told)
    assert sha256(PHOTOGRAPHS[INSIDE]) not in json.dumps(told)
    assert "damaged door" in (tmp_path / "frames.html").read_text()
    run("show", "one", "--number", "2")
    assert Path("frames.html").exists()
