"""Drift: told where new images are other ones, and not where they are alike; cars count, not photographs."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from datasets.errors import BadInput
from pipelines.flows.drift_measures import STATISTICS, statistics_of
from pipelines.flows.drifting import Drift, find_drift
from pipelines.flows.settings import DriftSettings, FlowSettings
from pipelines.progress import Progress
from pipelines.project import Project
from tests.pipelines.dataset.helpers import Picture, invoke, jpeg, picture, write_coco

CARS = 24
PROGRESS = Progress(Console(stderr=True))


def darker(pixels: Picture) -> Picture:
    return (pixels * 0.45).astype(np.uint8)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with photographs of cars, other ones like them, other ones at dusk, and few cars from many sides."""
    root = tmp_path_factory.mktemp("drift")
    made = {
        "old": {f"{n}.jpg": jpeg(picture(n)) for n in range(CARS)},
        "alike": {f"{n}.jpg": jpeg(picture(n)) for n in range(100, 100 + CARS)},
        "dusk": {f"{n}.jpg": jpeg(darker(picture(n))) for n in range(200, 200 + CARS)},
        "few": {f"{n}.jpg": jpeg(darker(picture(n))) for n in range(300, 304)},
    }
    for name, photographs in made.items():
        write_coco(root / name, photographs)
        assert invoke("import", root / name, "--home", root / "home", "--name", name)[0] == 0
    return root / "home"


def drift(home: Path, new: str, *, against: str = "old", **settings: object) -> Drift:
    project = Project(flows=FlowSettings(drift=DriftSettings.model_validate(settings)))
    return find_drift(project, home, PROGRESS, new=new, against=against)


def test_images_at_dusk_are_told_from_those_by_day(home: Path) -> None:
    found = drift(home, "dusk")
    drifted = {row.measure: row for row in found.rows if row.has_drifted}
    assert "brightness" in drifted
    assert drifted["brightness"].now < drifted["brightness"].before
    assert "width by height" not in drifted
    assert found.told.startswith(f"drift: {CARS} new images of {CARS} cars differ in brightness")


def test_other_images_of_the_same_kind_are_no_drift(home: Path) -> None:
    found = drift(home, "alike")
    assert not found.is_drift
    assert found.told.startswith("no drift")


def test_what_was_found_is_kept_with_a_page_that_needs_nothing_beside_it(home: Path) -> None:
    found = drift(home, "dusk")
    page = found.page.read_text()
    assert "Drift: 24 new images" in page
    assert page.count("<svg") == len(found.rows)
    assert "http" not in page.replace("http-equiv", "")
    written = found.page.stat().st_mtime_ns
    assert drift(home, "dusk") == found
    assert found.page.stat().st_mtime_ns == written


def test_images_on_both_sides_are_no_news(home: Path) -> None:
    with pytest.raises(BadInput, match="the 0 new images are of 0 cars"):
        drift(home, "old")


def test_too_few_cars_are_refused(home: Path) -> None:
    with pytest.raises(BadInput, match="the 4 new images are of 4 cars; 8 are needed"):
        drift(home, "few")


def test_where_nothing_was_learnt_or_scraped_it_is_told(home: Path) -> None:
    with pytest.raises(BadInput, match="nothing was learnt in"):
        find_drift(Project(), home, PROGRESS)
    with pytest.raises(BadInput, match="nothing to compare: carloop-scraped is no dataset version"):
        find_drift(Project(), home, PROGRESS, against="old")


def test_statistics_tell_light_colour_and_sharpness() -> None:
    grey = np.full((100, 200, 3), 128, np.uint8)
    told = dict(zip(STATISTICS, statistics_of(grey), strict=True))
    assert told["brightness"] == pytest.approx(0.5, abs=0.01)
    assert (told["contrast"], told["saturation"]) == (0, 0)
    assert (told["megapixels"], told["width by height"]) == (0.02, 2)
    sharp = picture(1)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 4)
    assert statistics_of(sharp)[4] > statistics_of(blurred)[4]
    assert statistics_of(np.full((50, 50, 3), (255, 180, 60), np.uint8))[3] > 0.2  # a warm light
