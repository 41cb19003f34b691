"""A round judges the challenger of the round before, which people saw beside the champion."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import cast

import pytest
from click.testing import CliRunner
from rich.console import Console

from cvat.client import Credentials
from datasets.errors import BadInput
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
from pipelines.modelling.cli import model
from pipelines.models import MODELS, evaluate_and_promote
from pipelines.progress import Progress
from pipelines.project import parse_project
from pipelines.results import ModelResult
from pipelines.services import Services
from pipelines.shadows import promote_shadow
from pipelines.truth_site import Site
from tests.pipelines.modelling.green_cars import NAME, SIZE, TAXONOMY, write_green_graph
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

    def train(self, judged: ModelResult, folder: Path, *, number: int = 2) -> ModelResult:
        """The round's own challenger, as good as the newest."""
        training = folder / f"training {number}"
        training.mkdir()
        write_green_graph(training / "model.onnx", 0.6)
        dataset = self.bench.registry.find(NEW).dataset
        return evaluate_and_promote(self.bench, MODEL, dataset, self.test_set, judged, training, number=number)

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
    training = {"promotion": settings, "classifier": {"image_size": SIZE}}
    project = parse_project({"categories": categories, "training": training}, where="here")
    return Bench(
        run=HomeRun(home, project, "run", "run"),
        services=Services("", Credentials("", ""), "", "", "", ()),
        site=cast(Site, None),
        truth=TruthFolder((), frozenset(), 0, 0, 0),
        progress=Progress(Console(stderr=True)),
    )


def test_the_command_compares_the_champion_with_what_people_saw_of_a_later_one(rounds: Rounds, own_home: Path) -> None:
    arguments = ["shadow", NAME, "--home", str(own_home), "--json"]
    rounds.show(wrong=OLD)
    told = json.loads(CliRunner().invoke(model, arguments, catch_exceptions=False).stdout)
    assert (told["champion"], told["challenger"], told["verdict"]["is_better"]) == (OLD, NEW, True)
    registry = rounds.bench.registry
    promote(registry, registry.find(NEW), rounds.bench.run.bundles, now=NOW)
    with pytest.raises(BadInput, match=f"{NEW} cannot be compared with itself"):
        CliRunner().invoke(model, arguments, catch_exceptions=False)


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


def test_a_challenger_that_people_did_not_correct_less_leaves_the_champion_also_once_its_bundle_is_gone(
    rounds: Rounds,
) -> None:
    rounds.show(wrong=NEW)
    judged = rounds.judge()
    corrected = judged.shadow

    assert corrected is not None
    assert f"people corrected 1.00 objects a frame of {NEW} and 0.00 of {OLD}" in corrected.reason
    assert (corrected.promoted, corrected.stays) == (False, False)
    assert (rounds.served(), rounds.before(number=3).champion) == (OLD, OLD)
    rmtree(rounds.bench.run.bundles / str(rounds.bench.registry.find(NEW).bundle))
    assert rounds.judge() == judged, "a rerun finds it judged"


def test_a_challenger_stays_until_people_saw_enough_of_it_and_then_the_newest_takes_its_place(
    rounds: Rounds, tmp_path: Path
) -> None:
    rounds.show(wrong=OLD, frames=20)
    stays = rounds.judge()
    newer = rounds.train(stays, tmp_path)
    assert stays.shadow is not None
    assert f"it stays beside {OLD}: people have accepted 10 frames of 10 cars with {NEW}'s" in stays.shadow.reason
    assert f"10 frames of {NEW}'s, 10 frames of {OLD}'s are missing" in stays.shadow.reason
    assert (newer.challenger, newer.next_shadow) == (f"{NAME}@4", NEW)
    assert stays == rounds.judge() == rounds.judge(number=3), "a rerun and the next round find the same shadow"
    rounds.show(wrong=OLD)

    judged = rounds.judge(number=4)
    learnt = rounds.train(judged, tmp_path, number=4)

    assert (judged.champion, learnt.champion, rounds.served()) == (NEW, NEW, NEW)
    assert learnt.next_shadow == f"{NAME}@5"
    assert rounds.judge(number=4) == judged
    waits = rounds.judge(number=5).shadow
    assert waits is not None
    assert (waits.challenger, waits.stays) == (f"{NAME}@5", True)


def test_nobody_waits_for_frames_where_no_share_of_them_is_shown(rounds: Rounds) -> None:
    told = promote_shadow(
        bench_of(rounds.bench.run.folder, shadow_share=0.0), MODEL, rounds.test_set, rounds.before(), number=2
    ).shadow
    assert told is not None
    assert not told.stays
    assert "it has not pre-annotated frames beside the champion" in told.reason


def test_whom_a_person_promoted_since_stays_champion_when_a_killed_round_runs_again(rounds: Rounds) -> None:
    rounds.show(wrong=OLD)
    rounds.judge()
    person_s = rounds.bench.registry.find(f"{NAME}@2")
    promote(rounds.bench.registry, person_s, rounds.bench.run.bundles, now=NOW)

    judged = rounds.judge()

    assert judged.shadow is not None
    assert (judged.champion, rounds.served(), judged.shadow.promoted) == (person_s.name, person_s.name, False)
    assert judged.shadow.reason == f"it was champion until {person_s.name} took its place"


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
