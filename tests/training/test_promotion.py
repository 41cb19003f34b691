"""Whether promotion follows what models can do; predictions are drawn, so that what they can do is known."""

import numpy as np
import pytest

from datasets.coco import Annotation, Copy, Dataset, Image, Tag, View, make_dataset, with_negatives
from datasets.ledger import Outcomes
from datasets.taxonomy import Category, Taxonomy
from training.errors import NotComparable
from training.evaluation.classification import ClassifierEvaluation
from training.evaluation.comparison import compare
from training.evaluation.detection import DetectorEvaluation
from training.evaluation.matching import to_coco_pair
from training.predictors import Detection
from training.promotion import Decision, Evidence, FormatParity, decide
from training.refusals import overlap, prelabelled
from training.settings import PromotionSettings
from training.shadow import ShadowVerdict, ShownFrame, assign, judge_shadow

TAXONOMY = Taxonomy(
    categories=(
        Category(name="dent"),
        Category(name="scratch"),
        Category(name="clean", kind="tag"),
        Category(name="dirty", kind="tag"),
    )
)
CLEAN, DIRTY = TAXONOMY.category_id("clean"), TAXONOMY.category_id("dirty")
SETTINGS = PromotionSettings(resamples=300, seed_spread=0)


def photographs(count: int, *, sources: int = 1) -> list[Image]:
    """Three of each car; every third is dirty."""
    return [
        Image(
            f"{n:064x}",
            f"{n}.jpg",
            200,
            200,
            family=f"car {n // 3}",
            tags=(Tag(DIRTY if n % 3 == 0 else CLEAN),),
            views=(View(f"site {n % sources}", f"{n}.jpg", f"car {n // 3}"),),
        )
        for n in range(count)
    ]


TRUTH = make_dataset(TAXONOMY, photographs(180), ())


def classifier(
    accuracy: float, seed: int, truth: Dataset = TRUTH, *, worse_from: str | None = None
) -> ClassifierEvaluation:
    """One that is right so often; on the images of one source not more often than not."""
    rng = np.random.default_rng(seed)
    results = []
    for number, image in enumerate(truth.images, start=1):
        share = 0.5 if worse_from and image.views[0].source == worse_from else accuracy
        right, sure = rng.uniform() < share, rng.uniform(0.5, 1)
        for tag in (CLEAN, DIRTY):
            says = (tag == image.tags[0].category_id) == right
            results.append({"image_id": number, "category_id": tag, "score": sure if says else 1 - sure})
    return ClassifierEvaluation(truth, results)


def detector(found: dict[str, float], seed: int, *, images: int = 90) -> DetectorEvaluation:
    """One that finds such a share of each class, on photographs with one object each."""
    rng = np.random.default_rng(seed)
    taken = photographs(images)
    annotations = [Annotation(image.sha256, 1 + n % 2, (20, 20, 60, 60)) for n, image in enumerate(taken)]
    truth = with_negatives(make_dataset(TAXONOMY, taken, annotations), TAXONOMY.ids())
    predictions = {}
    for annotation in truth.annotations:
        name = TAXONOMY.name(annotation.category_id)
        hit = rng.uniform() < found[name]
        box = (20, 20, 80, 80) if hit else (120, 120, 180, 180)
        predictions[annotation.sha256] = [Detection(name, box, float(rng.uniform(0.5, 1)))]
    return DetectorEvaluation(truth, to_coco_pair(truth, predictions)[1], {"dent": 0.25, "scratch": 0.25})


def test_the_first_model_with_a_score_is_promoted() -> None:
    decision = decide(None, classifier(0.7, 0), SETTINGS)

    assert decision.promote
    assert "there is no champion yet" in decision.reason


def test_a_test_set_without_labels_promotes_nobody() -> None:
    bare = make_dataset(TAXONOMY, [Image("a" * 64, "a.jpg", 9, 9, "a")], ())

    decision = decide(None, ClassifierEvaluation(bare, ()), SETTINGS)

    assert not decision.promote
    assert "no labels" in decision.reason


