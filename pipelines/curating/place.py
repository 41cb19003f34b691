"""A home's FiftyOne, opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasets.curating import open_fiftyone
from pipelines.curating.mongodb import home_mongodb


@contextmanager
def opened(home: Path) -> Iterator[Any]:
    """The `fiftyone` module, connected to the home's MongoDB. Raises Unavailable."""
    with home_mongodb(home) as uri, open_fiftyone(uri) as fo:
        yield fo
