"""Champion and challenger beside each other: who shows which frame, and whom people corrected less."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from datasets.ledger import Outcomes
from datasets.ledger.records import OUTCOME_COLUMNS
from training.settings import PromotionSettings
from training.shadow import ShadowVerdict, ShownFrame, assign, judge_shadow, shadow_refusals

OLD, NEW, TAGS = "damage_detector@1", "damage_detector@2", "cleanliness_classifier@7"
ASKED = PromotionSettings(shadow_required=True, shadow_share=0.2)
Row = tuple[int, str, str, str]
"""An object's frame, model, verdict and kind."""


def outcomes(rows: Sequence[Row]) -> Outcomes:
    count = len(rows)
    known: Mapping[str, Sequence[object]] = {
        "job_id": [1] * count,
        "sha256": [f"{frame:064x}" for frame, *_ in rows],
        "model": [model for _, model, _, _ in rows],
        "verdict": [verdict for _, _, verdict, _ in rows],
        "kind": [kind for *_, kind in rows],
    }
    blank = {object: "", np.float64: np.nan, np.int64: 0}
    return Outcomes(*(np.array(known.get(name, [blank[kind]] * count), kind) for name, kind in OUTCOME_COLUMNS.items()))


def shown(count: int, *, frames_of_a_car: int = 1) -> list[ShownFrame]:
    """Every second car is the challenger's; a classifier looks at all."""
    cars = [number // frames_of_a_car for number in range(count)]
    return [
        ShownFrame(1, f"{frame:064x}", f"car {car}", frozenset((NEW if car % 2 else OLD, TAGS)))
        for frame, car in enumerate(cars)
    ]


def judged(rows: Sequence[Row], frames: Sequence[ShownFrame]) -> ShadowVerdict:
    return judge_shadow(outcomes(rows), OLD, NEW, frames=frames, confidence=0.9)


def test_frames_on_which_a_model_found_nothing_count_for_it() -> None:
    """The challenger finds a tenth of what there is: by its own pre-labels alone it would need no correction."""
    rows: list[Row] = [(frame, OLD, "accepted", "rectangle") for frame in range(0, 100, 2)]
    rows += [(frame, NEW, "accepted", "rectangle") for frame in range(1, 100, 20)]
    rows += [(frame, "", "added", "rectangle") for frame in range(1, 100, 2) if frame % 20 != 1]

    verdict = judged(rows, shown(100))

    assert (verdict.champion_frames, verdict.challenger_frames) == (50, 50)
    assert (verdict.champion.value, verdict.challenger.value) == (0.0, pytest.approx(0.9))
    assert verdict.challenger.low is not None
    assert verdict.challenger.low < 0.9
    assert not verdict.is_better


def test_tags_do_not_count_against_a_detector() -> None:
    rows: list[Row] = [(frame, NEW if frame % 2 else OLD, "accepted", "rectangle") for frame in range(100)]
    rows += [(frame, TAGS, "reclassed", "tag") for frame in range(1, 100, 2)]

    verdict = judged(rows, shown(100))

    assert (verdict.champion.value, verdict.challenger.value) == (0.0, 0.0)


def test_photographs_of_few_cars_tell_nothing() -> None:
    verdict = judged([(frame, OLD, "deleted", "rectangle") for frame in range(100)], shown(100, frames_of_a_car=20))

    assert not verdict.is_better
    assert f"40 frames of 2 cars with {NEW}'s" in verdict.told


def test_a_car_s_photographs_are_all_shown_by_one_model_and_by_others_in_another_run() -> None:
    cars = [f"car {number}" for number in range(1000)]

    here, there = (assign(cars, 0.2, run=run) for run in ("here", "there"))

    assert here == assign(reversed(cars), 0.2, run="here")
    assert 150 < len(here) < 250
    assert len(here & there) < 80


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (ASKED, "has not pre-annotated frames beside the champion, which is asked for"),
        (ASKED.model_copy(update={"shadow_share": 0.0}), "set training: promotion: shadow_share: above 0"),
    ],
)
def test_a_challenger_that_nobody_saw_is_refused_where_that_is_asked_for(
    settings: PromotionSettings, told: str
) -> None:
    assert told in shadow_refusals(None, settings)[0]
    assert told in shadow_refusals(judged([], []), settings)[0]
    assert shadow_refusals(None, PromotionSettings()) == []


def test_a_challenger_passes_where_people_corrected_it_less_and_else_is_refused_with_both_figures() -> None:
    def verdict(old: str, new: str) -> ShadowVerdict:
        return judged([(n, NEW if n % 2 else OLD, new if n % 2 else old, "rectangle") for n in range(60)], shown(60))

    assert shadow_refusals(verdict("moved", "accepted"), ASKED) == []
    (told,) = shadow_refusals(verdict("accepted", "moved"), ASKED)
    assert f"corrected 1.00 objects a frame of {NEW} and 0.00 of {OLD}" in told


def test_a_project_without_a_shadow_keeps_the_key_of_its_runs() -> None:
    assert "shadow_share" not in PromotionSettings().model_dump(mode="json")
    assert ASKED.model_dump(mode="json")["shadow_share"] == 0.2