@pytest.mark.parametrize("seed", range(5))
def test_a_model_known_to_be_better_is_promoted(seed: int) -> None:
    decision = decide(classifier(0.75, seed), classifier(0.95, 100 + seed), SETTINGS)

    assert decision.promote, decision.reason
    assert "the challenger is better: macro F1" in decision.reason


def test_models_that_are_alike_replace_each_other_no_more_often_than_configured() -> None:
    pairs = 60
    promoted = sum(decide(classifier(0.85, n), classifier(0.85, 1000 + n), SETTINGS).promote for n in range(pairs))

    assert promoted <= pairs * (1 - SETTINGS.confidence) + 1.645 * np.sqrt(pairs * 0.1 * 0.9)


def test_the_same_model_again_is_not_promoted() -> None:
    decision = decide(classifier(0.9, 1), classifier(0.9, 1), SETTINGS)

    assert not decision.promote
    assert "with 50.0% certainty where 90% is asked for" in decision.reason


def test_a_gain_has_to_be_as_large_as_asked_for() -> None:
    pair = classifier(0.8, 1), classifier(0.95, 2)

    assert decide(*pair, SETTINGS).promote
    assert not decide(*pair, SETTINGS.model_copy(update={"min_gain": 0.3})).promote
    assert not decide(*pair, SETTINGS.model_copy(update={"seed_spread": 0.2})).promote, "seeds alone may do that"


def test_a_class_that_got_worse_keeps_the_champion() -> None:
    champion = detector({"dent": 0.1, "scratch": 0.9}, 1)
    challenger = detector({"dent": 0.98, "scratch": 0.75}, 2)

    decision = decide(champion, challenger, SETTINGS)

    assert not decision.promote
    assert decision.comparison is not None
    assert decision.comparison.certainty > 0.9, "overall it is better"
    assert "it is worse on scratch: AP50" in decision.reason
    assert decide(champion, challenger, SETTINGS.model_copy(update={"class_margin": 0.9})).promote


def test_classes_with_few_objects_stand_together_and_that_is_told() -> None:
    settings = SETTINGS.model_copy(update={"min_class_objects": 50})
    decision = decide(
        detector({"dent": 0.1, "scratch": 0.9}, 1), detector({"dent": 0.98, "scratch": 0.75}, 2), settings
    )

    assert decision.promote, decision.reason
    assert "2 with fewer than 50 test objects stand together: dent, scratch" in decision.reason


def test_a_source_that_got_worse_keeps_the_champion() -> None:
    truth = make_dataset(TAXONOMY, photographs(180, sources=2), ())
    champion, challenger = classifier(0.7, 3, truth), classifier(0.99, 4, truth, worse_from="site 1")

    decision = decide(champion, challenger, SETTINGS.model_copy(update={"class_margin": 1.0, "confidence": 0.5}))

    assert not decision.promote
    assert "it is worse on images of site 1: macro F1" in decision.reason


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (Evidence(refusals=["the test set is spoilt"]), "the test set is spoilt"),
        (Evidence(milliseconds=31.0), "an image takes it 31.0 ms, and at most 30 ms are allowed"),
        (Evidence(), "nobody measured how long"),
        (
            Evidence(milliseconds=9, parity=[FormatParity("onnx", False, "boxes off by 9 px")]),
            "its onnx export does not",
        ),
    ],
)
def test_what_speaks_against_a_model_is_told(evidence: Evidence, reason: str) -> None:
    settings = SETTINGS.model_copy(update={"max_milliseconds": 30.0})

    for champion in (None, classifier(0.7, 0)):
        decision = decide(champion, classifier(0.95, 1), settings, evidence)
        assert not decision.promote
        assert reason in decision.reason


def test_models_of_other_test_sets_cannot_be_compared() -> None:
    other = make_dataset(TAXONOMY, photographs(90), ())

    with pytest.raises(NotComparable, match="90 images and the champion on 180"):
        compare(classifier(0.9, 0), classifier(0.9, 1, other))


