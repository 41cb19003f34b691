"""Choosing images to label: what each strategy prefers, what stays the same, and what is refused in a sentence."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.errors import BadInput
from datasets.selecting.choosing import STRATEGIES, Selection, choose
from datasets.selecting.pool import Answers, Found, Labelled, Pool
from datasets.selecting.settings import SelectionSettings, SignalWeights, StrategyName

CLASSES, TAGS = ("dent", "damaged hood"), ("clean", "dirty")


def found(*scores: float, class_id: int = 0) -> Found:
    """Detections of these scores, side by side."""
    boxes = np.array([[20.0 * n, 0, 20 * n + 10, 10] for n in range(len(scores))]).reshape(-1, 4)
    return Found(boxes, np.array(scores, float), np.full(len(scores), class_id))


def make_pool(images: int, *, seed: int = 0, photos: int = 2) -> Pool:
    """Images, `photos` of a family, with random answers and embeddings."""
    rng = np.random.default_rng(seed)

    def answers() -> Answers:
        clean = rng.random(images)
        boxes = [found(*rng.random(rng.integers(4)), class_id=int(rng.integers(2))) for _ in range(images)]
        return Answers(boxes, np.stack([clean, 1 - clean], 1))

    return Pool(
        keys=[f"{number:064x}" for number in range(images)],
        families=[f"car {number // photos}" for number in range(images)],
        class_names=CLASSES,
        tag_names=TAGS,
        champion=answers(),
        challenger=answers(),
        embeddings=rng.standard_normal((images, 8)).astype(np.float32),
    )


def plain_pool(*detections: Found) -> Pool:
    """One image of its own family for each, keys 0, 1, …"""
    keys = [str(number) for number in range(len(detections))]
    return Pool(keys, keys, class_names=CLASSES, champion=Answers(detections))


def shuffled(pool: Pool, rows: list[int]) -> Pool:
    return replace(pool, **vars(pool._taken(rows)))


def keys(selection: Selection) -> list[str]:
    return [choice.sha256 for choice in selection.choices]


def by(strategy: StrategyName, **more: object) -> SelectionSettings:
    return SelectionSettings.model_validate({"strategy": strategy, **more})


@given(strategy=st.sampled_from(STRATEGIES), data=st.data(), seed=st.integers(0, 3))
def test_the_choice_does_not_depend_on_the_order(strategy: StrategyName, data: st.DataObject, seed: int) -> None:
    pool = make_pool(12, seed=seed)
    rows = data.draw(st.permutations(range(12)))
    labelled = Labelled({"dent": 5}, {"car 0": 1}, np.eye(8, dtype=np.float32)[:2])
    first, second = (
        choose(candidates, labelled, budget=6, settings=by(strategy), seed=seed)
        for candidates in (pool, shuffled(pool, list(rows)))
    )
    assert first == second


@given(
    strategy=st.sampled_from(STRATEGIES),
    images=st.integers(1, 14),
    budget=st.integers(1, 14),
    per_family=st.integers(1, 3),
)
def test_the_budget_is_spent_and_no_family_has_more_than_its_share(
    strategy: StrategyName, images: int, budget: int, per_family: int
) -> None:
    pool = make_pool(images, photos=3)
    most = sum(min(count, per_family) for count in Counter(pool.families).values())
    settings = by(strategy, per_family=per_family)
    if budget > most:
        with pytest.raises(BadInput, match=f"the budget is {budget} images"):
            choose(pool, Labelled(), budget=budget, settings=settings, seed=0)
        return
    choices = choose(pool, Labelled(), budget=budget, settings=settings, seed=0).choices
    assert len({choice.sha256 for choice in choices}) == budget
    assert max(Counter(choice.family for choice in choices).values()) <= per_family


def test_uncertainty_prefers_what_the_detector_is_undecided_about() -> None:
    pool = plain_pool(found(0.99), found(0.5, 0.5), found(), found(0.7), found(0.01, 0.02, 0.03))
    assert keys(choose(pool, Labelled(), budget=2, settings=by("uncertainty"), seed=0)) == ["1", "3"]


def test_rarity_prefers_the_class_with_few_labels() -> None:
    pool = plain_pool(found(0.9, class_id=0), found(0.9, class_id=1))
    (choice,) = choose(pool, Labelled({"dent": 90, "damaged hood": 3}), budget=1, settings=by("rarity"), seed=0).choices
    assert choice.sha256 == "1"
    assert choice.reason.startswith("may show damaged hood (chance 0.90), of which 3 are labelled")


def test_disagreement_is_about_boxes_that_one_model_sees_or_classes_differently() -> None:
    same, alone, other_class = found(0.8), found(), found(0.8, class_id=1)
    pool = replace(plain_pool(found(0.8), found(0.4), found(0.8)), challenger=Answers([same, alone, other_class]))
    choices = choose(pool, Labelled(), budget=3, settings=by("disagreement"), seed=0).choices
    assert [(choice.sha256, choice.signals["disagreement"]) for choice in choices] == [("2", 0.8), ("1", 0.4), ("0", 0)]


def test_classifiers_that_disagree_count_too() -> None:
    champion, challenger = (
        Answers(probabilities=np.array(rows)) for rows in ([[0.9, 0.1]] * 2, [[0.9, 0.1], [0.2, 0.8]])
    )
    pool = Pool(["a", "b"], ["a", "b"], tag_names=TAGS, champion=champion, challenger=challenger)
    (choice,) = choose(pool, Labelled(), budget=1, settings=by("disagreement"), seed=0).choices
    assert (choice.sha256, choice.signals["disagreement"]) == ("b", 0.7)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("labels", [0, 3])
def test_diversity_is_greedy_k_center_to_the_point(seed: int, labels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.selecting.spreading._TOP", 7)  # so that what is below the top matters
    pool = make_pool(60, seed=seed, photos=1)
    centres = np.random.default_rng(9).standard_normal((labels, 8)).astype(np.float32) if labels else None
    chosen = choose(pool, Labelled(embeddings=centres), budget=20, settings=by("diversity"), seed=seed)
    assert keys(chosen) == k_center(pool.in_order(seed=seed), centres, 20)


def k_center(pool: Pool, centres: object, budget: int) -> list[str]:
    """The textbook's way: every distance anew for every choice."""
    points = np.asarray(pool.embeddings) / np.linalg.norm(np.asarray(pool.embeddings), axis=1, keepdims=True)
    rows = [] if centres is not None else [0]
    known = [] if centres is None else list(centres / np.linalg.norm(centres, axis=1, keepdims=True))  # type: ignore[operator]
    while len(rows) < budget:
        held = np.array([*known, *points[rows]])
        distances = np.linalg.norm(points[:, None] - held[None], axis=2).min(1)
        distances[rows] = -1
        rows.append(int(distances.argmax()))
    return [pool.keys[row] for row in rows]


