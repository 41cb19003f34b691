"""The soaks strike where they were told to, tell what grew, and are drawn from a seed."""

import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.flow_kills import _held
from benchmarks.killing import VICTIMS, Kill, Told, draw_kills, play
from benchmarks.rounds_judged import Measured, judge, median_slope
from benchmarks.rounds_page import draw, make_page

TOLD = [Told(-1, 0, 1.0), Told(0, 0, 2.0), Told(0, 1, 5.0), Told(1, 0, 8.0)]

COMMAND = """
import subprocess, sys, time
def tell(text):
    print(text, file=sys.stderr, flush=True)
cvat = subprocess.Popen([sys.executable, "-c", "input()", "cvat.embedded"], stdin=subprocess.PIPE)
tell("start")
tell("Round 0")
cvat.wait(20) if "wait" in sys.argv else None
tell("Round 1")
cvat.kill()
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "command.py"
    path.write_text(textwrap.dedent(COMMAND))
    return path


def measured(number: int, **changed: object) -> Measured:
    steady: dict[str, object] = {
        "number": number,
        "start": 1,
        "labelled_images": 4 * number,
        "seconds": {"train": 20.0},
        "processor_seconds": 30.0 * number,
        "memory": {"flow": 400.0, "cvat": 70.0},
        "handles": {"flow": 40, "cvat": 13},
        "disk": {"models": 26.0 * number, "databases": 2.0},
    }
    return Measured.model_validate(steady | changed)


def test_kills_are_the_same_for_a_seed_and_lie_all_over_the_run() -> None:
    kills = draw_kills(TOLD, seconds=10, count=50, seed=3)
    assert kills == draw_kills(TOLD, seconds=10, count=50, seed=3)
    assert kills != draw_kills(TOLD, seconds=10, count=50, seed=4)
    assert Counter(kill.victim for kill in kills) == dict.fromkeys(VICTIMS, 10)
    assert [(kill.round, kill.line) for kill in kills] == sorted((kill.round, kill.line) for kill in kills)
    assert {kill.round for kill in kills} == {-1, 0, 1}
    assert all(0 <= kill.delay <= 3 for kill in kills)


def test_a_part_is_killed_after_the_line_it_was_to_be_and_the_command_goes_on(script: Path, tmp_path: Path) -> None:
    run = play([sys.executable, str(script), "wait"], tmp_path / "log", [Kill("cvat", 0, 0, 0.0)])
    assert run.code == 0
    assert [(one.victim, one.after, one.ending) for one in run.struck] == [("cvat", "Round 0", "went on")]
    assert [(told.round, told.line) for told in run.told] == [(-1, 0), (0, 0), (1, 0)]
    assert (tmp_path / "log").read_text().splitlines() == ["start", "Round 0", "Round 1"]


def test_the_command_is_killed_in_place_of_a_part_that_does_not_run(script: Path, tmp_path: Path) -> None:
    run = play([sys.executable, str(script), "wait"], tmp_path / "log", [Kill("training", 0, 0, 0.0)])
    assert run.code < 0
    assert [(one.victim, one.ending) for one in run.struck] == [("flow", "killed")]


def test_a_place_that_the_command_does_not_come_to_strikes_nobody(script: Path, tmp_path: Path) -> None:
    run = play([sys.executable, str(script)], tmp_path / "log", [Kill("flow", 2, 0, 0.0)])
    assert (run.code, run.struck) == (0, [])


def test_a_home_holds_when_it_finished_equal_and_every_command_ended_in_a_sentence() -> None:
    good: dict[str, object] = {"failure": "", "differing": [], "bugs": []}
    assert _held(good)
    assert not any(
        _held(good | bad) for bad in ({"failure": "carloop: no"}, {"differing": ["tasks"]}, {"bugs": ["KeyError"]})
    )


def test_steady_rounds_hold_and_what_data_adds_is_no_growth() -> None:
    assert [one.name for one in judge([measured(number) for number in range(13)]) if not one.holds] == []


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        (lambda n: {"memory": {"flow": 400.0 + 9 * n, "cvat": 70.0}}, "memory of flow"),
        (lambda n: {"handles": {"flow": 40, "cvat": 13 + n}}, "handles of cvat"),
        (lambda n: {"disk": {"models": float(n * n)}}, "disk that a round adds, MiB"),
        (lambda n: {"processor_seconds": float(n * n)}, "processors' seconds a round"),
    ],
)
def test_what_grows_beyond_the_data_is_told(changed, name: str) -> None:
    rows = [measured(number, **changed(number)) for number in range(13)]
    assert [one.name for one in judge(rows) if not one.holds] == [name]


def test_single_outliers_do_not_make_a_slope() -> None:
    assert median_slope([1.0, 1.0, 90.0, 1.0, 1.0]) == 0


def test_the_page_has_a_row_for_each_round_and_a_drawing() -> None:
    rows = [measured(number) for number in range(4)]
    page = make_page(rows, judge(rows))
    assert "| 3 | 12 | 70 | 400 | 13 | 40 | 80 | 20 | 90 |" in page
    assert "(twelve_rounds.svg)" in page
    assert b"<svg" in draw(rows)
