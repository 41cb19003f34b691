"""What the ledger tells of pre-labelling, with intervals; what cannot be told is said."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datasets.comparison import VERDICTS, Fate, Verdict
from datasets.labelled import LabelledObject, tag
from datasets.ledger import FateRow, JobEvent, Ledger, Prelabel, Probe, ProbeKind, Pull
from datasets.ledger.report import Report, make_report, print_report, read_material, report_to_json, write_report_page
from datasets.ledger.report.break_even import BreakEven, break_evens, class_thresholds
from datasets.ledger.report.costs import ASSUMED_SECONDS, Cost, costs_of
from datasets.ledger.report.intervals import share
from datasets.ledger.report.material import JobFacts, seconds_in_progress
from datasets.ledger.report.page import told_score
from datasets.ledger.rows import outcomes_of

DENT = LabelledObject("dent", (10.0, 10.0, 50.0, 40.0), shape_id=1, score=0.8)
FAR = replace(DENT, shape_id=2, points=(200.0, 200.0, 260.0, 240.0))
DIRTY = tag("dirty", score=0.6)


def image(number: int) -> str:
    return f"{number:064x}"


def row(verdict: Verdict, score: float = 0.8, *, sha256: str = image(1), shown: LabelledObject = DENT) -> FateRow:
    before, after = replace(shown, score=score), replace(shown, score=None)
    return FateRow(
        sha256,
        None if verdict == "added" else "damage_detector@1",
        Fate(verdict, None if verdict == "added" else before, None if verdict == "deleted" else after, 0.75),
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    yield opened
    opened.close()


def pulled(
    ledger: Ledger,
    job_id: int,
    rows: Sequence[FateRow],
    *,
    prelabelled: bool = True,
    seconds: float | None = None,
    assignee: str | None = "ann",
    images: Sequence[str] = (image(1),),
) -> None:
    if prelabelled:
        ledger.write_prelabels(
            job_id, [Prelabel(r.sha256, r.model or "", r.fate.before) for r in rows if r.fate.before]
        )
    at = "2026-03-01T10:00:00Z"
    pull = Pull(job_id, 1, "r", "train", assignee, seconds, at, len(images), sha256s=tuple(images))
    ledger.write_pull(pull, rows)


def report(ledger: Ledger, costs: Mapping[Verdict, float] = ASSUMED_SECONDS) -> Report:
    return make_report(read_material(ledger), given_costs=costs)


def test_a_share_has_wilson_s_interval() -> None:
    found = share(8, 10)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Newcombe's tables
    assert share(0, 0) is None


@given(of=st.integers(1, 10**6), part=st.floats(0, 1))
def test_a_share_s_interval_holds_it_and_stays_between_0_and_1(of: int, part: float) -> None:
    found = share(round(part * of), of)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_classes_are_counted_by_what_the_model_said_or_else_what_people_added(ledger: Ledger) -> None:
    door = replace(DENT, category="door")
    reclassed = FateRow(image(1), "m@1", Fate("reclassed", DENT, door, 0.9))
    moved = [row("moved"), FateRow(image(1), "m@1", Fate("moved", DENT, FAR, 0.25))]
    pulled(
        ledger,
        1,
        [row("accepted"), row("accepted"), *moved, reclassed, row("added", shown=door), row("accepted", shown=DIRTY)],
    )
    dent, dirty, doors = report(ledger).by_class
    assert (dent.name, dent.prelabels, dent.moved_iou) == ("dent", 5, 0.5)
    assert dent.verdicts == {"accepted": 2, "moved": 2, "reclassed": 1, "deleted": 0, "added": 0}
    assert dent.accepted == share(2, 5)
    assert (dirty.name, doors.name, doors.accepted, doors.verdicts["added"]) == ("dirty (tag)", "door", None, 1)
    assert [(one.before, one.after, one.count) for one in report(ledger).reclassed] == [("dent", "door", 1)]


def test_what_is_drawn_where_nothing_was_prelabelled_was_not_missed(ledger: Ledger) -> None:
    pulled(ledger, 1, [row("accepted"), row("added")])
    pulled(ledger, 2, [row("added")], prelabelled=False)
    pulled(ledger, 3, [row("added")])
    ledger.write_controls([3])
    assert report(ledger).total.verdicts["added"] == 1


def test_scores_are_told_in_tenths(ledger: Ledger) -> None:
    scores = [0.0, 0.29, 0.3, 0.31, 1.0]
    pulled(ledger, 1, [row("accepted", score) for score in scores] + [row("deleted", 0.3), row("added")])
    pulled(ledger, 2, [row("reclassed", 0.6, shown=DIRTY)])
    found = report(ledger)
    counted = {group.name: (group.verdicts["accepted"], group.verdicts["deleted"]) for group in found.shapes_by_score}
    assert counted == {"0.0–0.1": (1, 0), "0.2–0.3": (1, 0), "0.3–0.4": (2, 1), "0.9–1.0": (1, 0)}
    assert [group.name for group in found.tags_by_score] == ["0.6–0.7"]


def test_people_are_told_apart_by_the_assignee_of_the_job(ledger: Ledger) -> None:
    pulled(ledger, 1, [row("accepted")] * 2)
    pulled(ledger, 2, [row("deleted")], assignee="bob")
    pulled(ledger, 3, [row("deleted")], assignee=None)
    shares = {group.name: group.accepted.value for group in report(ledger).by_annotator if group.accepted}
    assert shares == {"ann": 1, "bob": 0, "nobody named": 0}


def test_images_with_probes_count_in_blind_acceptance_alone(ledger: Ledger) -> None:
    pulled(ledger, 1, [row("accepted"), row("deleted", sha256=image(2))], images=[image(1), image(2)])
    ledger.write_probes(1, [Probe(image(2), "spurious", DENT, None)])
    ledger.write_prelabels(2, [])
    pulled(ledger, 2, [row("added", sha256=image(2))], images=[image(1), image(2)], assignee="bob")
    found = report(ledger)
    assert (found.total.prelabels, found.total.verdicts["deleted"]) == (1, 0)
    corrections = found.effort.prelabelled.corrections_per_image
    assert corrections is not None
    assert corrections.value == pytest.approx(1 / 3)  # on two images of bob's job and the one of ann's without a probe
    assert found.agreement.images == 1
    assert found.notes[0].startswith("Images with probes count in blind acceptance")


def test_below_the_break_even_prelabels_cost_more_than_they_save(ledger: Ledger) -> None:
    low = [row("deleted", 0.2 + n / 100, sha256=image(n)) for n in range(20)]
    high = [row("accepted", 0.6 + n / 100, sha256=image(n)) for n in range(20)]
    pulled(ledger, 1, [*low, *high])
    (found,) = report(ledger).break_evens
    assert (found.model, found.prelabels, found.score) == ("damage_detector@1", 40, 0.6)
    assert found.told == "Below a score of 0.60 correcting costs more than drawing."
    assert 0.3 < found.low <= 0.6 <= found.high < 0.7


def test_a_class_has_a_threshold_when_enough_of_it_was_shown(ledger: Ledger) -> None:
    door = replace(DENT, category="damaged door")
    dents = [row("deleted" if n < 30 else "accepted", 0.2 + n / 100, sha256=image(n)) for n in range(60)]
    doors = [row("accepted" if n % 2 else "deleted", n / 100, sha256=image(n), shown=door) for n in range(20)]
    pulled(ledger, 1, [*dents, *doors])
    costs = [Cost(verdict, seconds, "assumed") for verdict, seconds in ASSUMED_SECONDS.items()]
    outcomes, rng = read_material(ledger).counted, np.random.default_rng(0)
    assert class_thresholds(outcomes, costs, "damage_detector@1", rng) == {"dent": 0.5}
    assert class_thresholds(outcomes, costs, "damage_detector@2", rng) == {}


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        ("accepted", "Correcting costs less than drawing at every score seen, down to 0.30."),
        ("deleted", "Drawing costs less than correcting at every score."),
    ],
)
def test_without_a_break_even_among_the_scores_seen_that_is_told(ledger: Ledger, verdict: Verdict, told: str) -> None:
    pulled(ledger, 1, [row(verdict, 0.3), row(verdict, 0.9)])
    (found,) = report(ledger).break_evens
    assert (found.score, found.told) == (None, told)


def test_dear_corrections_move_the_break_even_up(ledger: Ledger) -> None:
    rows = [row("moved" if n % 3 else "accepted", n / 100) for n in range(20, 60)]
    pulled(ledger, 1, [*rows, *(row("accepted", n / 100) for n in range(60, 100))])
    cheap, dear = (report(ledger, {**ASSUMED_SECONDS, "moved": cost}).break_evens[0] for cost in (5.0, 20.0))
    assert (cheap.score, dear.score) == (None, 0.6)


@given(
    fates=st.lists(
        st.tuples(st.sampled_from([20, 21, 50, 80]), st.sampled_from(VERDICTS[:-1])), min_size=1, max_size=12
    )
)
def test_the_break_even_saves_most_and_is_where_the_isotonic_fit_turns_positive(
    fates: list[tuple[int, Verdict]],
) -> None:
    told = [(1, image(1), "m@1", verdict, "rectangle", "dent", "dent", score / 100, 0.75) for score, verdict in fates]
    costs = [Cost(verdict, seconds, "assumed") for verdict, seconds in ASSUMED_SECONDS.items()]
    (found,) = break_evens(outcomes_of(told), costs, np.random.default_rng(0))
    seen = sorted({score for score, _ in fates})
    saved = {s: sum(gain(verdict) for score, verdict in fates if score >= s) for s in [*seen, 101]}
    kept = {point.score for point in found.points if point.fitted > 1e-9}
    start = 101 if "every score." in found.told else round(100 * found.score) if found.score else seen[0]
    assert saved[start] == max(saved.values())
    assert kept <= {s / 100 for s in seen if s >= start}


def gain(verdict: Verdict) -> float:
    return (verdict != "deleted") * ASSUMED_SECONDS["added"] - ASSUMED_SECONDS[verdict]


def test_tags_and_what_has_no_score_have_no_break_even(ledger: Ledger) -> None:
    unscored = FateRow(image(1), "m@1", Fate("accepted", replace(DENT, score=None), DENT, 1.0))
    pulled(ledger, 1, [row("accepted", shown=DIRTY), unscored])
    assert report(ledger).break_evens == ()


def job(
    number: int, seconds: float | None, verdicts: Sequence[int], *, tags: int = 0, control: bool = False
) -> JobFacts:
    return JobFacts(
        number, "ann", 10, frozenset(), control, not control, dict(zip(VERDICTS, verdicts, strict=True)), tags, seconds
    )


def test_costs_are_measured_from_working_times_where_control_jobs_are_timed() -> None:
    true = np.array([1.5, 6.0, 4.0, 2.0, 12.0])
    rng = np.random.default_rng(1)
    jobs = []
    for number in range(40):
        control = number % 8 == 0
        counts = np.array([0, 0, 0, 0, 40]) if control else rng.integers(0, 40, 5)
        tags = int(rng.integers(0, 10))
        jobs.append(job(number, 30 + 3 * tags + float(true @ counts), counts.tolist(), tags=tags, control=control))
    costs, told = costs_of(jobs, {"moved": 9.0}, np.random.default_rng(0))
    assert {cost.verdict: cost.seconds for cost in costs} == pytest.approx(
        {"accepted": 1.5, "moved": 9.0, "reclassed": 4.0, "deleted": 2.0, "added": 12.0}
    )
    assert [cost.origin for cost in costs] == ["measured", "given", "measured", "measured", "measured"]
    assert told == "Measured costs are from the working times of 40 jobs."


@pytest.mark.parametrize(
    ("jobs", "told"),
    [
        ([], "known are those of 0, 0 of them control jobs"),
        ([job(n, 60, [n, n, 1, n % 3, 2], control=False) for n in range(40)], "those of 40, 0 of them control"),
        ([job(n, 60, [n, n, 1, n % 3, 2], control=n < 4) for n in range(40)], "never happen, or always together"),
    ],
)
def test_costs_that_cannot_be_measured_are_assumed_and_that_is_told(jobs: list[JobFacts], told: str) -> None:
    costs, sentence = costs_of(jobs, {}, np.random.default_rng(0))
    assert {cost.verdict: cost.seconds for cost in costs} == ASSUMED_SECONDS
    assert re.search(f"assumed, not measured: .*{told}", sentence)


@pytest.mark.parametrize(
    ("kind", "planted", "truth", "left", "blind"),
    [
        ("wrong_class", DENT, replace(DENT, category="door"), [DENT], True),
        ("wrong_class", DENT, replace(DENT, category="door"), [replace(DENT, category="door")], False),
        (
            "shifted",
            DENT,
            replace(DENT, points=(16.0, 10.0, 56.0, 40.0)),
            [replace(DENT, points=(10.5, 10.0, 50.0, 40.0))],
            True,
        ),
        (
            "shifted",
            DENT,
            replace(DENT, points=(16.0, 10.0, 56.0, 40.0)),
            [replace(DENT, points=(16.0, 10.0, 56.0, 40.0))],
            False,
        ),
        ("spurious", DENT, None, [DENT, FAR], True),
        ("spurious", DENT, None, [FAR], False),
        ("missing", None, DENT, [], True),
        ("missing", None, DENT, [replace(DENT, shape_id=9, points=(12.0, 10.0, 50.0, 40.0))], False),
    ],
)
def test_a_probe_passes_when_it_is_left_as_it_was_planted(
    ledger: Ledger,
    kind: ProbeKind,
    planted: LabelledObject | None,
    truth: LabelledObject | None,
    left: list[LabelledObject],
    blind: bool,
) -> None:
    ledger.write_probes(1, [Probe(image(1), kind, planted, truth)])
    pulled(ledger, 1, [FateRow(image(1), None, Fate("added", None, replace(o, score=None))) for o in left])
    found = report(ledger).blindness
    assert found.by_kind == {kind: share(int(blind), 1)}
    assert (found.overlooked if kind == "missing" else found.accepted) == share(int(blind), 1)


def test_probes_in_jobs_that_nobody_accepted_wait(ledger: Ledger) -> None:
    ledger.write_probes(1, [Probe(image(1), "spurious", DENT, None)])
    found = report(ledger).blindness
    assert (found.accepted, found.waiting) == (None, 1)
    assert found.told == "Probes in jobs that nobody has accepted yet: 1."


def test_without_probes_nothing_is_said_of_blind_acceptance(ledger: Ledger) -> None:
    pulled(ledger, 1, [row("accepted")])
    assert report(ledger).blindness.told == "No probes were planted, so nothing is known of blind acceptance."


def test_two_people_agree_on_the_shapes_that_both_drew(ledger: Ledger) -> None:
    both = [image(1), image(2)]
    other_class = replace(FAR, category="door")
    pulled(ledger, 1, [row("added"), row("added", shown=FAR), row("added", sha256=image(2))], images=both)
    pulled(ledger, 2, [row("accepted"), row("added", shown=other_class)], images=both, assignee="bob")
    pulled(ledger, 3, [row("added")], images=[image(1)], assignee="bob")
    pulled(ledger, 4, [row("added", sha256=image(3))], images=[image(3)], assignee="eve")
    found = report(ledger).agreement
    assert (found.images, found.pairs, found.people) == (2, 3, ("ann", "bob"))
    # ann and bob share the dent of the first image twice (2 + 2 and 2 + 1 shapes); of the second one bob left nothing
    assert found.shapes_f1 is not None
    assert found.shapes_f1.value == pytest.approx(2 * 2 / (4 + 3 + 1))


def test_two_people_agree_on_tags_beyond_chance(ledger: Ledger) -> None:
    said = [("dirty", "dirty"), ("dirty", "clean"), ("clean", "clean"), ("clean", "clean")]
    for job_id, (name, place) in enumerate((("ann", 0), ("bob", 1)), start=1):
        tags = [row("added", sha256=image(n), shown=tag(pair[place])) for n, pair in enumerate(said)]
        pulled(ledger, job_id, tags, images=[image(n) for n in range(4)], assignee=name)
    found = report(ledger).agreement
    assert found.tags_pi is not None
    chance = (3 / 8) ** 2 + (5 / 8) ** 2
    assert found.tags_pi.value == pytest.approx((3 / 4 - chance) / (1 - chance))
    assert found.shapes_f1 is None


def test_without_images_of_two_people_nothing_is_said_of_agreement(ledger: Ledger) -> None:
    pulled(ledger, 1, [row("accepted")])
    pulled(ledger, 2, [row("accepted")])
    pulled(ledger, 3, [row("accepted")], assignee=None)
    found = report(ledger).agreement
    assert (found.images, found.shapes_f1, found.tags_pi) == (0, None, None)
    assert found.told == "No image was labelled by two people, so nothing is known of agreement."


def test_effort_is_compared_between_control_jobs_and_prelabelled_ones(ledger: Ledger) -> None:
    for number in range(4):
        pulled(ledger, number, [row("added")] * 3, prelabelled=False, seconds=40 + number, images=[image(1), image(2)])
        pulled(ledger, 10 + number, [row("accepted"), row("moved")], seconds=20 + number, images=[image(1), image(2)])
    ledger.write_controls(range(4))
    pulled(ledger, 20, [row("added")], prelabelled=False, seconds=1000)  # a test set's job is neither
    found = report(ledger).effort
    assert (found.control.jobs, found.prelabelled.jobs, found.timed_by_cvat) == (4, 4, 8)
    assert found.saved_seconds is not None
    assert found.saved_seconds.value == pytest.approx(10)
    assert 9 < found.saved_seconds.low < 10 < found.saved_seconds.high < 11
    assert found.saved_share is not None
    assert found.saved_share.value == pytest.approx(1 - 86 / 166)
    assert [
        arm.corrections_per_image and arm.corrections_per_image.value for arm in (found.control, found.prelabelled)
    ] == [1.5, 0.5]


def test_without_control_jobs_nothing_is_said_of_what_is_saved(ledger: Ledger) -> None:
    pulled(ledger, 1, [row("accepted")], seconds=20)
    found = report(ledger).effort
    assert (found.saved_seconds, found.saved_share) == (None, None)
    assert found.told == "There are no accepted control jobs, so what pre-labels save is not known."


def test_without_working_times_nothing_is_said_of_what_is_saved(ledger: Ledger) -> None:
    pulled(ledger, 1, [row("added")], prelabelled=False, seconds=20)
    pulled(ledger, 2, [row("accepted")])
    ledger.write_controls([1])
    assert report(ledger).effort.told == (
        "Working times are known of 1 control jobs and 0 pre-labelled ones; 2 of each are needed to tell what is saved."
    )


def test_states_tell_the_time_where_cvat_does_not(ledger: Ledger) -> None:
    for job_id in range(4):
        pulled(ledger, job_id, [row("accepted")], prelabelled=job_id > 1)
        for at, state in (("09:00:00", "in progress"), ("09:00:30", "completed")):
            ledger.note_job_event(job_id, state=state, stage="annotation", assignee=None, at=f"2026-03-01T{at}Z")
    ledger.write_controls([0, 1])
    found = report(ledger).effort
    assert (found.timed_by_cvat, found.timed_by_states) == (0, 4)
    assert found.prelabelled.seconds_per_image is not None
    assert found.prelabelled.seconds_per_image.value == 30


def test_only_the_time_in_progress_counts() -> None:
    told = [
        ("09:00", "new"),
        ("10:00", "in progress"),
        ("10:05", "completed"),
        ("11:00", "in progress"),
        ("11:01", "rejected"),
    ]
    events = [JobEvent(f"2026-03-01T{at}:00+00:00", state, "annotation") for at, state in told]
    assert seconds_in_progress(events) == 360
    assert seconds_in_progress(events[:2]) is None


def test_images_that_the_ledger_cannot_know_are_told(ledger: Ledger) -> None:
    ledger.write_fates(1, [row("accepted")])
    assert report(ledger).notes == (
        "Images on which nobody drew anything may be missing: the ledger does not list every job's images.",
    )


@pytest.fixture
def full(ledger: Ledger) -> Report:
    """A report in which everything can be told."""
    rng = np.random.default_rng(0)
    for number in range(36):
        control = number % 6 == 0
        images = [image(number // 2 * 10 + n) for n in range(10)]
        verdicts = ["added"] * 20 if control else rng.choice(VERDICTS, 20, p=[0.5, 0.2, 0.1, 0.1, 0.1]).tolist()
        rows = [row(v, rng.integers(20, 99) / 100, sha256=images[n % 10]) for n, v in enumerate(verdicts)]
        rows += [
            row(
                "added" if control else "accepted",
                sha256=images[0],
                shown=replace(DIRTY, category=("dirty", "<b>")[number % 2]),
            )
        ]
        seconds = 60 + 10 * verdicts.count("added") + 4 * verdicts.count("moved") + rng.normal()
        pulled(
            ledger,
            number,
            rows,
            prelabelled=not control,
            seconds=seconds,
            images=images,
            assignee=f"person {number % 2}",
        )
    ledger.write_controls(range(0, 36, 6))
    ledger.write_probes(1, [Probe(image(1), "spurious", FAR, None), Probe(image(2), "missing", None, FAR)])
    return make_report(read_material(ledger))


def test_the_same_ledger_gives_the_same_report(full: Report, ledger: Ledger) -> None:
    assert make_report(read_material(ledger)) == full
    assert make_report(read_material(ledger), seed=1).effort.saved_seconds != full.effort.saved_seconds


def test_a_script_gets_all_numbers_as_json(full: Report) -> None:
    told = json.loads(json.dumps(report_to_json(full), allow_nan=False))
    assert told["total"]["accepted"]["count"] == full.total.verdicts["accepted"]
    assert told["effort"]["saved_seconds"]["low"] < told["effort"]["saved_seconds"]["value"]
    assert told["blindness"]["by_kind"].keys() == {"spurious", "missing"}


def test_a_person_gets_all_of_it_on_the_terminal(full: Report, capsys: pytest.CaptureFixture[str]) -> None:
    print_report(full)
    told = " ".join(capsys.readouterr().out.split())
    for wanted in (
        "Acceptance by class",
        "0.9–1.0",
        "Seconds for one object",
        "Pre-labels save",
        "Two people agree on tags",
    ):
        assert wanted in told


def test_a_page_shows_all_of_it_and_needs_nothing_beside_it(full: Report, tmp_path: Path) -> None:
    page = write(full, tmp_path)
    for wanted in ("Blind acceptance", "person 0", "damage_detector@1", "seconds per image", "&lt;b&gt; (tag)"):
        assert wanted in page
    assert page.count("<figure>") == 3
    assert not re.search(r"<script|https?://|src=|<b> ", page)


def test_what_is_not_known_is_said_on_the_page(ledger: Ledger, tmp_path: Path) -> None:
    page = write(make_report(read_material(ledger)), tmp_path)
    for wanted in (
        "No pre-label has a score",
        "No shape has a score",
        "No probes were planted",
        "no accepted control jobs",
    ):
        assert wanted in page
    assert "nan" not in page


def write(found: Report, folder: Path) -> str:
    path = folder / "report.html"
    write_report_page(found, path, title="The ledger & all")
    assert "The ledger &amp; all" in path.read_text()
    return path.read_text()


def test_one_job_and_one_image_tell_no_interval(ledger: Ledger, tmp_path: Path) -> None:
    pulled(ledger, 1, [row("deleted", 0.2), row("accepted", 0.8)])
    found = report(ledger)
    told = json.loads(json.dumps(report_to_json(found), allow_nan=False))
    assert told["effort"]["prelabelled"]["corrections_per_image"] == {"value": 1.0, "low": None, "high": None}
    assert (told["break_evens"][0]["score"], told["break_evens"][0]["low"]) == (0.8, None)
    assert "nan" not in write(found, tmp_path)


@pytest.mark.parametrize(
    ("low", "high", "told"), [(0.25, 0.5, "0.30 (0.25–0.50)"), (0.25, 1.01, "0.30 (0.25–none pays)")]
)
def test_a_break_even_is_told_with_its_interval(low: float, high: float, told: str) -> None:
    assert told_score(BreakEven("m@1", 3, 0.3, low, high, "", ())) == told
