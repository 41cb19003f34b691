import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from training.bundle import BundleSpec, publish, write_bundle
from training.bundle_stores import BundlesElsewhere, FolderOfBundles, open_bundles, push_published
from training.errors import BadBundle, StoreAway, TamperedBundle

MODEL = "damage_detector"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "published"


def publish_one(folder: Path, version: str) -> str:
    """Publish a graph that is only some bytes; the bundle's digest."""
    graph = folder.with_name("graph")
    graph.write_bytes(f"graph {version}".encode())
    spec = BundleSpec(task="detector", model=MODEL, version=version, class_names=("dent",), image_size=64)
    digest = write_bundle(folder, spec, graph)
    publish(folder, MODEL, digest)
    return digest


@pytest.fixture
def memory(folder: Path) -> Iterator[fsspec.AbstractFileSystem]:
    """A file system in memory with one bundle, published in /bundles."""
    files = fsspec.filesystem("memory")
    publish_one(folder, "1")
    push_published(folder, MODEL, "memory://bundles")
    yield files
    files.rm("/bundles", recursive=True)


def elsewhere(tmp_path: Path, *, seconds: float = 0) -> BundlesElsewhere:
    return BundlesElsewhere("memory://bundles", tmp_path / "cache", seconds=seconds)


def test_a_path_is_a_folder_and_an_address_is_elsewhere(tmp_path: Path) -> None:
    assert isinstance(open_bundles(str(tmp_path), cache=tmp_path), FolderOfBundles)
    assert isinstance(open_bundles("memory://bundles", cache=tmp_path), BundlesElsewhere)


def test_an_address_that_nothing_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBundle, match="nowhere://bundles cannot be used"):
        open_bundles("nowhere://bundles", cache=tmp_path)


def test_a_pointer_in_a_folder_is_read_again_only_when_it_is_another_file(folder: Path) -> None:
    store = FolderOfBundles(folder)
    assert store.may_have_changed(MODEL)
    assert store.read_newest(MODEL) is None
    assert not store.may_have_changed(MODEL)

    digest = publish_one(folder, "1")

    assert store.may_have_changed(MODEL)
    assert store.read_newest(MODEL) == digest
    assert not store.may_have_changed(MODEL)


def test_a_pointer_elsewhere_is_asked_for_every_few_seconds(tmp_path: Path, memory: object) -> None:
    store = elsewhere(tmp_path, seconds=60)
    assert store.may_have_changed(MODEL)

    store.read_newest(MODEL)

    assert not store.may_have_changed(MODEL)
    assert store.may_have_changed("cleanliness_classifier")


def test_a_bundle_elsewhere_is_fetched_and_kept(tmp_path: Path, memory: fsspec.AbstractFileSystem) -> None:
    store = elsewhere(tmp_path)
    digest = store.read_newest(MODEL)
    assert digest is not None

    assert store.read(digest).read_graph() == b"graph 1"

    memory.rm(f"/bundles/{digest}", recursive=True)
    assert store.read(digest).read_graph() == b"graph 1"
    assert not list((tmp_path / "cache").glob(".*"))


def test_pushing_again_changes_what_is_published_elsewhere(tmp_path: Path, folder: Path, memory: object) -> None:
    with pytest.raises(BadBundle, match="no cleanliness_classifier is published"):
        push_published(folder, "cleanliness_classifier", "memory://bundles")
    digest = publish_one(folder, "2")

    push_published(folder, MODEL, "memory://bundles")

    assert elsewhere(tmp_path).read_newest(MODEL) == digest
    assert elsewhere(tmp_path).read(digest).read_graph() == b"graph 2"


def test_a_kept_bundle_that_is_damaged_is_fetched_again(tmp_path: Path, memory: object) -> None:
    store = elsewhere(tmp_path)
    digest = store.read_newest(MODEL)
    assert digest is not None
    store.read(digest).model_path.write_bytes(b"damaged")

    assert store.read(digest).read_graph() == b"graph 1"


def test_nothing_published_elsewhere_is_no_error(tmp_path: Path, memory: object) -> None:
    assert elsewhere(tmp_path).read_newest("cleanliness_classifier") is None


@pytest.mark.parametrize("name", ["model.onnx", "bundle.json"])
def test_a_tampered_file_elsewhere_is_named_and_not_kept(
    tmp_path: Path, memory: fsspec.AbstractFileSystem, name: str
) -> None:
    store = elsewhere(tmp_path)
    digest = store.read_newest(MODEL)
    assert digest is not None
    memory.pipe_file(f"/bundles/{digest}/{name}", b'{"other": 1}')

    with pytest.raises(TamperedBundle, match=f"memory://bundles/{digest}/{name} has"):
        store.read(digest)
    memory.rm_file(f"/bundles/{digest}/{name}")
    with pytest.raises(TamperedBundle, match=f"{name} is not there"):
        store.read(digest)
    assert not (tmp_path / "cache" / digest).exists()


def test_a_pointer_elsewhere_that_names_no_digest_is_refused(tmp_path: Path, memory: fsspec.AbstractFileSystem) -> None:
    for content in (b"{", json.dumps({"digest": "../elsewhere"}).encode()):
        memory.pipe_file(f"/bundles/{MODEL}.json", content)
        with pytest.raises(BadBundle, match="names no bundle"):
            elsewhere(tmp_path).read_newest(MODEL)


def test_what_was_served_last_is_known_after_a_restart(tmp_path: Path, memory: object) -> None:
    assert elsewhere(tmp_path).read_kept(MODEL) is None

    elsewhere(tmp_path).keep(MODEL, "a" * 64)

    assert elsewhere(tmp_path).read_kept(MODEL) == "a" * 64


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


def test_a_server_that_is_gone_is_a_store_away(tmp_path: Path, folder: Path) -> None:
    digest = publish_one(folder, "1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    store = BundlesElsewhere(f"http://127.0.0.1:{server.server_port}", tmp_path / "cache", seconds=0)
    try:
        assert store.read_newest("cleanliness_classifier") is None
        assert store.read_newest(MODEL) == digest
        assert store.read(digest).read_graph() == b"graph 1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

    with pytest.raises(StoreAway, match="is the store there"):
        store.read_newest(MODEL)
    assert store.read(digest).read_graph() == b"graph 1"
