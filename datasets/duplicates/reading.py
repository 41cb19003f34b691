"""Read the descriptors of many image files, a few at a time, and go on past those that cannot be read."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from datasets.duplicates.descriptor import DESCRIPTOR, describe_image
from datasets.errors import BadDataset

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Described:
    """What was found in files: the N that are images, in the order given, and why the others are not.

    descriptors: (N,) of DESCRIPTOR; sha256s: of the files' bytes.
    """

    paths: tuple[Path, ...]
    sha256s: tuple[str, ...]
    descriptors: NDArray[np.void]
    failures: Mapping[Path, str]


def read_described(
    paths: Sequence[Path],
    *,
    workers: int = WORKERS,
    known: Mapping[str, NDArray[np.void]] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Described:
    """Describe image files, in threads (decoding and hashing let others run).

    `known` has descriptors by SHA-256; such an image is hashed but not decoded. `progress` is told (done, total).
    """
    found: list[tuple[Path, str, NDArray[np.void]]] = []
    failures: dict[Path, str] = {}
    with _quiet_decoding(), ThreadPoolExecutor(workers) as pool:
        results = pool.map(lambda path: _read_one(path, known or {}), paths)
        for done, (path, result) in enumerate(zip(paths, results, strict=True), start=1):
            if isinstance(result, str):
                failures[path] = result
            else:
                found.append((path, *result))
            progress(done, len(paths))
    return Described(
        tuple(path for path, _, _ in found),
        tuple(digest for _, digest, _ in found),
        np.array([record for _, _, record in found], DESCRIPTOR),
        failures,
    )


def _read_one(path: Path, known: Mapping[str, NDArray[np.void]]) -> tuple[str, NDArray[np.void]] | str:
    try:
        content = path.read_bytes()
        digest = sha256(content).hexdigest()
        return digest, known[digest] if digest in known else describe_image(content)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except BadDataset as error:
        return str(error)


@contextmanager
def _quiet_decoding() -> Iterator[None]:
    """Pillow's warnings, set once for all threads: odd metadata is nothing, too many pixels are an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", PillowImage.DecompressionBombWarning)
        yield
