"""A home's FiftyOne, opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasets.curating import open_fiftyone
from datasets.errors import BadInput
from pipelines.curating.mongodb import home_mongodb, is_held


@contextmanager
def opened(home: Path) -> Iterator[Any]:
    """The `fiftyone` module, connected to the home's MongoDB. Raises Unavailable."""
    with home_mongodb(home) as uri, open_fiftyone(uri) as fo:
        yield fo


@contextmanager
def opened_held(home: Path) -> Iterator[Any]:
    """Likewise, of a home that shows something there. Raises BadInput where it never did."""
    require_held(home)
    with opened(home) as fo:
        yield fo


def require_held(home: Path) -> None:
    """Raises BadInput where a home never showed anything in FiftyOne; nothing is started for that."""
    if not is_held(home):
        raise BadInput(f"{home} shows nothing in FiftyOne yet; show a dataset version by carloop curate sync")