def test_the_mix_has_its_controls_and_says_of_each_image_why() -> None:
    selection = choose(make_pool(40, photos=1), Labelled({"dent": 3}), budget=20, seed=0)
    assert Counter(choice.by for choice in selection.choices) == {"control": 2, "mix": 18}
    assert all(choice.reason == "drawn at random" for choice in selection.choices if choice.by == "control")
    explained = [choice for choice in selection.choices if choice.by == "mix"]
    assert all("from the nearest image" in choice.reason and "%" in choice.reason for choice in explained)
    assert all(set(choice.signals) == {"uncertainty", "disagreement", "rarity"} for choice in explained)


def test_the_mix_tells_what_it_goes_without() -> None:
    bare = replace(plain_pool(found(0.5), found()))
    notes = choose(bare, Labelled(), budget=1, seed=0).notes
    assert notes == (
        "disagreement is left out: there are no challenger's answers",
        "diversity is left out: there are no embeddings",
    )


def test_a_signal_without_weight_changes_nothing() -> None:
    pool = make_pool(20, photos=1)
    settings = by("mix", mix=SignalWeights(disagreement=0), control_share=0)
    without = choose(replace(pool, challenger=Answers()), Labelled(), budget=8, settings=settings, seed=0)
    assert keys(choose(pool, Labelled(), budget=8, settings=settings, seed=0)) == keys(without)


@pytest.mark.parametrize("strategy", ["uncertainty", "disagreement", "rarity", "diversity"])
def test_a_strategy_that_has_nothing_to_look_at_is_told(strategy: StrategyName) -> None:
    with pytest.raises(BadInput, match=f"the strategy {strategy} has no .* to look at"):
        choose(Pool(["a"], ["a"]), Labelled(), budget=1, settings=by(strategy), seed=0)


def test_what_cannot_be_is_told_in_a_sentence() -> None:
    pool, nothing = make_pool(4), Labelled()
    with pytest.raises(BadInput, match="no image is left to choose from"):
        choose(Pool([], []), nothing, budget=1, seed=0)
    with pytest.raises(BadInput, match="the budget is 9 images but only 4 are not labelled"):
        choose(pool, nothing, budget=9, seed=0)
    with pytest.raises(BadInput, match="with 1 of each family only 2 can be chosen"):
        choose(pool, nothing, budget=3, seed=0)
    with pytest.raises(BadInput, match="it has to be 1 or more"):
        choose(pool, nothing, budget=0, seed=0)
    with pytest.raises(BadInput, match="strategy 'entropie' is unknown; choose one of mix, random"):
        choose(pool, nothing, budget=1, settings=SelectionSettings.model_construct(strategy="entropie"), seed=0)


def test_arrays_that_do_not_fit_are_refused() -> None:
    pool, nothing = make_pool(4), Labelled()
    with pytest.raises(BadInput, match="there are 3 embeddings for 4 images"):
        choose(replace(pool, embeddings=np.ones((3, 8), np.float32)), nothing, budget=1, seed=0)
    with pytest.raises(BadInput, match="holds NaN or infinity"):
        choose(replace(pool, embeddings=np.full((4, 8), np.nan)), nothing, budget=1, seed=0)
    with pytest.raises(BadInput, match="have 8 numbers, those of labelled images 5"):
        choose(pool, Labelled(embeddings=np.ones((2, 5))), budget=1, seed=0)
    with pytest.raises(BadInput, match="is in the pool twice"):
        choose(replace(pool, keys=["a"] * 4), nothing, budget=1, seed=0)
