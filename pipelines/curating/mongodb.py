"""The MongoDB of a home: started by the first command that needs it, shared with others meanwhile, ended with it.

<home>/mongodb/fiftyone/   its data          <home>/mongodb/logs/   its log
<home>/mongodb/address     where it answers, while it does
<home>/mongodb/.lock       held by the command that started it
<home>/mongodb/.shared     held by the others, all at once: the first waits for them before it ends
"""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from rich.console import Console

from datasets.errors import Unavailable
from datasets.files import write_bytes
from pipelines.errors import ServiceFailed
from pipelines.progress import Progress
from pipelines.project import Project
from pipelines.runs import Run
from pipelines.services import MONGODB_VARIABLE, start_mongodb

_START_SECONDS = 120
_POLL_SECONDS = 0.1


def is_held(home: Path) -> bool:
    """Whether the home's MongoDB may hold something: it was started once, or FIFTYONE_DATABASE_URI names another."""
    return MONGODB_VARIABLE in os.environ or _place(home).review.exists()


def _place(home: Path) -> Run:
    return Run(home / "mongodb", Project(), key="curate", title="curate")


@contextmanager
def home_mongodb(home: Path) -> Iterator[str]:
    """The URI of the home's MongoDB, or the one in FIFTYONE_DATABASE_URI, which nobody has asked yet.

    Raises:
        ServiceFailed: it did not come up.
        Unavailable: the command that started it was ended meanwhile.
    """
    if named := os.environ.get(MONGODB_VARIABLE):
        yield named
        return
    place = _place(home)
    place.logs.mkdir(parents=True, exist_ok=True)
    address = place.folder / "address"
    with (place.folder / ".lock").open("a") as lock, (place.folder / ".shared").open("a") as shared:
        uri = _join(address, lock, shared)
        with _owned(place, address, shared) if uri is None else _lent(uri, address, lock) as uri:
            yield uri


def _join(address: Path, lock: IO[str], shared: IO[str]) -> str | None:
    """Where the MongoDB of another command answers, which now waits for this one; None when this one has to start it.

    The address is read while `shared` is held: as long as it is there then, its owner still has to wait.
    """
    deadline = time.monotonic() + _START_SECONDS
    while not _take(lock, fcntl.LOCK_EX):
        if _take(shared, fcntl.LOCK_SH):
            if found := _read(address):
                return found
            fcntl.flock(shared, fcntl.LOCK_UN)
        if time.monotonic() > deadline:
            raise ServiceFailed(
                f"another command starts or ends MongoDB in {address.parent} and does not get done; end it, then run "
                "this again"
            )
        time.sleep(_POLL_SECONDS)  # a file calls nobody back
    return None


def _read(address: Path) -> str | None:
    try:
        return address.read_text()
    except FileNotFoundError:
        return None


def _take(lock: IO[str], kind: int) -> bool:
    """Take a lock, unless another command is in the way; the system takes it back when its holder ends."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _owned(place: Run, address: Path, shared: IO[str]) -> Iterator[str]:
    """A MongoDB of this command, which ends when no other uses it any more, or at once when this is interrupted."""
    address.unlink(missing_ok=True)  # a killed command's
    with start_mongodb(place) as uri:
        _mend_counts(uri)
        write_bytes(address, uri.encode())
        try:
            yield uri
        finally:
            try:
                if not isinstance(sys.exception(), (KeyboardInterrupt, SystemExit)):
                    _wait_for_others(place.folder, shared)
            finally:
                address.unlink(missing_ok=True)


def _wait_for_others(folder: Path, shared: IO[str]) -> None:
    if not _take(shared, fcntl.LOCK_EX):
        say = Progress(Console(stderr=True)).say
        say(f"waiting for other commands that use MongoDB in {folder}, which ends with this one; Ctrl-C ends it now")
        with suppress(KeyboardInterrupt):
            fcntl.flock(shared, fcntl.LOCK_EX)


@contextmanager
def _lent(uri: str, address: Path, lock: IO[str]) -> Iterator[str]:
    """The MongoDB of another command. Raises Unavailable when that command is gone before the block is through."""
    try:
        yield uri
    except Unavailable as error:
        if _read(address) != uri or _take(lock, fcntl.LOCK_EX):
            raise Unavailable(f"the command that had started MongoDB at {uri} was ended; run this one again") from error
        raise


def _mend_counts(uri: str) -> None:
    """Correct how many documents MongoDB believes to have, which FiftyOne and its App show.

    A MongoDB that was killed with its command has written its documents, but not always their number.
    """
    from pymongo import MongoClient

    with MongoClient[dict[str, object]](uri) as client:
        for name in set(client.list_database_names()) - {"admin", "config", "local"}:
            database = client[name]
            for held in database.list_collections(filter={"type": "collection"}):
                collection = database[held["name"]]
                if collection.estimated_document_count() != collection.count_documents({}):
                    database.validate_collection(collection)  # writes the number that it finds
