"""The champion changed under load, and hostile requests: the benchmarks' small versions, on graphs of known answers."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import pytest

from benchmarks.function_data import MODEL, Host, make_photo, open_host
from benchmarks.hostile_kinds import KINDS
from benchmarks.hostile_requests import attack, make_requests
from benchmarks.hostile_requests import table as hostile_table
from benchmarks.swap import Swaps, make_request, models_of, run_swaps
from benchmarks.swap import table as swap_table
from tests.nuclio_functions.conftest import SIZE, write_constant_graph
from training.bundle import BundleSpec, publish, write_bundle

PHOTO = make_photo(width=128, height=96)


def write_constant_detector(bundles: Path, *, version: str, score: float) -> str:
    """A detector that sees one dent in the middle, with that score."""
    anchors = np.array([[[32.0], [32.0], [20.0], [10.0], [0.01], [score]]])
    bundles.mkdir(exist_ok=True)
    graph = write_constant_graph(bundles / "detector.onnx", anchors)
    classes = ("damaged door", "dent")
    spec = BundleSpec(task="detector", model=MODEL, version=version, class_names=classes, image_size=SIZE)
    return write_bundle(bundles, spec, graph)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def digests(bundles: Path) -> list[str]:
    written = [
        write_constant_detector(bundles, version=version, score=score) for version, score in (("1", 0.8), ("2", 0.9))
    ]
    publish(bundles, MODEL, written[0])
    return written


@pytest.fixture(scope="module")
def host(bundles: Path, digests: list[str]) -> Iterator[Host]:
    with open_host(bundles) as host:
        yield host


def test_a_champion_that_changes_under_load_loses_no_request_and_mixes_no_models(
    host: Host, bundles: Path, digests: list[str]
) -> None:
    body = make_request(PHOTO, threshold=0.5)
    change = partial(publish, bundles, MODEL)

    swaps = run_swaps(host, models_of(bundles, digests), change, body, clients=4, seconds=2, every=0.2)

    assert (swaps.lost, swaps.mixed) == ([], 0)
    assert set(swaps.by_model) == {"damage_detector@1", "damage_detector@2"}
    assert swaps.is_kept
    assert "mixing two models" in swap_table(swaps)


def test_a_lost_or_mixed_reply_is_a_broken_promise() -> None:
    seen = Swaps()
    seen.by_model.update(["a", "b"])

    assert seen.is_kept
    seen.mixed = 1
    assert not seen.is_kept


def test_hostile_requests_of_every_kind_leave_the_function_well(host: Host) -> None:
    shown = attack(host, count=len(KINDS), seed=0, clients=4, photo=PHOTO, threshold=0.5)

    assert shown.broken == []
    assert set(shown.outcomes) == set(KINDS)
    assert {outcome for seen in shown.outcomes.values() for outcome in seen} <= {"200", "400", "413", "left"}
    assert "png bomb" in hostile_table(shown)


def test_the_same_seed_makes_the_same_hostile_requests() -> None:
    def made(seed: int) -> list[tuple[bytes, ...]]:
        names = ("no http", "deep json", "truncated base64", "wrong types", "tiff", "dropped in the body")
        return [KINDS[name](Random(seed), PHOTO).pieces for name in names]

    assert made(1) == made(1)
    assert made(1) != made(2)
    assert [name for name, _ in make_requests(5, seed=1, photo=PHOTO)] != list(KINDS)[:5]
