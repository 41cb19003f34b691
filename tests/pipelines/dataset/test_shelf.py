"""The shelf: versions found by whatever names them, and nothing lost when processes write at once."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from datasets.coco import make_dataset
from datasets.duplicates.descriptor import DESCRIPTOR
from datasets.split import SplitSettings
from pipelines.duplicates import Descriptors
from pipelines.shelf import Shelf
from tests.pipelines.dataset.helpers import FRONT, PHOTOGRAPHS, REAR, RunJson, sha256, write_coco


def test_a_version_is_found_by_name_digest_beginning_and_folder(home: Path, run_json: RunJson) -> None:
    digest = run_json("list")[0]["digest"]
    found = [run_json("stats", ref) for ref in ("all", digest, digest[:6], home / "datasets/versions" / digest)]
    assert found[0]["images"] == 5
    assert all(one == found[0] for one in found)


VERSION_COMMANDS = [["merge"], ["dedupe"], ["split"], ["licenses"], ["stats"], ["show"], ["export"]]


def with_out(command: list[str], *versions: str) -> list[str]:
    return [*command, *versions, *(["out"] if command == ["export"] else [])]


@pytest.mark.parametrize("command", VERSION_COMMANDS, ids=" ".join)
def test_an_unknown_version_is_told_with_the_known_names(command: list[str], refusal: Callable[..., str]) -> None:
    said = refusal(*with_out(command, "none"))
    assert said == (
        "carloop: none is no dataset version here; known names: all, one, two; "
        "see carloop dataset list, or import it first"
    )
    assert not any(Path.cwd().iterdir())


@pytest.mark.parametrize("command", VERSION_COMMANDS, ids=" ".join)
def test_a_beginning_of_several_digests_is_told(command: list[str], home: Path, refusal: Callable[..., str]) -> None:
    versions, digest = home / "datasets/versions", Shelf(home).names()["one"]
    shutil.copytree(versions / digest, versions / (digest[:6] + "0" * 58))
    assert "several versions begin with it" in refusal(*with_out(command, digest[:6]))
    assert "no dataset version" in refusal(*with_out(command, digest[:5]))


@pytest.mark.parametrize("command", VERSION_COMMANDS, ids=" ".join)
def test_a_version_that_was_changed_is_told(command: list[str], home: Path, refusal: Callable[..., str]) -> None:
    path = Shelf(home).find("one") / "annotations.json"
    path.write_bytes(path.read_bytes().replace(b"damaged door", b"damaged doof"))
    assert "was changed after it was written" in refusal(*with_out(command, "one"))
    path.write_bytes(path.read_bytes()[:-9])
    assert "is not valid JSON at byte" in refusal(*with_out(command, "one"))
    path.unlink()
    assert "is not there" in refusal(*with_out(command, "one"))


@pytest.mark.parametrize(
    ("name", "command"), [("names", "list"), ("names", "stats"), ("names", "import"), ("splits", "split")]
)
@pytest.mark.parametrize("text", ["{", "[1]", '"x"', "3", "null", '{"one": 5}', "\xff"])
def test_broken_names_and_splits_are_told(
    name: str, command: str, text: str, home: Path, tmp_path: Path, refusal: Callable[..., str]
) -> None:
    path = home / f"datasets/{name}.json"
    path.write_bytes(text.encode("latin-1"))
    new = write_coco(tmp_path / "new", {"a.jpg": PHOTOGRAPHS[REAR]})
    said = refusal(command, *{"list": [], "import": [new]}.get(command, ["one"]))
    assert str(path) in said
    assert ";" in said, "what to do comes after it"


@pytest.mark.parametrize("side", ["valid", "", None])
def test_a_side_that_there_is_not_is_told(side: str | None, home: Path, refusal: Callable[..., str]) -> None:
    (home / "datasets/splits.json").write_text(json.dumps({sha256(PHOTOGRAPHS[FRONT]): side}))
    assert "splits.json is broken" in refusal("split", "one")


def test_names_given_at_the_same_time_are_all_kept(home: Path) -> None:
    shelf = Shelf(home)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: shelf.write_name(f"name-{number}", "0" * 64), range(40)))
    assert {f"name-{number}" for number in range(40)} <= shelf.names().keys()


def test_descriptors_added_at_the_same_time_are_all_kept(home: Path) -> None:
    descriptors = Descriptors(Shelf(home).descriptors)
    before = descriptors.read().keys()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: descriptors.add({str(number): np.zeros((), DESCRIPTOR)}), range(40)))
    assert descriptors.read().keys() == before | {str(number) for number in range(40)}


def test_a_family_that_is_split_several_times_at_once_gets_one_side(home: Path) -> None:
    shelf, dataset = Shelf(home), Shelf(home).read("one")
    shared, *_ = dataset.images

    def split(number: int) -> None:
        own = replace(shared, sha256=f"{number:064x}")
        settings = SplitSettings(test_fraction=0.9 if number % 2 else 0.1)
        shelf.assign_splits(make_dataset(dataset.taxonomy, [shared, own], []), seed=0, settings=settings)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(split, range(40)))
    sides = json.loads((home / "datasets/splits.json").read_text())
    assert (len(sides), len(set(sides.values()))) == (41, 1)
