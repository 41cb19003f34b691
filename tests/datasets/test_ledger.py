"""The ledger keeps what it is told, once per job and scope."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from datasets.comparison import VERDICTS, Fate, compare
from datasets.errors import BadInput, Unavailable
from datasets.labelled import LabelledObject, tag
from datasets.ledger import FateRow, JobEvent, Ledger, Prelabel, Probe, Pull, read_scopes

ONE, OTHER = "1" * 64, "2" * 64
DENT = LabelledObject("dent", (1.5, 2.0, 30.25, 40.0), shape_id=7, score=0.87, attributes={"depth": "tief"})
DIRTY = tag("dirty", shape_id=7)
PULL = Pull(4, 2, "r1", "train", "ann", 61.5, "2026-03-01T10:00:00Z", 2, b"\x00content", (ONE, OTHER))
KILLED_AFTER_WRITING = """
import os, signal, sys
from datasets.labelled import tag
from datasets.ledger import Ledger, Prelabel
Ledger(sys.argv[1]).write_prelabels(1, [Prelabel("1" * 64, "m@1", tag("dirty"))])
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


def test_a_job_in_which_models_found_nothing_was_prelabelled_all_the_same(ledger: Ledger) -> None:
    ledger.write_prelabels(3, [])
    ledger.write_prelabels(4, [Prelabel(ONE, "m@1", DENT)])
    assert ledger.prelabelled_jobs() == {3, 4}


SHAPES = [
    DENT,
    replace(DENT, rotation=12.5, occluded=True, z_order=-1, group=3, source="auto", model="m@1"),
    replace(DENT, kind="mask", points=(0.0, 4.0, 0.0, 0.0, 1.0, 1.0)),
    LabelledObject("car", kind="skeleton", elements=(LabelledObject("Spiegel ☂", (1 / 3, 2.0), kind="points"),)),
    DIRTY,
    LabelledObject("dent"),
]
OBJECTS = st.none() | st.sampled_from(SHAPES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.builds(
            FateRow,
            st.sampled_from([ONE, OTHER]),
            st.sampled_from([None, "m@1"]),
            st.lists(st.sampled_from(SHAPES), max_size=2).flatmap(
                lambda before: st.lists(st.sampled_from(SHAPES), min_size=not before, max_size=2).map(
                    lambda after: compare(before, after)[0]
                )
            ),
        ),
        max_size=5,
    )
)
def test_any_fate_comes_back_as_it_was_written(ledger: Ledger, rows: list[FateRow]) -> None:
    ledger.write_fates(1, rows)
    assert ledger.read_fates() == rows


def test_fates_come_back_by_job(ledger: Ledger) -> None:
    rows = [
        FateRow(ONE, "m@1", Fate("moved", DENT, replace(DENT, points=(1.0, 2.0, 3.0, 4.0)), 0.75)),
        FateRow(ONE, "m@1", Fate("deleted", DIRTY, None)),
        FateRow(OTHER, None, Fate("added", None, DENT)),
    ]
    ledger.write_fates(2, rows[1:])
    ledger.write_fates(1, rows[:1])
    assert ledger.read_fates() == rows
    assert ledger.read_fates_by_job([2, 3]) == {2: rows[1:]}


