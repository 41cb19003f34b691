"""The drift benchmark tells what is apart from what is alike."""

import numpy as np

from benchmarks.drift import differences, false_alarms
from datasets.coco import Image
from pipelines.flows.drift_measures import STATISTICS, Measured


def measured(seed: int, *, brighter: float = 0.0, cars: int = 60) -> Measured:
    generator = np.random.default_rng(seed)
    statistics = generator.normal(size=(cars, len(STATISTICS)))
    statistics[:, 0] += brighter
    images = tuple(
        Image(f"{seed:032d}{number:032d}", f"{number}.jpg", 640, 480, family=f"car {number}") for number in range(cars)
    )
    return Measured(images, statistics.astype(np.float32), generator.normal(size=(cars, 12)).astype(np.float32))


def test_only_what_was_changed_is_told_of_two_versions() -> None:
    assert list(differences(measured(0, brighter=2), measured(1))) == ["brightness"]
    assert not differences(measured(2), measured(3))


def test_halves_of_one_version_are_seldom_told_apart() -> None:
    told = false_alarms(measured(0), partings=50, seed=0)
    assert (told["cars"], told["partings"]) == (60, 50)
    assert told["alarms"] <= 3
