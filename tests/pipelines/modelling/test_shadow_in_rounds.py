"""A round judges the challenger of the round before, which people saw beside the champion."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from cvat.client import Credentials
from datasets.importing import TruthFolder
from datasets.labelled import tag
from datasets.ledger import Prelabel, Pull
from datasets.review import fates_of_job
from pipelines.annotation.shown import ShownFrames
from pipelines.bench import Bench
from pipelines.champions import version_key
from pipelines.flows.home import HomeRun
from pipelines.flows.learning import Learnt, rows_of
from pipelines.learn import Pulled, to_beat
from pipelines.models import MODELS, promote_shadow
from pipelines.progress import Progress
from pipelines.project import parse_project
from pipelines.results import ModelResult
from pipelines.services import Services
from pipelines.truth_site import Site
from tests.pipelines.modelling.green_cars import NAME, TAXONOMY
from training.bundle import read_pointer
from training.promotion import promote, roll_back
from training.shadow import ShownFrame

MODEL = MODELS[1]
OLD, NEW = f"{NAME}@1", f"{NAME}@3"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Rounds:
    """A run whose champion takes green for clean; the challenger of the round before knows better."""

    bench: Bench
    test_set: str

    def judge(self, *, number: int = 2) -> ModelResult:
        return promote_shadow(self.bench, MODEL, self.test_set, self.before(number=number), number=number)

    def before(self, *, number: int = 2) -> ModelResult:
        """The champion that a round finds."""
        champion = self.bench.registry.champion_before(NAME, self.key(number))
        assert champion is not None
        return ModelResult(champion=champion.name, bundle=champion.bundle, weights=champion.weights, reason="")

    def key(self, number: int = 2) -> str:
        return version_key(self.bench.run.key, NAME, number)

    def served(self) -> str:
        champion = self.bench.registry.champion(NAME)
        assert champion is not None
        assert read_pointer(self.bench.run.bundles, NAME) == champion.bundle
        return champion.name

    def show(self, *, wrong: str, frames: int = 40) -> None:
        """People accept a job on whose frames the models took turns, and correct what one of them said."""
        shas = [f"{number:064x}" for number in range(frames)]
        stored = [Prelabel(sha256, (OLD, NEW)[n % 2], tag("dirty", score=0.9)) for n, sha256 in enumerate(shas)]
        left = [(one.sha256, tag("clean" if one.model == wrong else "dirty")) for one in stored]
        seen = [ShownFrame(1, one.sha256, f"car {one.sha256}", frozenset({one.model})) for one in stored]
        ShownFrames(self.bench.run.ledger_url).write(1, seen, run="shown")
        self.bench.ledger.write_prelabel_run(1, "shown")
        rows = fates_of_job(shas, left, stored)
        self.bench.ledger.write_pull(Pull(1, 1, "", "train", None, None, None, frames), rows)


@pytest.fixture
def rounds(own_home: Path) -> Iterator[Rounds]:
    bench = bench_of(own_home)
    first, *_, newest = bench.registry.versions(NAME)
    promote(bench.registry, first, bench.run.bundles, now=NOW)
    assert newest.test_set is not None
    yield Rounds(bench, newest.test_set)
    bench.close()


def bench_of(home: Path, **promotion: object) -> Bench:
    settings = {"shadow_required": True, "shadow_share": 0.2, "min_class_objects": 1, "resamples": 100, **promotion}
    categories = [one.model_dump(mode="json") for one in TAXONOMY.categories]
    project = parse_project({"categories": categories, "training": {"promotion": settings}}, where="here")
    return Bench(
        run=HomeRun(home, project, "run", "run"),
        services=Services("", Credentials("", ""), "", "", "", ()),
        site=cast(Site, None),
        truth=TruthFolder((), frozenset(), 0, 0, 0),
        progress=Progress(Console(stderr=True)),
    )


def test_a_challenger_that_people_corrected_less_takes_over_once(rounds: Rounds) -> None:
    rounds.show(wrong=OLD)

    judged = rounds.judge()

    assert (rounds.served(), judged.champion) == (NEW, NEW)
    assert judged.shadow is not None
    assert (judged.shadow.challenger, judged.shadow.promoted) == (NEW, True)
    assert "the challenger is better: macro F1 1.0000 against the champion's 0.0000" in judged.shadow.reason
    assert rounds.bench.registry.find(NEW).decision == judged.shadow.reason
    turns = rounds.bench.registry.history(NAME)
    rounds.show(wrong=NEW)
    assert rounds.before().champion == OLD, "a round that was killed since finds the champion that it found"
    assert rounds.judge() == judged, "and judges nothing twice"
    assert rounds.bench.registry.history(NAME) == turns

    assert rounds.judge(number=3).shadow is None, "nobody is left to judge"
    roll_back(rounds.bench.registry, NAME, rounds.bench.run.bundles, now=NOW)
    told = rounds.judge().shadow
    assert told is not None
    assert (told.promoted, told.reason) == (False, "it was champion and was rolled back")
    assert rounds.served() == OLD


def test_a_challenger_that_people_did_not_correct_less_leaves_the_champion(rounds: Rounds) -> None:
    unseen = rounds.judge().shadow
    rounds.show(wrong=NEW)
    corrected = rounds.judge().shadow

    assert unseen is not None
    assert "it has not pre-annotated frames beside the champion" in unseen.reason
    assert corrected is not None
    assert f"people corrected 1.00 objects a frame of {NEW} and 0.00 of {OLD}" in corrected.reason
    assert not corrected.promoted
    assert (rounds.served(), rounds.before(number=3).champion) == (OLD, OLD)


def test_a_promotion_that_was_killed_before_the_alias_moved_is_completed(rounds: Rounds) -> None:
    registry, newest = rounds.bench.registry, rounds.bench.registry.find(NEW)
    registry.note_decision(newest, "people corrected it less")
    registry.note_turn(newest, "promoted", now=NOW, by=rounds.key())
    assert (rounds.served(), rounds.before().champion) == (OLD, OLD)

    judged = rounds.judge()

    assert judged.shadow is not None
    assert (rounds.served(), judged.shadow.reason) == (NEW, "people corrected it less")


def test_without_being_asked_for_nobody_is_judged_and_who_was_is_told_beside_the_round_s_own(tmp_path: Path) -> None:
    before = ModelResult(champion=OLD, bundle="1" * 64, reason="")
    bench = bench_of(tmp_path, shadow_required=False)
    assert to_beat(bench, MODEL, Pulled("d", "t", 0, {}), before, number=2) is before

    own = {"champion": NEW, "challenger": f"{NAME}@4", "promoted": False, "reason": "nobody saw it"}
    shadow = {"challenger": NEW, "promoted": True, "reason": "better"}
    rows = rows_of(Learnt("k", "d", "t", 1, 1, {NAME: {**own, "shadow": shadow}}))
    assert [(row["challenger"], row["promoted"]) for row in rows] == [(NEW, "yes"), (f"{NAME}@4", "no")]