def test_writing_a_job_s_fates_again_replaces_them(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.write_fates(1, [FateRow(ONE, None, Fate("added", None, DENT))])
    assert len(ledger.read_fates()) == 1


def test_fates_can_be_counted_without_their_geometry(ledger: Ledger) -> None:
    ledger.write_fates(3, [FateRow(ONE, "m@1", Fate("reclassed", DENT, replace(DENT, category="door"), 0.5))])
    ledger.write_fates(5, [FateRow(OTHER, None, Fate("added", None, DIRTY))])
    found = ledger.read_outcomes()
    assert [found.job_id.tolist(), found.model.tolist(), found.kind.tolist()] == [
        [3, 5],
        ["m@1", ""],
        ["rectangle", "tag"],
    ]
    assert [found.before_category.tolist(), found.after_category.tolist()] == [["dent", ""], ["door", "dirty"]]
    np.testing.assert_array_equal(found.score, [0.87, np.nan])
    assert found.where(found.verdict == "added").sha256.tolist() == [OTHER]
    assert set(found.verdict) < set(VERDICTS)


def test_an_empty_ledger_has_no_outcomes(ledger: Ledger) -> None:
    assert (len(ledger.read_outcomes()), ledger.read_outcomes().score.dtype) == (0, np.float64)


def test_a_pull_and_its_fates_are_replaced_together(ledger: Ledger) -> None:
    ledger.write_pull(PULL, [FateRow(ONE, None, Fate("added", None, DENT))])
    again = replace(PULL, revision="r2", content=b"more", working_seconds=None, assignee=None)
    ledger.write_pull(again, [FateRow(ONE, None, Fate("added", None, DIRTY))])
    assert ledger.read_pulls() == {4: replace(again, content=b"")}
    assert ledger.read_contents([4, 5]) == {4: b"more"}
    assert [row.fate.after for row in ledger.read_fates()] == [DIRTY]


def test_a_pull_that_fails_half_way_leaves_the_one_before(ledger: Ledger) -> None:
    ledger.write_pull(PULL, [FateRow(ONE, None, Fate("added", None, DENT))])

    def broken() -> Iterator[FateRow]:
        yield FateRow(ONE, None, Fate("added", None, DIRTY))
        raise ConnectionError

    with pytest.raises(ConnectionError):
        ledger.write_pull(replace(PULL, revision="r2"), broken())
    assert ledger.read_pulls()[4].revision == "r1"
    assert [row.fate.after for row in ledger.read_fates()] == [DENT]


def test_a_job_that_is_gone_leaves_nothing_that_was_pulled(ledger: Ledger) -> None:
    for job_id in (7, 8, 40_000):
        ledger.write_pull(replace(PULL, job_id=job_id), [FateRow(ONE, None, Fate("added", None, DENT))])
    ledger.forget_pulls(range(8, 50_000))
    assert (set(ledger.read_pulls()), len(ledger.read_fates())) == ({7}, 1)
    assert ledger.read_contents(range(50_000)) == {7: PULL.content}
    ledger.forget_pulls([])


def test_the_frames_of_a_task_are_in_their_order_until_it_is_gone(ledger: Ledger) -> None:
    ledger.write_frames(1, [OTHER, ONE])
    ledger.write_frames(2, [])
    ledger.write_frames(2, [ONE])
    assert ledger.read_frames() == {1: [OTHER, ONE], 2: [ONE]}
    ledger.forget_tasks([1, 9])
    assert ledger.read_frames() == {2: [ONE]}


def test_control_jobs_are_added_up(ledger: Ledger) -> None:
    ledger.write_controls([1, 2, 2])
    ledger.write_controls([2, 3])
    assert ledger.read_controls() == {1, 2, 3}


def test_probes_come_back_as_they_were_planted(ledger: Ledger) -> None:
    probes = [Probe(ONE, "wrong_class", DENT, replace(DENT, category="door")), Probe(OTHER, "missing", None, DENT)]
    ledger.write_probes(4, [Probe(ONE, "spurious", DENT, None)])
    ledger.write_probes(4, probes)
    assert ledger.read_probes() == {4: probes}


def test_a_delivery_is_noted_once(ledger: Ledger) -> None:
    assert [ledger.note_delivery(delivery) for delivery in ("a", "b", "a")] == [True, True, False]


def test_states_of_a_job_are_in_the_order_of_time_and_noted_once(ledger: Ledger) -> None:
    began = {"state": "in progress", "stage": "annotation", "assignee": "ann", "at": "2026-03-01T09:00:00Z"}
    done: dict[str, Any] = {**began, "state": "completed", "assignee": None, "at": "2026-03-01T10:00:00Z"}
    for told in (done, began, done):
        ledger.note_job_event(4, **told)
    assert ledger.read_job_events() == {
        4: [
            JobEvent("2026-03-01T09:00:00Z", "in progress", "annotation", "ann"),
            JobEvent("2026-03-01T10:00:00Z", "completed", "annotation"),
        ]
    }


def test_what_pre_labelled_a_job_is_what_did_so_last(ledger: Ledger) -> None:
    for run in ("first", "second"):
        ledger.write_prelabel_run(4, run)
    assert ledger.read_prelabel_runs() == {4: "second"}


def test_an_image_stays_in_quarantine_until_it_is_lifted(ledger: Ledger) -> None:
    ledger.write_quarantine({ONE: "cut short", OTHER: "no picture"})
    ledger.write_quarantine({ONE: "not there"})
    assert ledger.read_quarantine() == {ONE: "not there", OTHER: "no picture"}
    ledger.write_quarantine({}, lifted=[ONE, OTHER])
    assert ledger.read_quarantine() == {}


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (lambda one: one.write_quarantine({ONE: "cut short"}), lambda one: one.read_quarantine()),
        (lambda one: one.write_prelabels(4, [Prelabel(ONE, "m@1", DENT)]), lambda one: one.prelabelled_jobs()),
        (
            lambda one: one.write_pull(PULL, [FateRow(ONE, None, Fate("added", None, DENT))]),
            lambda one: one.read_fates(),
        ),
        (lambda one: one.write_frames(4, [ONE]), lambda one: one.read_frames()),
        (lambda one: one.write_controls([4]), lambda one: one.read_controls()),
        (
            lambda one: one.note_job_event(4, state="new", stage="a", assignee=None, at=""),
            lambda one: one.read_job_events(),
        ),
    ],
    ids=["quarantine", "pre-labels", "pull", "frames", "controls", "events"],
)
def test_projects_in_one_database_don_t_see_each_other(
    url: str, write: Callable[[Ledger], None], read: Callable[[Ledger], Any]
) -> None:
    ours, theirs = (Ledger(url, scope=f"http://cvat {name}") for name in ("cars", "boats"))
    for ledger in (ours, theirs):
        write(ledger)
    ours.forget_pulls([4])
    ours.forget_tasks([4])
    assert read(theirs)
    assert read(Ledger(url, scope="http://cvat trains")) in ([], {}, set())
    assert read_scopes(url) == ["http://cvat boats", "http://cvat cars", "http://cvat trains"]


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


