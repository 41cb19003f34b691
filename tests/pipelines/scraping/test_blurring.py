"""`carloop scrape blur`, and the version that a push takes in place of the one that was named."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from rich.console import Console

from datasets.errors import BadDataset
from datasets.versions import read_beside
from pipelines.annotation.pushing import for_people
from pipelines.progress import Progress
from pipelines.project import read_project
from pipelines.scraping.blurring import BLURRED, with_originals
from pipelines.shelf import Shelf
from tests.datasets.blurring.plates import encoded, plate
from tests.pipelines.dataset.helpers import invoke, write_coco
from tests.pipelines.scraping.conftest import Run

BLUR = {"plates": "cascade", "faces": "none"}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the version `cars`: one image with a plate and a dent, one without either."""
    root = tmp_path_factory.mktemp("blurring")
    photographs = {"plate.png": encoded(plate(), "PNG"), "wall.png": encoded(plate()[:80], "PNG")}
    write_coco(root / "cars", photographs, [("plate.png", "dent", [10, 10, 40, 30])])
    assert invoke("import", root / "cars", "--home", root / "home")[0] == 0
    return root / "home"


@pytest.fixture
def home(imported: Path) -> Path:
    return imported


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "carloop.yaml"
    path.write_text(yaml.safe_dump({"scrape": {"blur": BLUR}}))
    return path


@pytest.fixture
def blur(run: Run, project: Path) -> Callable[..., Any]:
    """Run `carloop scrape blur cars`: what was told."""

    def invoke_blur(*arguments: object) -> Any:
        code, told = run("blur", "cars", "--project", project, *arguments)
        assert code == 0
        return told

    return invoke_blur


def test_a_dry_run_looks_and_keeps_nothing(blur: Callable[..., Any], home: Path, tmp_path: Path) -> None:
    before = sorted(path for path in home.rglob("*") if path.is_file())
    told = blur("--dry-run", "--html", tmp_path / "sheet.html")
    assert (told["looked_at"], told["changed"], told["regions"]) == (2, 1, 1)
    page = (tmp_path / "sheet.html").read_text()
    assert (page.count("data:image/jpeg;base64,"), page.count("1 found"), page.count("nothing found")) == (2, 1, 1)
    assert sorted(path for path in home.rglob("*") if path.is_file()) == before


def test_an_image_with_a_plate_is_replaced_and_keeps_its_annotations(blur: Callable[..., Any], home: Path) -> None:
    told = blur()
    assert (told["name"], told["images"], told["changed"]) == ("cars-blurred", 2, 1)
    shelf = Shelf(home)
    old, new = shelf.read("cars"), shelf.read("cars-blurred")
    (derived,) = (image for image in new.images if image.derived_from)
    assert old.by_sha256[derived.derived_from or ""].family == derived.family
    assert {image.sha256 for image in old.images} & {image.sha256 for image in new.images}
    assert [(one.sha256, one.bbox_xywh) for one in new.annotations] == [(derived.sha256, (10, 10, 40, 30))]
    assert shelf.store.path(derived.file_name).exists()
    assert with_originals(shelf, [derived.sha256]) == {derived.sha256, derived.derived_from}
    beside = json.loads(read_beside(shelf.find("cars-blurred"), BLURRED) or b"")
    assert beside["how"]["plates"] == "cascade"
    assert beside["images"][derived.sha256]["derived_from"] == derived.derived_from


def test_blurring_again_searches_nothing_and_makes_the_same(blur: Callable[..., Any], home: Path) -> None:
    first = blur()
    there = {path: path.read_bytes() for path in (home / "datasets" / "blurred").glob("*.json")}
    assert blur("--name", "again")["version"] == first["version"]
    assert {path: path.read_bytes() for path in (home / "datasets" / "blurred").glob("*.json")} == there


def test_what_was_blurred_is_not_searched_again(blur: Callable[..., Any], run: Run, home: Path, project: Path) -> None:
    blur()
    code, told = run("blur", "cars-blurred", "--project", project)
    assert (code, told["changed"], told["version"]) == (0, 0, Shelf(home).find("cars-blurred").name)


def test_an_original_beside_the_image_that_took_its_place_is_left_out(
    blur: Callable[..., Any], run: Run, home: Path, project: Path
) -> None:
    blur()
    merged = ["merge", "cars", "cars-blurred", "--no-pixels", "--name", "both"]
    assert invoke(*merged, "--home", home)[0] == 0
    assert len(Shelf(home).read("both").images) == 3
    run("blur", "both", "--project", project)
    images = Shelf(home).read("both-blurred").images
    assert {image.sha256 for image in images} == {image.sha256 for image in Shelf(home).read("cars-blurred").images}


@pytest.mark.parametrize("enabled", [False, True])
def test_a_push_takes_the_blurred_version_where_the_project_says_so(home: Path, tmp_path: Path, enabled: bool) -> None:
    path = tmp_path / "carloop.yaml"
    path.write_text(yaml.safe_dump({"scrape": {"blur": {**BLUR, "enabled": enabled}}}))
    desk: Any = SimpleNamespace(
        project=read_project(path), shelf=Shelf(home), progress=Progress(Console(stderr=True, quiet=True))
    )
    pushed = for_people(desk, "cars")
    assert any(image.derived_from for image in desk.shelf.read(pushed).images) is enabled


def test_an_image_whose_file_is_gone_is_told(home: Path, run: Run, tmp_path: Path, project: Path) -> None:
    write_coco(tmp_path / "gone", {"a.jpg": encoded(plate()[:90])})
    assert invoke("import", tmp_path / "gone", "--home", home)[0] == 0
    shelf = Shelf(home)
    shelf.store.path(shelf.read("gone").images[0].file_name).unlink()
    with pytest.raises(BadDataset, match="cannot be searched for plates and faces"):
        run("blur", "gone", "--project", project)
