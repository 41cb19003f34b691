"""Probes: planted by a hash, wrong in exactly one way, noted before anybody sees them, left alone by pre-labelling."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from cvat_sdk import Client
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cvat.filling import Content
from cvat.jobs import read_frames
from cvat.prelabel import prelabel_job
from cvat.probes import Planted, plant_probes
from cvat.project import require_project
from cvat.waiting import list_waiting
from datasets.coco import Image
from datasets.comparison import compare
from datasets.geometry import clip_box
from datasets.labelled import LabelledObject, tag
from datasets.ledger import Prelabel, Probe
from datasets.taxonomy import DEFAULT_TAXONOMY
from tests.cvat.played import directly
from tests.cvat.pushed import DIRTY, DOOR, PushDesk, make_desk

DENT = LabelledObject("dent", (30.0, 20.0, 50.0, 40.0), attributes={"rust": "much"})
MODEL = "damage_detector@7"


def images(number: int, width: int = 64, height: int = 48) -> list[Image]:
    return [Image(f"{n:064x}", f"images/00/{n}.jpg", width, height, family="car") for n in range(number)]


def plant(
    on: list[Image], *truth: LabelledObject, share: float = 1.0, seed: int = 0, is_searched: bool = True
) -> dict[str, Planted]:
    known = {image.sha256: truth for image in on}
    searched = known.keys() if is_searched else ()
    return plant_probes(on, known, DEFAULT_TAXONOMY, searched=searched, share=share, seed=seed, model=MODEL)


def test_the_same_seed_probes_the_same_share_of_images_in_the_same_way() -> None:
    some = plant(images(400), DOOR, share=0.1, seed=3)
    assert some == plant(list(reversed(images(400))), DOOR, share=0.1, seed=3)
    assert some.keys() != plant(images(400), DOOR, share=0.1, seed=4).keys()
    assert 20 < len(some) < 60


def test_every_way_to_be_wrong_is_planted() -> None:
    kinds = Counter(planted.probe.kind for planted in plant(images(200), DOOR, DENT).values())
    assert kinds.keys() == {"wrong_class", "shifted", "missing", "spurious"}
    assert min(kinds.values()) > 20


def test_an_image_that_was_not_searched_for_everything_gets_no_object_too_many() -> None:
    kinds = Counter(planted.probe.kind for planted in plant(images(100), DOOR, is_searched=False).values())
    assert kinds.keys() == {"wrong_class", "shifted", "missing"}


def test_images_without_a_box_get_no_probe() -> None:
    assert plant(images(3), DIRTY) == {}


def test_planted_prelabels_look_like_a_models() -> None:
    for planted in plant(images(20), DOOR, DIRTY).values():
        for prelabel in planted.prelabels:
            assert (prelabel.model, prelabel.stored.model, prelabel.stored.source) == (MODEL, MODEL, "auto")
            assert 0.5 <= (prelabel.stored.score or 0) <= 0.95


corners = st.tuples(st.integers(0, 40), st.integers(0, 30), st.integers(3, 24), st.integers(3, 18))


@given(boxes=st.lists(corners, min_size=1, max_size=4), seed=st.integers(0, 2**32 - 1))
def test_exactly_one_thing_is_wrong_and_the_probe_says_what(boxes: list[tuple[int, ...]], seed: int) -> None:
    truth = [LabelledObject("dent", (float(x), float(y), float(x + w), float(y + h))) for x, y, w, h in boxes]
    (planted,) = plant(images(1), *truth, DIRTY, seed=seed).values()
    probe, shown = planted.probe, [prelabel.stored for prelabel in planted.prelabels]
    as_known = [replace(one, source="manual", model=None, score=None) for one in shown]
    left = list((*truth, DIRTY))
    for one in as_known:
        if one in left and one != (probe.planted and replace(probe.planted, source="manual", model=None, score=None)):
            left.remove(one)
    assert left == [] if probe.kind == "spurious" else left == [probe.truth]
    assert len(shown) == len(truth) + 1 + {"spurious": 1, "missing": -1}.get(probe.kind, 0)
    if probe.planted:
        x1, y1, x2, y2 = probe.planted.points
        assert clip_box((x1, y1, x2 - x1, y2 - y1), 64, 48) == (x1, y1, x2 - x1, y2 - y1)


def test_a_wrong_prelabel_that_is_corrected_counts_as_a_correction() -> None:
    for planted in plant(images(60), DOOR).values():
        before = [prelabel.stored for prelabel in planted.prelabels]
        verdicts = {fate.verdict for fate in compare(before, [DOOR])}
        assert verdicts != {"accepted"}


@pytest.fixture(scope="module")
def client(shared_cvat_server) -> Iterator[Client]:
    with directly(shared_cvat_server) as client:
        yield client


@pytest.fixture
def desk(client: Client, tmp_path: Path) -> Iterator[PushDesk]:
    desk = make_desk(client, tmp_path, images=4)
    yield desk
    desk.ledger.close()


def probed(desk: PushDesk, on: list[Image], **more: float) -> Content:
    objects = {image.sha256: (DOOR,) for image in desk.images}
    return Content(objects, probes=plant(on, DOOR), **more)


def noted(desk: PushDesk) -> list[Probe]:
    return [probe for probes in desk.ledger.read_probes().values() for probe in probes]


def test_probes_are_pushed_in_place_of_what_is_known_and_noted_with_their_ids(desk: PushDesk) -> None:
    pushed = desk.push(content=probed(desk, [desk.images[1]]))
    (probe,) = noted(desk)
    assert pushed.told["probes"] == 1
    assert probe.sha256 == desk.images[1].sha256
    assert probe.planted is None or probe.planted.shape_id
    sources = [(number, one.source) for job in desk.jobs() for number, one in desk.drawn(job)]
    assert {source for number, source in sources if number == 1} <= {"auto"}
    assert {source for number, source in sources if number != 1} == {"file"}


def test_probes_are_noted_before_cvat_shows_them(desk: PushDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[int] = []
    monkeypatch.setattr("cvat.filling.replace_wire", lambda *_: known.append(len(noted(desk))) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        desk.push(content=probed(desk, list(desk.images[:2])))
    assert known == [2]


def test_control_jobs_get_no_probes(desk: PushDesk) -> None:
    pushed = desk.push(content=probed(desk, list(desk.images), control_share=1.0))
    assert (pushed.told["controls"], pushed.told["probes"], noted(desk)) == (2, 0, [])


def test_prelabelling_leaves_probed_images_and_control_jobs_alone(desk: PushDesk) -> None:
    desk.push(content=probed(desk, [desk.images[0]]))
    first, control = desk.jobs()
    before = [one for number, one in desk.drawn(first) if number == 0]
    frames = read_frames(desk.client, first.task_id, {image.sha256: image for image in desk.images})
    desk.ledger.write_controls({control.id})
    waiting = list(
        list_waiting(
            desk.client,
            desk.ledger,
            require_project(desk.client, desk.project),
            lambda task_id, names: frames.sha256,
            frozen=lambda task, sha256s: (),
        )
    )
    assert [(one.job.id, one.sha256s) for one in waiting] == [(first.id, [desk.images[1].sha256])]
    guess = [Prelabel(desk.images[1].sha256, "cleanliness_classifier@1", tag("dirty", score=0.9))]
    (one,) = waiting
    seer = {"cleanliness_classifier"}
    prelabel_job(desk.client, desk.ledger, first.id, frames, guess, sha256s=one.sha256s, models=seer)
    assert [one for number, one in desk.drawn(first) if number == 0] == before
    assert [one.category for number, one in desk.drawn(first) if number == 1] == ["damaged door", "dirty"]
    assert [one.category for _, one in desk.drawn(control)] == ["damaged door"] * 2
