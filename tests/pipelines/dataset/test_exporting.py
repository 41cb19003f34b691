"""Exports come back the same and overwrite nothing of Carloop's own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.shelf import Shelf
from tests.pipelines.dataset.helpers import Run, RunJson


def test_coco_and_yolo_exports_come_back_the_same(run: Run, run_json: RunJson, tmp_path: Path) -> None:
    run("split", "all", "--test-fraction", "0.5")
    for form in ("coco", "yolo"):
        told = run_json("export", "all", tmp_path / form, "--format", form)
        assert (told["out"], told["images"], told["annotations"]) == (str(tmp_path / form), 5, 4)
        back = run_json("import", tmp_path / form, "--name", f"from-{form}")
        assert (back["format"], back["images"], back["annotations"]) == (form, 5, 4)
    assert (tmp_path / "yolo" / "data.yaml").exists()
    assert any(
        "origins" in loss["what"] for loss in run_json("export", "all", tmp_path / "y", "--format", "yolo")["losses"]
    )


def test_an_export_again_is_the_same_and_another_takes_its_place(run: Run, run_json: RunJson, tmp_path: Path) -> None:
    run("export", "all", tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    run("export", "all", tmp_path / "out")
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
    assert run_json("export", "all", tmp_path / "out", "--class", "dent", "--copy")["annotations"] == 2
    assert "annotations" in run("export", "one", tmp_path / "out")


@pytest.mark.parametrize(
    "out", ["datasets/exports", "datasets", "datasets/versions/{one}", "datasets/versions/{one}/out"]
)
def test_an_export_into_carloop_s_own_datasets_is_refused(out: str, home: Path, refusal: Callable[..., str]) -> None:
    place = home / out.format(one=Shelf(home).names()["one"])
    assert "which Carloop keeps for itself; name a folder elsewhere" in refusal("export", "one", place)


def test_an_export_into_its_own_version_in_another_home_is_refused(
    home: Path, tmp_path: Path, refusal: Callable[..., str]
) -> None:
    version = Path(shutil.copytree(Shelf(home).find("one"), tmp_path / "given" / "cars"))
    assert "name a folder elsewhere" in refusal("export", version, version / "out")
    assert not (version / "out").exists()
