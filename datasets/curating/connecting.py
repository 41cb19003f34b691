"""FiftyOne, connected to a MongoDB that runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from datasets.errors import Unavailable

_OPEN: set[str] = set()  # FiftyOne is one per process, and so is this


@contextmanager
def open_fiftyone(mongodb_uri: str) -> Iterator[Any]:
    """The `fiftyone` module, connected to a running MongoDB for the block. A process can do this once; blocks may nest.

    Raises:
        Unavailable: MongoDB does not answer, or goes away during the block.
    """
    from pymongo.errors import ConnectionFailure

    fo, client = _connect(mongodb_uri)
    if mongodb_uri in _OPEN:
        yield fo
        return
    _OPEN.add(mongodb_uri)
    try:
        yield fo
    except ConnectionFailure as error:
        raise _away(error) from error
    finally:
        _OPEN.remove(mongodb_uri)
        client.close()  # or FiftyOne looks for MongoDB when the process ends, half a minute long


def _connect(mongodb_uri: str) -> tuple[Any, Any]:
    """FiftyOne and its MongoDB client, which got an answer."""
    os.environ["FIFTYONE_DATABASE_URI"] = mongodb_uri
    os.environ.setdefault("FIFTYONE_DO_NOT_TRACK", "true")
    os.environ.setdefault("FIFTYONE_LOGGING_LEVEL", "ERROR")
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    try:
        with MongoClient[dict[str, object]](mongodb_uri) as first:
            first.admin.command("ping")  # FiftyOne takes seconds to import, and tells less
        import fiftyone as fo
        from fiftyone.core.odm import get_db_client

        client = get_db_client()
    except (PyMongoError, OSError, RuntimeError) as error:
        raise _away(error) from error
    return fo, client


def _away(error: Exception) -> Unavailable:
    told = " ".join(str(error).split())[:200]
    return Unavailable(
        f"FiftyOne's MongoDB does not answer: {told}; free some memory or disk, "
        "or name a running one in FIFTYONE_DATABASE_URI"
    )
