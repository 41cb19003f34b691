"""The ledger keeps what it is told, once per job."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasets.comparison import Fate, LabelledObject
from datasets.ledger import FateRow, Ledger, Prelabel

ONE, OTHER = "1" * 64, "2" * 64
DENT = LabelledObject("dent", (1.5, 2.0, 30.25, 40.0), shape_id=7, score=0.87, attributes={"depth": "tief"})
DIRTY = LabelledObject("dirty", shape_id=7)
KILLED_AFTER_WRITING = """
import os, signal, sys
from datasets.comparison import LabelledObject
from datasets.ledger import Ledger, Prelabel
Ledger(sys.argv[1]).write_prelabels(1, [Prelabel("1" * 64, "m@1", LabelledObject("dirty"))])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.sqlite"


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = Ledger(url)
    yield opened
    opened.close()


def test_prelabels_come_back_as_they_were_stored(ledger: Ledger) -> None:
    prelabels = [Prelabel(OTHER, "damage_detector@3", DENT), Prelabel(ONE, "cleanliness_classifier@1", DIRTY)]
    ledger.write_prelabels(4, prelabels)
    assert ledger.read_prelabels(4) == prelabels
    assert ledger.read_prelabels(5) == []


def test_writing_a_job_s_prelabels_again_replaces_them(ledger: Ledger) -> None:
    kept = Prelabel(ONE, "m@1", DENT)
    ledger.write_prelabels(3, [kept])
    for model in ("m@1", "m@2"):
        ledger.write_prelabels(4, [Prelabel(ONE, model, DENT)])
    assert [prelabel.model for prelabel in ledger.read_prelabels(4)] == ["m@2"]
    assert ledger.read_prelabels(3) == [kept]


def test_fates_come_back_by_job_as_they_were_written(ledger: Ledger) -> None:
    rows = [
        FateRow(ONE, "m@1", Fate("moved", DENT, DENT, 0.75)),
        FateRow(ONE, "m@1", Fate("deleted", DIRTY, None)),
        FateRow(OTHER, None, Fate("added", None, DENT)),
    ]
    ledger.write_fates(2, rows[1:])
    ledger.write_fates(1, rows[:1])
    assert ledger.read_fates() == rows


def test_writing_a_job_s_fates_again_replaces_them(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.write_fates(1, [FateRow(ONE, None, Fate("added", None, DENT))])
    assert len(ledger.read_fates()) == 1


def test_a_ledger_opened_again_knows_what_it_knew(url: str, ledger: Ledger) -> None:
    ledger.write_prelabels(4, [Prelabel(ONE, "m@1", DENT)])
    again = Ledger(url)
    assert again.read_prelabels(4) == [Prelabel(ONE, "m@1", DENT)]
    again.close()


def test_what_was_written_outlives_a_killed_process(url: str) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_AFTER_WRITING, url], check=False)
    assert killed.returncode == -9
    ledger = Ledger(url)
    assert len(ledger.read_prelabels(1)) == 1
    ledger.close()