def test_those_who_make_a_ledger_at_once_end_with_one(tmp_path: Path) -> None:
    together = Barrier(4, timeout=60)

    def open_and_write(number: int) -> None:
        for place in range(5):
            together.wait()
            ledger = Ledger(f"sqlite:///{tmp_path}/{place}.sqlite", scope="same")
            ledger.write_controls([number])
            ledger.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_and_write, range(4)))
    found = [Ledger(f"sqlite:///{tmp_path}/{place}.sqlite", scope="same").read_controls() for place in range(5)]
    assert found == [{0, 1, 2, 3}] * 5


def test_a_ledger_of_another_version_is_refused(tmp_path: Path, url: str) -> None:
    with sqlite3.connect(tmp_path / "ledger.sqlite") as old:
        old.execute("CREATE TABLE fates (id INTEGER PRIMARY KEY, job_id INTEGER, before JSON)")
    with pytest.raises(BadInput, match=r"ledger.sqlite is of another version .* table fates .*; remove it or move it"):
        Ledger(url)


def test_what_is_no_database_is_told(tmp_path: Path, url: str) -> None:
    (tmp_path / "ledger.sqlite").write_text("no database " * 100)
    with pytest.raises(Unavailable, match=r"ledger.sqlite cannot be opened: file is not a database; check"):
        Ledger(url)


@pytest.mark.parametrize("address", ["ledger", "oracle9://host/x", "sqlite+nothing:///x"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(BadInput, match="the ledger's address is not one that can be opened here"):
        Ledger(address)
