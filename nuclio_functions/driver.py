"""Frames in, pre-labels out: what `ingest` asks of running functions."""

import base64
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import requests
from pydantic import ValidationError
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from nuclio_functions.contract import REPLIES, Reply
from nuclio_functions.errors import FunctionError

THREADS = 2
TIMEOUT_SECONDS = (5, 120)


def make_session(*, retries: int = 5) -> requests.Session:
    """A session that calls again, at growing intervals, while a function is not there or has no free worker (503)."""
    retry = Retry(
        total=retries,
        read=1,
        status_forcelist=[503],
        allowed_methods=None,  # predicting twice harms nobody
        backoff_factor=0.2,
        raise_on_status=False,
    )
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    return session


def annotate_frame(
    url: str, content: bytes, *, threshold: float | None = None, session: requests.Session
) -> list[Reply]:
    """The pre-labels that the function at `url` gives for an image file's bytes.

    `threshold` is a score in [0, 1]; None leaves it to the model. Raises FunctionError.
    """
    wanted = {} if threshold is None else {"threshold": threshold}
    body = {"image": base64.b64encode(content).decode(), **wanted}
    try:
        response = session.post(url, json=body, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise FunctionError(f"{url} did not answer: {error}; is the function running?") from error
    if response.status_code != 200:
        raise FunctionError(f"{url} answered {response.status_code}: {response.text[:300]}")
    try:
        return REPLIES.validate_json(response.content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise FunctionError(f"{url} answered no annotations: {first['loc']}: {first['msg']}") from error


def annotate_frames(
    urls: Sequence[str],
    frames: Iterable[tuple[str, Path]],
    *,
    threshold: float | None = None,
    session: requests.Session,
) -> Iterator[tuple[str, list[Reply] | FunctionError]]:
    """What all the functions say of each (key, image file), in the frames' order.

    A frame that one of them fails on comes with the error and does not stop the rest. Only a few frames are under way
    at a time, so `frames` may be longer than memory.
    """

    def annotate(path: Path) -> list[Reply] | FunctionError:
        try:
            content = path.read_bytes()
            return [
                reply for url in urls for reply in annotate_frame(url, content, threshold=threshold, session=session)
            ]
        except OSError as error:
            return FunctionError(f"{path} cannot be read: {error.strerror}; restore the file")
        except FunctionError as error:
            return FunctionError(f"{path}: {error}")

    with ThreadPoolExecutor(THREADS) as pool:
        under_way: deque[tuple[str, Future[list[Reply] | FunctionError]]] = deque()
        for key, path in frames:
            under_way.append((key, pool.submit(annotate, path)))
            if len(under_way) > 2 * THREADS:
                key, future = under_way.popleft()
                yield key, future.result()
        for key, future in under_way:
            yield key, future.result()
