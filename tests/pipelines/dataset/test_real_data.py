"""Three real datasets, where CARLOOP_REAL_DATA says where they are."""

import json
import os
from pathlib import Path

import pytest

from datasets.versions import read_conflicts, read_content
from pipelines.shelf import Shelf
from tests.pipelines.dataset.helpers import Told, invoke

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Told]]:
    """A home with three real datasets, and what was told when each was imported and all were merged."""
    if not os.environ.get("CARLOOP_REAL_DATA"):
        pytest.skip("CARLOOP_REAL_DATA does not say where real datasets are")
    home, told = tmp_path_factory.mktemp("real"), {}
    names = ("damaged-parts", "car-scratch", "car-damage-via")
    commands = {name: ["import", Path(os.environ["CARLOOP_REAL_DATA"]) / name] for name in names}
    for name, command in (commands | {"all": ["merge", *names, "--name", "all"]}).items():
        project = ["--project", EXAMPLES / "three-sources.yaml"]
        code, out, err = invoke(*command, *project, "--home", home, "--json")
        assert code == 0, err
        told[name] = json.loads(out)
    return home, told


def test_three_real_datasets_are_imported_whole(real: tuple[Path, dict[str, Told]]) -> None:
    _, told = real
    found = {name: (one["format"], one["images"], one["annotations"]) for name, one in told.items() if name != "all"}
    assert found == {
        "damaged-parts": ("coco", 630, 1292),
        "car-scratch": ("coco", 1221, 1965),
        "car-damage-via": ("via", 69, 375),
    }
    assert "4 objects reach out of their image and were clipped to it" in told["damaged-parts"]["notes"]
    assert any("says the same as" in note for note in told["car-damage-via"]["notes"])


def test_three_real_datasets_merge_into_one_in_any_order_and_again(real: tuple[Path, dict[str, Told]]) -> None:
    home, told = real
    merged = told["all"]
    assert merged["images"] + merged["copies"] == 630 + 1221 + 69
    assert merged["unread"] == {}
    project = ["--project", EXAMPLES / "three-sources.yaml"]
    names = ["car-damage-via", "all", "car-scratch", "damaged-parts", "car-scratch"]
    code, out, err = invoke("merge", *names, *project, "--home", home, "--json")
    assert (code, json.loads(out)["version"]) == (0, merged["version"]), err


def test_photographs_in_train_and_test_under_two_names_are_told(real: tuple[Path, dict[str, Told]]) -> None:
    home, _ = real
    folder = Shelf(home).find("all")
    exact = {image.sha256 for image in read_content(folder).images if len({v.source for v in image.views}) > 1}
    named = [conflict for conflict in read_conflicts(folder) if conflict.kind == "name"]
    assert {conflict.detail for conflict in named} == {"car-scratch/test: Scratch, car-scratch/train: 0"}
    assert 43 <= len({conflict.sha256 for conflict in named}) <= len(exact)


def test_copies_that_an_augmentation_made_of_a_real_photograph_share_a_family(
    real: tuple[Path, dict[str, Told]],
) -> None:
    home, _ = real
    families: dict[str, set[str]] = {}
    for image in read_content(Shelf(home).find("all")).images:
        for view in image.views:
            if view.source == "damaged-parts":
                families.setdefault(view.file_name.partition("_jpg.rf.")[0], set()).add(image.family)
    assert len(families) == 210
    assert sum(len(found) == 1 for found in families.values()) > 200
