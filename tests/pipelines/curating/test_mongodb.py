"""A home's MongoDB: one, however many commands use it, and whichever of them ends first or is killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from pymongo import MongoClient

from datasets.errors import Unavailable
from pipelines.children import ROOT
from pipelines.curating.mongodb import home_mongodb

_COMMAND = """
import sys
from pathlib import Path
from pymongo import MongoClient, WriteConcern
from pipelines.curating.mongodb import home_mongodb

with home_mongodb(Path(sys.argv[1])) as uri, MongoClient(uri) as client:
    samples = client.fiftyone.get_collection("samples", write_concern=WriteConcern(j=True))
    samples.insert_many([{"number": number} for number in range(50)])
    print(uri, flush=True)
    sys.stdin.read()
"""


@contextmanager
def command(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another command, which has written 50 documents; it ends when its stdin closes."""
    started = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, str(home)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with started:
        assert started.stdout
        assert started.stdout.readline().startswith("mongodb://")
        yield started


def own(home: Path, started: Event, may_end: Event) -> None:
    with home_mongodb(home):
        started.set()
        may_end.wait()


def documents(uri: str) -> int:
    """How many there are, as FiftyOne asks it."""
    with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=5000) as client:
        return client["fiftyone"]["samples"].estimated_document_count()


def test_the_command_that_started_it_waits_for_those_that_share_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started, may_end = Event(), Event()
    owner = Thread(target=own, args=(tmp_path, started, may_end))
    owner.start()
    assert started.wait(60)
    with home_mongodb(tmp_path) as uri:
        may_end.set()
        owner.join(0.5)
        assert owner.is_alive()
        assert documents(uri) == 0
        with home_mongodb(tmp_path) as late:
            assert late == uri
    owner.join(60)
    assert not owner.is_alive()
    assert "waiting for other commands that use MongoDB" in capsys.readouterr().err


def test_nobody_waits_for_a_command_that_was_killed(tmp_path: Path) -> None:
    with home_mongodb(tmp_path) as uri:
        with command(tmp_path) as sharer:
            sharer.kill()
        assert documents(uri) == 50
    assert not (tmp_path / "mongodb" / "address").exists()


def share_and_interrupt(home: Path, sharing: ExitStack) -> None:
    with home_mongodb(home):
        sharing.enter_context(home_mongodb(home))
        raise KeyboardInterrupt


def test_an_interrupted_command_ends_it_at_once(tmp_path: Path) -> None:
    with ExitStack() as sharing:
        with pytest.raises(KeyboardInterrupt):
            share_and_interrupt(tmp_path, sharing)
        assert not (tmp_path / "mongodb" / "address").exists()


def share_and_kill(home: Path) -> None:
    """Meet what FiftyOne meets when the command that started MongoDB is killed."""
    with command(home) as owner, home_mongodb(home):
        owner.kill()
        owner.wait()
        raise Unavailable("MongoDB does not answer")


def test_after_a_kill_sharers_are_told_and_the_next_counts_what_was_written(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="was ended; run this one again"):
        share_and_kill(tmp_path)
    with home_mongodb(tmp_path) as uri:
        assert documents(uri) == 50
