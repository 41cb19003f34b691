"""Numbers by which reviewers sort images."""

import pytest

from datasets.coco import Annotation, Tag
from datasets.curating.measures import disagreement, hardness
from datasets.curating.review import Predicted

SHA256 = "0" * 64


def box(category_id: int, left: float, score: float) -> Annotation:
    return Annotation(SHA256, category_id, (left, 0, 10, 10), score=score)


def said(*annotations: Annotation, tags: tuple[Tag, ...] = ()) -> Predicted:
    return Predicted(annotations, tags)


def disagree(one: Predicted, other: Predicted) -> float | None:
    return disagreement({"champion": one, "challenger": other})


def test_models_that_see_the_same_agree() -> None:
    assert disagree(said(box(1, 0, 0.9), box(2, 50, 0.5)), said(box(2, 51, 0.4), box(1, 1, 0.8))) == 0
    assert disagree(said(), said()) == 0


def test_disagreement_is_the_share_of_confidence_in_what_the_other_does_not_see() -> None:
    assert disagree(said(box(1, 0, 0.9), box(1, 50, 0.3)), said(box(1, 0, 0.6))) == pytest.approx(0.3 / 1.8, abs=1e-6)
    assert disagree(said(box(1, 0, 0.9)), said(box(2, 0, 0.9))) == 1
    assert disagree(said(box(1, 0, 0.9)), said(box(1, 6, 0.9))) == 1


def test_an_object_agrees_with_one_alone() -> None:
    assert disagree(said(box(1, 0, 0.5), box(1, 1, 0.5)), said(box(1, 0, 0.5))) == pytest.approx(1 / 3, abs=1e-6)


def test_tags_count_too() -> None:
    clean, dirty = (Tag(number, {"confidence": "0.5"}) for number in (9, 10))
    assert disagree(said(tags=(clean,)), said(tags=(dirty,))) == 1
    assert disagree(said(tags=(clean,)), said(tags=(clean,))) == 0


def test_one_model_alone_disagrees_with_nobody() -> None:
    assert disagreement({"champion": said(box(1, 0, 0.9))}) is None


def test_an_image_is_hard_where_the_champion_is_unsure_or_wrong() -> None:
    truth = (Tag(10),)
    assert hardness(truth, said(tags=(Tag(10, {"confidence": "0.6"}),))) == pytest.approx(0.4)
    assert hardness(truth, said(tags=(Tag(9, {"confidence": "0.8"}),))) == pytest.approx(0.8)
    assert hardness(truth, said()) is None
    assert hardness(truth, None) is None
