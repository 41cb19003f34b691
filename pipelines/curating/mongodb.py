"""The MongoDB of a home: started by the first command that needs it, shared with others meanwhile, ended with it.

<home>/mongodb/fiftyone/   its data      <home>/mongodb/logs/   its log
<home>/mongodb/address     where it answers, while it does
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datasets.files import write_bytes
from pipelines.errors import ServiceFailed
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
    """
    if named := os.environ.get(MONGODB_VARIABLE):
        yield named
        return
    place = _place(home)
    place.logs.mkdir(parents=True, exist_ok=True)
    address = place.folder / "address"
    with (place.folder / ".lock").open("a") as lock:
        if _is_ours(lock.fileno()):
            address.unlink(missing_ok=True)
            with start_mongodb(place) as uri:
                write_bytes(address, uri.encode())
                try:
                    yield uri
                finally:
                    address.unlink(missing_ok=True)
        else:
            yield _wait_for(address)


def _is_ours(lock: int) -> bool:
    """Take the lock, unless another command has it; the system takes it back when its holder ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for(address: Path) -> str:
    """Where the MongoDB of another command answers, which may be starting it just now."""
    deadline = time.monotonic() + _START_SECONDS
    while not address.exists():
        if time.monotonic() > deadline:
            raise ServiceFailed(
                f"another command starts MongoDB in {address.parent} and does not come to an end; end it, then run "
                "this again"
            )
        time.sleep(_POLL_SECONDS)  # a file calls nobody back
    return address.read_text()