def test_a_test_set_that_shares_families_or_pictures_with_the_training_is_refused() -> None:
    test = make_dataset(TAXONOMY, photographs(6), ())
    train = Image("f" * 64, "f.jpg", 9, 9, family="another", split="train")
    kept_back = Image("d" * 64, "d.jpg", 9, 9, family="car 0", split="test")

    def against(*images: Image) -> str | None:
        return overlap(test, make_dataset(TAXONOMY, images, ()))

    assert against(train, kept_back) is None
    family = Image("e" * 64, "e.jpg", 9, 9, family="car 1", split="train")
    assert "shares 3 of 6 images" in (against(train, family) or "")
    copied = Image("e" * 64, "e.jpg", 9, 9, "x", split="train", copies=(Copy(f"{5:064x}", "5.jpg", 9, 9),))
    assert "families car 1" in (against(copied) or "")


def test_a_test_set_that_models_drew_on_is_refused() -> None:
    assert prelabelled(TRUTH, {"e" * 64}) is None
    assert "2 of 180 test frames were pre-labelled" in (prelabelled(TRUTH, {f"{5:064x}", f"{6:064x}"}) or "")


OLD, NEW = "damage_detector@1", "damage_detector@2"


def outcomes(corrections: dict[str, float], frames: int) -> Outcomes:
    """Two objects a frame, of which each model's are so often corrected; frames are shown in turn."""
    rng = np.random.default_rng(0)
    models = [OLD if frame % 2 else NEW for frame in range(frames) for _ in range(2)]
    verdicts = ["deleted" if rng.uniform() < corrections[model] else "accepted" for model in models]
    sha256s = [f"{frame:064x}" for frame in range(frames) for _ in range(2)]
    blank, count = np.array([""] * 2 * frames, object), 2 * frames
    return Outcomes(
        np.ones(count, np.int64), np.array(sha256s, object), np.array(models, object), np.array(verdicts, object),
        blank, blank, blank, np.full(count, np.nan), np.full(count, np.nan),
    )  # fmt: skip


def shadow(corrections: dict[str, float], frames: int = 200) -> ShadowVerdict:
    found = outcomes(corrections, frames)
    shown = {str(sha256): str(model) for sha256, model in zip(found.sha256, found.model, strict=True)}
    frames_shown = [ShownFrame(1, sha256, sha256, frozenset({model})) for sha256, model in shown.items()]
    return judge_shadow(found, OLD, NEW, frames=frames_shown, confidence=0.9)


def test_a_model_that_people_correct_less_is_better_in_the_shadow() -> None:
    verdict = shadow({OLD: 0.5, NEW: 0.2})

    assert verdict.is_better
    assert (verdict.champion_frames, verdict.challenger_frames) == (100, 100)
    assert verdict.fewer.low is not None
    assert verdict.fewer.low > 0


def test_a_model_that_people_correct_as_much_is_not_better() -> None:
    assert not shadow({OLD: 0.3, NEW: 0.31}).is_better


def test_few_frames_tell_nothing() -> None:
    verdict = shadow({OLD: 1.0, NEW: 0.0}, frames=30)

    assert not verdict.is_better
    assert "20 of each are needed" in verdict.told


def test_the_shadow_can_be_asked_for() -> None:
    settings = SETTINGS.model_copy(update={"shadow_required": True})
    pair = classifier(0.75, 1), classifier(0.95, 2)

    def judged(verdict: ShadowVerdict | None) -> Decision:
        return decide(*pair, settings, Evidence(shadow=verdict))

    assert "has not pre-annotated frames beside the champion" in judged(None).reason
    assert "people corrected" in judged(shadow({OLD: 0.3, NEW: 0.3})).reason
    assert judged(shadow({OLD: 0.5, NEW: 0.2})).promote


def test_a_greater_share_keeps_the_frames_of_a_smaller_one() -> None:
    frames = [f"{n:064x}" for n in range(1000)]

    some, more = assign(frames, 0.2), assign(frames, 0.4)

    assert some < more
    assert 150 < len(some) < 250
    assert assign(frames, 0) == set()
    assert assign(frames, 1) == set(frames)
