"""Effort is what the ledger says of each round's own jobs, and controls stand beside those with pre-labels."""

from pathlib import Path

import pytest

from benchmarks.effort import changed, folder_of, loop_command, read_pinned
from benchmarks.effort_by_round import Effort, compare_rounds, draw, print_effort, read_rounds
from datasets.comparison import Fate
from datasets.labelled import LabelledObject, tag
from datasets.ledger import FateRow, Ledger, Prelabel, Pull
from pipelines.results import RoundResult, write_round

DENT = LabelledObject("dent", (0, 0, 9, 9))
MODEL = "damage_detector@1"


def drawn(sha256: str, count: int) -> list[FateRow]:
    return [FateRow(sha256, None, Fate("added", None, DENT)) for _ in range(count)]


def kept(sha256: str) -> list[FateRow]:
    return [FateRow(sha256, MODEL, Fate("accepted", DENT, DENT, 1.0))]


def pull(ledger: Ledger, job_id: int, task_id: int, rows: list[FateRow], *, subset: str = "train") -> None:
    told = Pull(job_id, task_id, "1", subset, None, None, None, images=1, sha256s=(str(job_id),))
    ledger.write_pull(told, rows)


def result(number: int, *, train: int) -> RoundResult:
    tasks = {"train": train, **({"test": 99} if number == 0 else {})}
    fates = {"rectangle": {"accepted": 1, "added": 4}}
    texts = dict.fromkeys(("dataset", "test_set", "pool"), "0")
    return RoundResult(
        number=number, images=2, labelled_images=2, tasks=tasks, fates=fates, models={}, seconds={}, **texts
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Round 0 draws four and two objects, round 1 has a control that needs three and pre-labels that need one."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "rounds").mkdir()
    ledger = Ledger(f"sqlite:///{folder}/ledger.sqlite")
    pull(ledger, 1, 10, drawn("1", 4))
    pull(ledger, 2, 10, [*drawn("2", 1), FateRow("2", None, Fate("added", None, tag("dirty")))])
    pull(ledger, 3, 99, drawn("3", 50), subset="test")
    for job_id in (4, 5):
        ledger.write_prelabels(job_id, [Prelabel(str(job_id), MODEL, DENT)])
    ledger.write_controls([6])
    pull(ledger, 4, 11, [*kept("4"), *drawn("4", 1)])
    pull(ledger, 5, 11, kept("5"))
    pull(ledger, 6, 11, drawn("6", 3))
    ledger.close()
    for one in (result(0, train=10), result(1, train=11)):
        write_round(folder / "rounds", one)
    return folder


@pytest.fixture(scope="module")
def effort(run: Path) -> Effort:
    return compare_rounds(read_rounds(run, rounds=3))


def test_corrections_are_by_round_and_arm_and_leave_the_test_set_out(effort: Effort) -> None:
    first, last = (one.told() for one in effort.rounds)
    assert (first["from_scratch"]["jobs"], first["prelabelled"]["jobs"]) == (2, 0)
    assert first["from_scratch"]["corrections_per_image"]["value"] == 3
    assert last["from_scratch"]["corrections_per_image"]["value"] == 3
    assert last["prelabelled"]["corrections_per_image"]["value"] == 0.5
    assert last["corrections_per_image"] == 2


def test_the_last_round_is_compared_with_the_first_and_with_its_own_controls(effort: Effort) -> None:
    told = effort.told()
    assert told["last_of_first"]["value"] == pytest.approx(0.5 / 3, abs=1e-3)
    assert told["last_of_first"]["low"] == 0
    assert told["last_of_its_controls"] == {"value": pytest.approx(0.5 / 3, abs=1e-3), "low": None, "high": None}
    assert told["holds"]


def test_a_round_alone_has_no_ratio_and_meets_no_target(run: Path) -> None:
    alone = compare_rounds(read_rounds(run, rounds=0))
    assert (alone.of_first, alone.holds) == (None, False)


def test_it_is_printed_and_drawn(effort: Effort, capsys: pytest.CaptureFixture[str]) -> None:
    print_effort(effort)
    assert "0.50 (0.00–1.00)" in capsys.readouterr().out
    assert b"<svg" in draw(effort)


def test_what_is_pinned_can_be_made_smaller_and_is_played_by_the_loop(tmp_path: Path) -> None:
    pinned = read_pinned()
    assert pinned.rounds == 3
    assert pinned.project.cvat.control_share > 0
    small = changed(pinned, {"cars.cars": 9, "project.training.detector.max_steps": 5})
    assert (small.cars.cars, small.project.training.detector.max_steps, small.rounds) == (9, 5, 3)
    assert loop_command(tmp_path, small)[-5:] == ["--rounds", "3", "--budget", "110", "--json"]


def test_more_rounds_go_on_in_the_same_place_and_other_cars_begin_in_another(tmp_path: Path) -> None:
    pinned = read_pinned()
    assert folder_of(changed(pinned, {"rounds": 9}), tmp_path) == folder_of(pinned, tmp_path)
    assert folder_of(changed(pinned, {"cars.cars": 9}), tmp_path) != folder_of(pinned, tmp_path)
