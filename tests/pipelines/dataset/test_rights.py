"""Licences are told, and what is taken down is gone, stays away and leaves nothing behind."""

from pathlib import Path

import pytest

from datasets.versions import read_conflicts
from pipelines.duplicates import Descriptors
from pipelines.shelf import Shelf
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
    sha256,
    sides,
    state,
)


def test_licenses_are_listed_by_source(run: Run, run_json: RunJson, tmp_path: Path) -> None:
    told = run_json("licenses", "all")
    assert {(row["license"], row["source"]): row["images"] for row in told["rows"]} == {
        ("CC BY 4.0", "one"): 3,
        ("CC BY 4.0", "two"): 4,
    }
    assert told["unknown"] == 0
    assert "CC BY 4.0" in run("licenses", "all")


@pytest.mark.parametrize("claim", [["--url", "http://cars.example/front.jpg#top"], ["--hash", "FRONT"]])
def test_a_picture_taken_down_is_in_no_named_version_and_is_refused_again(
    claim: list[str], folders: Path, home: Path, run: Run, run_json: RunJson
) -> None:
    front = sha256(PHOTOGRAPHS[FRONT])
    old = Shelf(home).names()
    told = run_json("takedown", *(front[:12] if word == "FRONT" else word for word in claim), "--reason", "asked")
    assert (told["removed"], told["deleted"], told["unmatched"], told["runs"]) == ([front], [], [], {})
    assert told["replacements"] == {old[name]: digest for name, digest in Shelf(home).names().items()}
    for name in old:
        assert front not in sides(home, name)
    assert run_json("import", folders / "one")["taken_down"] == [front]
    assert (front, run_json("list")[1]["images"]) not in (sides(home, "one"), 3)
    assert run_json("merge", "one", "two", "--name", "all")["images"] == 4


def test_a_copy_in_another_size_is_taken_down_too(home: Path, run_json: RunJson) -> None:
    told = run_json("takedown", "--hash", sha256(SMALL_SIDE))
    assert sorted(told["removed"]) == sorted((sha256(SMALL_SIDE), sha256(PHOTOGRAPHS[SIDE])))
    assert all(sha256(PHOTOGRAPHS[SIDE]) not in sides(home, name) for name in ("all", "one", "two"))


def test_images_are_deleted_only_on_request_and_from_the_store_alone(
    folders: Path, home: Path, run: Run, run_json: RunJson
) -> None:
    front = sha256(PHOTOGRAPHS[FRONT])
    path = home / f"datasets/store/images/{front[:2]}/{front}.jpg"
    run("takedown", "--source", "one")
    assert path.exists()
    told = run_json("takedown", "--hash", front, "--delete")
    assert told["deleted"] == [str(path)]
    assert not path.exists()
    assert (folders / "one" / "front.jpg").exists()
    assert "1 were not there" in run("takedown", "--hash", front, "--delete")


def test_what_is_deleted_leaves_no_small_picture(home: Path, run: Run) -> None:
    small, large = sha256(SMALL_SIDE), sha256(PHOTOGRAPHS[SIDE])
    known = Descriptors(Shelf(home).descriptors).read().keys()
    assert {small, large} <= known
    run("takedown", "--hash", small, "--delete")
    assert Descriptors(Shelf(home).descriptors).read().keys() == known - {small, large}


def test_an_altered_copy_of_what_is_taken_down_is_told(run: Run, run_json: RunJson) -> None:
    rear, mirrored = sha256(PHOTOGRAPHS[REAR]), sha256(MIRRORED_REAR)
    assert run_json("takedown", "--hash", rear)["near"] == [mirrored]
    assert f"{mirrored[:16]} stays but shows the same photograph" in run("takedown", "--hash", rear)


def test_a_takedown_again_changes_nothing(home: Path, run: Run) -> None:
    run("takedown", "--hash", sha256(PHOTOGRAPHS[FRONT]))
    before = state(home)
    run("takedown", "--hash", sha256(PHOTOGRAPHS[FRONT]))
    assert state(home) == before


def test_a_takedown_keeps_the_conflicts_of_what_stays(home: Path, run: Run) -> None:
    run("takedown", "--hash", sha256(PHOTOGRAPHS[INSIDE]))
    assert [one.kind for one in read_conflicts(Shelf(home).find("all")) if one.kind == "class"] == ["class"]
