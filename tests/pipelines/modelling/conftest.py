"""A home with three classifiers of a constant judgement."""

from pathlib import Path
from shutil import copytree

import pytest

from pipelines.modelling.place import find_place
from tests.pipelines.modelling.green_cars import register, write_cars_version


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 takes green for clean, 2 and 3 for dirty; trained on the train cars, tested on the test cars."""
    home = tmp_path_factory.mktemp("home")
    place = find_place(home, None)
    train, test = write_cars_version(place, "train"), write_cars_version(place, "test")
    for gain in (-0.5, 0.5, 0.6):
        register(place, gain, train, test)
    return home


@pytest.fixture
def own_home(new_home: Path, tmp_path: Path) -> Path:
    """One that a test has for itself."""
    return copytree(new_home, tmp_path / "home")
