"""`carloop curate` with the folder of a version that lies elsewhere, as one of a run of the loop does."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.children import ROOT
from pipelines.curating.cli import curate
from pipelines.dataset.cli import dataset
from pipelines.shelf import Shelf

_SESSION = """
import json, sys
from pathlib import Path
from click.testing import CliRunner
from pipelines.curating.cli import curate
from pipelines.curating.place import opened

home, version = sys.argv[1:]
with opened(Path(home)) as fo:
    for command in (["sync", version, "--name", "shown"], ["read", "shown"]):
        done = CliRunner().invoke(curate, [*command, "--home", home, "--json"])
        assert done.exit_code == 0, done.exception
    shown = fo.load_dataset("shown")
    print(json.dumps({"files": shown.values("filepath"), "read": json.loads(done.stdout)}))
"""


@pytest.fixture(scope="module")
def elsewhere(cars: Path, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Another place with a version, and a store beside its versions."""
    place = tmp_path_factory.mktemp("elsewhere")
    done = CliRunner().invoke(dataset, ["import", str(cars), "--name", "cars", "--home", str(place)])
    assert done.exit_code == 0, done.output
    return Shelf(place)


def test_images_that_the_home_lacks_are_told_with_where_they_are(elsewhere: Shelf, tmp_path: Path) -> None:
    version = elsewhere.find("cars")
    done = CliRunner().invoke(curate, ["sync", str(version), "--home", str(tmp_path)])
    assert done.exit_code == 1
    assert f"are not in {tmp_path}/datasets/store, images/" in str(done.exception)
    assert f"copy what is in {elsewhere.store.root} there, then run this again" in str(done.exception)
    assert not (tmp_path / "mongodb").exists()


def test_images_that_are_nowhere_are_to_be_imported_again(elsewhere: Shelf, tmp_path: Path) -> None:
    shutil.copytree(elsewhere.versions, tmp_path / "datasets" / "versions")
    done = CliRunner().invoke(curate, ["sync", elsewhere.find("cars").name, "--home", str(tmp_path)])
    assert "import them again, then run this again" in str(done.exception)


def test_with_its_images_in_the_home_it_is_shown_and_read_back(elsewhere: Shelf, tmp_path: Path) -> None:
    shutil.copytree(elsewhere.store.root, tmp_path / "datasets" / "store")
    version = elsewhere.find("cars")
    ended = subprocess.run(
        [sys.executable, "-c", _SESSION, str(tmp_path), str(version)],
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["files"]
    assert all(Path(path).is_file() for path in told["files"])
    (made,) = told["read"]["versions"].values()
    assert made["images"] == len(told["files"])
