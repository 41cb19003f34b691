"""Many image files in, pre-labels out, as fast as the machine goes: the driver of `carloop cvat prelabel` and `ingest`.

Files are read and decoded while earlier ones are predicted on, and all models see a picture that is decoded once.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from nuclio_functions.contract import Reply
from nuclio_functions.errors import FunctionError
from nuclio_functions.replies import classified, detected
from training.errors import UndecodableImage
from training.predictors import Classifier, Detector, Pixels, decode_ahead

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class _Seen(Generic[Key]):
    key: Key
    pixels: Pixels
    replies: tuple[Reply, ...] = ()


def annotate_files(
    predictors: Sequence[Detector | Classifier],
    files: Iterable[tuple[Key, Path]],
    *,
    threshold: float | None = None,
) -> Iterator[tuple[Key, Sequence[Reply] | FunctionError]]:
    """What the predictors see in each (key, image file).

    A file that cannot be read or decoded comes with the error, perhaps before some that stood before it, and does not
    stop the rest. Only a few pictures are under way at a time, so `files` may be longer than memory. A threshold of
    None is each bundle's own.
    """
    failed: deque[tuple[Key, FunctionError]] = deque()
    stream = _decoded(files, failed)
    for predictor in predictors:
        stream = _seen_by(predictor, stream, threshold)
    for seen in stream:
        while failed:
            yield failed.popleft()
        yield seen.key, seen.replies
    yield from failed


def _decoded(files: Iterable[tuple[Key, Path]], failed: deque[tuple[Key, FunctionError]]) -> Iterator[_Seen[Key]]:
    """The picture in each file; those that are none go to `failed`."""
    for (key, path), picture in decode_ahead(_read(files, failed)):
        if isinstance(picture, UndecodableImage):
            failed.append((key, FunctionError(f"{path}: {picture}")))
        else:
            yield _Seen(key, picture)


def _read(
    files: Iterable[tuple[Key, Path]], failed: deque[tuple[Key, FunctionError]]
) -> Iterator[tuple[tuple[Key, Path], bytes]]:
    for key, path in files:
        try:
            yield (key, path), path.read_bytes()
        except OSError as error:
            failed.append((key, FunctionError(f"{path} cannot be read: {error.strerror}; restore the file")))


def _seen_by(
    predictor: Detector | Classifier, stream: Iterable[_Seen[Key]], threshold: float | None
) -> Iterator[_Seen[Key]]:
    keyed = ((seen, seen.pixels) for seen in stream)
    for seen, found in _predicted(predictor, keyed, threshold):
        yield _Seen(seen.key, seen.pixels, (*seen.replies, *found))


def _predicted(
    predictor: Detector | Classifier, keyed: Iterable[tuple[_Seen[Key], Pixels]], threshold: float | None
) -> Iterator[tuple[_Seen[Key], list[Reply]]]:
    if isinstance(predictor, Detector):
        for seen, detections in predictor.predict_stream(keyed, threshold=threshold):
            yield seen, detected(predictor.bundle, detections)
    else:
        for seen, ranked in predictor.predict_stream(keyed):
            yield seen, classified(predictor.bundle, ranked, threshold=threshold)
