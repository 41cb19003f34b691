"""Where published bundles are read from: a folder, or any place that fsspec reaches, by way of a folder here.

A place elsewhere looks like a folder of bundles. What is fetched from it is checked by digest and kept in a folder of
the same form, whose pointers name what was last served: with these, a model is served while the place is away.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import fsspec  # type: ignore[import-untyped]
import orjson

from datasets.files import digest, new_folder, write_bytes
from training.bundle import (
    SPEC_FILE,
    Bundle,
    parse_pointer,
    parse_spec,
    pointer_path,
    publish,
    read_bundle,
    read_pointer,
    require_digest,
)
from training.errors import BadBundle, StoreAway, TamperedBundle

POINTER_SECONDS = 10.0
"""How often a place elsewhere is asked for its pointers, at most."""


class BundleStore(Protocol):
    """Where bundles are read from; `patience` is how many seconds a request may wait for a newer one."""

    patience: float

    def may_have_changed(self, model: str) -> bool:
        """Whether `read_newest` may say something else than last time. Cheap: it is asked with every request."""

    def read_newest(self, model: str) -> str | None:
        """The digest that the model's pointer names; None before the first is published.

        Raises BadBundle for what is no pointer, and StoreAway.
        """

    def read(self, bundle_digest: str) -> Bundle:
        """That bundle, checked. Raises BadBundle, TamperedBundle, StoreAway."""

    def keep(self, model: str, bundle_digest: str) -> None:
        """Note what is served, for when the store is away."""

    def read_kept(self, model: str) -> str | None:
        """What was noted last, by this process or an earlier one."""


def open_bundles(address: str, *, cache: Path, seconds: float = POINTER_SECONDS) -> "BundleStore":
    """The bundles at a path, or at an address such as s3://bucket/bundles, which are kept under `cache`.

    `seconds` go by between two looks at pointers elsewhere. Raises BadBundle for an address that cannot be used.
    """
    if "://" not in address:
        return FolderOfBundles(Path(address))
    return BundlesElsewhere(address, cache / digest(address)[:16], seconds=seconds)


class FolderOfBundles:
    """Bundles in a folder; a pointer is read again when its file is another one."""

    patience = 1.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, tuple[int, ...] | None] = {}

    def __str__(self) -> str:
        return str(self._folder)

    def may_have_changed(self, model: str) -> bool:
        return model not in self._seen or self._seen[model] != self._state(model)

    def read_newest(self, model: str) -> str | None:
        self._seen[model] = self._state(model)  # first, so that what is published meanwhile is seen next time
        return read_pointer(self._folder, model)

    def read(self, bundle_digest: str) -> Bundle:
        return read_bundle(self._folder, bundle_digest)

    def keep(self, model: str, bundle_digest: str) -> None: ...

    def read_kept(self, model: str) -> str | None:
        return None

    def _state(self, model: str) -> tuple[int, ...] | None:
        try:
            found = os.stat(pointer_path(self._folder, model))  # noqa: PTH116
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


class BundlesElsewhere:
    """Bundles at an address that fsspec reaches."""

    patience = 0.0  # the place may take any time to answer

    def __init__(self, address: str, cache: Path, *, seconds: float = POINTER_SECONDS) -> None:
        self._address = address.rstrip("/")
        self._cache = cache
        self._seconds = seconds
        self._looked: dict[str, float] = {}
        self._files, self._root = _reach(address)

    def __str__(self) -> str:
        return self._address

    def may_have_changed(self, model: str) -> bool:
        return time.monotonic() - self._looked.get(model, -self._seconds) >= self._seconds

    def read_newest(self, model: str) -> str | None:
        self._looked[model] = time.monotonic()
        try:
            content = self._fetch(f"{model}.json")
        except FileNotFoundError:
            return None
        return parse_pointer(_parsed(content), f"{self._address}/{model}.json")

    def read(self, bundle_digest: str) -> Bundle:
        folder = self._cache / bundle_digest
        if folder.exists():
            try:
                return read_bundle(self._cache, bundle_digest)
            except TamperedBundle:
                shutil.rmtree(folder)
        with new_folder(folder) as part:
            self._fetch_bundle(bundle_digest, part)
        return read_bundle(self._cache, bundle_digest)

    def keep(self, model: str, bundle_digest: str) -> None:
        if self.read_kept(model) != bundle_digest:
            self._cache.mkdir(parents=True, exist_ok=True)
            publish(self._cache, model, bundle_digest)

    def read_kept(self, model: str) -> str | None:
        return read_pointer(self._cache, model)

    def _fetch_bundle(self, bundle_digest: str, part: Path) -> None:
        place = f"{self._address}/{bundle_digest}"
        content = self._fetch_listed(f"{bundle_digest}/{SPEC_FILE}")
        spec = parse_spec(_parsed(content), bundle_digest, f"{place}/{SPEC_FILE}")
        for name, sha256 in spec.files.items():
            file = self._fetch_listed(f"{bundle_digest}/{name}")
            require_digest(f"{place}/{name}", hashlib.sha256(file).hexdigest(), sha256)
            write_bytes(part / name, file)
        write_bytes(part / SPEC_FILE, content)

    def _fetch_listed(self, path: str) -> bytes:
        try:
            return self._fetch(path)
        except FileNotFoundError:
            raise TamperedBundle(f"{self._address}/{path} is not there; publish the model again") from None

    def _fetch(self, path: str) -> bytes:
        with _telling(f"{self._address}/{path}"):
            content: bytes = self._files.cat_file(f"{self._root}/{path}")
            return content


def push_published(bundles: Path, model: str, address: str) -> None:
    """Copy what is published of a model in a folder to an address that fsspec reaches: the pointer comes last.

    Raises BadBundle when nothing is published, TamperedBundle, and StoreAway.
    """
    bundle_digest = read_pointer(bundles, model)
    if bundle_digest is None:
        raise BadBundle(f"no {model} is published in {bundles}; promote one first")
    bundle = read_bundle(bundles, bundle_digest)
    files, root = _reach(address)
    with _telling(address):
        files.makedirs(f"{root}/{bundle_digest}", exist_ok=True)
        for name in (*bundle.spec.files, SPEC_FILE):
            files.pipe_file(f"{root}/{bundle_digest}/{name}", (bundle.folder / name).read_bytes())
        files.pipe_file(f"{root}/{model}.json", pointer_path(bundles, model).read_bytes())


def _reach(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises BadBundle."""
    try:
        files, root = fsspec.core.url_to_fs(address.rstrip("/"))
    except (ImportError, ValueError) as error:
        raise BadBundle(f"{address} cannot be used for bundles: {error}; install what it needs") from error
    return files, root


@contextmanager
def _telling(place: str) -> Iterator[None]:
    """Whatever goes wrong but a missing file is a store that is away: each file system raises its own kinds."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        raise StoreAway(f"{place} cannot be reached ({type(error).__name__}: {error}); is the store there?") from error


def _parsed(content: bytes) -> object:
    """The JSON in a file; None, which is neither pointer nor bundle, when it is none."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
