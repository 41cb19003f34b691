"""How a function follows what is published."""

import logging
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nuclio_functions import published
from nuclio_functions.errors import NoPublishedModel
from nuclio_functions.published import PublishedModel
from training.bundle_stores import BundlesElsewhere, BundleStore, FolderOfBundles

LOG = logging.getLogger("test")
MODEL = "damage_detector"
Publish = Callable[..., Path]


def model_of(store: Path | BundleStore, **options: Any) -> PublishedModel:
    """The model in a store, or in a folder whose next bundle is waited for however long it loads."""
    if isinstance(store, Path):
        store = FolderOfBundles(store)
        store.patience = 60
    return PublishedModel(store, MODEL, LOG, **options)


def test_a_newly_published_bundle_is_served_at_once(bundles: Path, publish_detector: Publish) -> None:
    publish_detector(version="3")
    model = model_of(bundles)

    publish_detector(version="4")

    assert model.require().bundle.name == "damage_detector@4"


def test_while_a_bundle_loads_the_one_before_it_answers(
    bundles: Path, publish_detector: Publish, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    publish_detector(version="3")
    store, go_on = FolderOfBundles(bundles), threading.Event()
    store.patience = 0
    model, load = model_of(store), published.load_predictor
    monkeypatch.setattr(published, "load_predictor", lambda bundle: (go_on.wait(), load(bundle))[1])

    publish_detector(version="4")

    assert [model.require().bundle.name for _ in range(3)] == ["damage_detector@3"] * 3
    go_on.set()
    wait_until(lambda: model.require().bundle.name == "damage_detector@4")


def test_a_tampered_bundle_is_told_once_and_the_one_before_it_served(
    bundles: Path, publish_detector: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    publish_detector(version="3")
    model = model_of(bundles)
    (publish_detector(version="4") / "model.onnx").write_bytes(b"another graph")

    assert [model.require().bundle.name for _ in range(3)] == ["damage_detector@3"] * 3
    assert len(caplog.records) == 1
    assert "model.onnx has SHA-256" in caplog.text
    assert "still serving damage_detector@3" in caplog.text


def test_a_bundle_that_is_mended_is_tried_again(bundles: Path, publish_detector: Publish) -> None:
    folder = publish_detector(version="3")
    whole = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(b"another graph")
    model = model_of(bundles, retry_seconds=0)
    with pytest.raises(NoPublishedModel, match="has SHA-256"):
        model.require()

    (folder / "model.onnx").write_bytes(whole)

    assert model.require().bundle.name == "damage_detector@3"


def test_what_is_no_graph_is_told_and_the_one_before_it_served(
    bundles: Path, publish_detector: Publish, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_detector(version="3")
    model = model_of(bundles)
    monkeypatch.setattr(published, "load_predictor", lambda _: 1 / 0)
    publish_detector(version="4")

    assert model.require().bundle.name == "damage_detector@3"
    assert "Traceback" in caplog.text
    assert "damage_detector cannot be loaded (ZeroDivisionError); still serving damage_detector@3" in caplog.text


def test_a_store_that_goes_away_is_served_from_what_was_kept_also_after_a_restart(
    bundles: Path, publish_detector: Publish, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish_detector(version="3")

    def elsewhere() -> BundlesElsewhere:
        return BundlesElsewhere(f"file://{bundles}", tmp_path / "cache", seconds=0)

    model = model_of(elsewhere())
    shutil.move(bundles, tmp_path / "away")
    bundles.write_text("a file where the folder was")

    assert model.require().bundle.name == "damage_detector@3"
    assert model_of(elsewhere()).require().bundle.name == "damage_detector@3"
    assert "is the store there?; still serving damage_detector@3" in caplog.text


def test_a_store_that_comes_back_is_followed(
    bundles: Path, publish_detector: Publish, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    publish_detector(version="3")
    model = model_of(BundlesElsewhere(f"file://{bundles}", tmp_path / "cache", seconds=0))
    shutil.move(bundles, tmp_path / "away")
    assert model.require().bundle.name == "damage_detector@3"
    shutil.move(tmp_path / "away", bundles)

    publish_detector(version="4")

    wait_until(lambda: model.require().bundle.name == "damage_detector@4")


def test_many_threads_that_ask_while_bundles_are_swapped_all_have_a_whole_one(
    bundles: Path, publish_detector: Publish
) -> None:
    folders = {publish_detector(version=version).name: version for version in "123456"}
    pointer = bundles / f"{MODEL}.json"
    stop = threading.Event()
    model = model_of(bundles)

    def ask() -> set[tuple[str, str]]:
        seen = set()
        while not stop.is_set():
            bundle = model.require().bundle
            seen.add((bundle.digest, bundle.spec.version))
        return seen

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        for digest in folders:
            other = pointer.with_suffix(".new")
            other.write_text(f'{{"digest": "{digest}"}}')
            os.replace(other, pointer)  # noqa: PTH105
            assert model.require() is not None
        stop.set()
        seen = set().union(*(future.result() for future in asking))

    assert seen <= set(folders.items())
