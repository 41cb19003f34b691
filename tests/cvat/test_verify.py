"""The round-trip certificate: what comes back is what was pushed, and what does not is told."""

import io
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from cvat_sdk import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import ExifTags
from PIL import Image as PillowImage

from cvat.client import Credentials, call, connect
from cvat.errors import CvatAbsent
from cvat.labels import read_labels
from cvat.project import find_project, push_project, require_project
from cvat.settings import CvatSettings
from cvat.verify import Objects, Scratch, compare_tasks, round_trip, scratch_project, verify_dataset
from cvat.verify_tracks import compare_tracks, make_tracks
from datasets.coco import Annotation, Dataset, Image, Provenance, Tag, make_dataset
from datasets.labelled import Kind, LabelledObject
from datasets.snapshot_comparison import Difference
from datasets.store import ImageStore
from datasets.taxonomy import Attribute, Category, Element, Taxonomy

_ATTRIBUTES = (
    Attribute(name="Ort", type="select", values=("vorn", "hinten", "日本"), default="vorn"),
    Attribute(name="alt", type="checkbox"),
    Attribute(name="size", type="number", values=("0", "100", "5")),
    Attribute(name="note", mutable=True),
)
_KINDS: tuple[Kind, ...] = ("rectangle", "ellipse", "polygon", "polyline", "points", "mask", "cuboid", "tag")
_ELEMENTS = (Element(name="hinge", x=10, y=10, attributes=_ATTRIBUTES[3:]), Element(name="Griff ü", x=90, y=50))
TAXONOMY = Taxonomy(
    categories=(
        *(Category(name=f"{kind} Ä", kind=kind, attributes=_ATTRIBUTES) for kind in _KINDS),
        Category(name="anything", kind="any"),
        Category(name="door", kind="skeleton", elements=_ELEMENTS, edges=(("hinge", "Griff ü"),)),
    )
)
NAMES = ("https://cars.example/b/deep/two.png", "https://cars.example/a b/%C3%A9t%C3%A9/日本 é.jpg", None)

# CVAT trims the values of attributes, and its database takes no NUL.
texts = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=20)
coordinates = st.floats(-20, 9000, width=32).map(lambda value: round(value, 3))
sides = st.one_of(st.integers(1, 64), st.just(8000))


def points_of(least: int, most: int = 8) -> st.SearchStrategy[tuple[float, ...]]:
    return st.integers(least, most).flatmap(lambda count: st.tuples(*[coordinates] * (2 * count)))


@st.composite
def masks(draw: st.DrawFn) -> tuple[float, ...]:
    """Some runs of pixels, off and on in turns, that fill a small box."""
    left, top, width, height = (draw(st.integers(least, least + 5)) for least in (0, 20, 1, 1))
    ends = sorted(draw(st.sets(st.integers(1, width * height), max_size=6)) | {0, width * height})
    runs = [end - start for start, end in pairwise(ends)]
    begins_on = len(runs) == 1 or draw(st.booleans())
    return (*([0.0] if begins_on else []), *runs, left, top, left + width - 1, top + height - 1)


_POINTS: dict[str, st.SearchStrategy[tuple[float, ...]]] = {
    "rectangle": points_of(2, 2),
    "ellipse": points_of(2, 2),
    "polygon": points_of(3),
    "polyline": points_of(2),
    "points": points_of(1),
    "mask": masks(),
    "cuboid": points_of(8, 8),
    "tag": st.just(()),
}


@st.composite
def values(draw: st.DrawFn) -> dict[str, str]:
    every = {
        "Ort": draw(st.sampled_from(_ATTRIBUTES[0].values)),
        "alt": draw(st.sampled_from(["true", "false"])),
        "size": str(5 * draw(st.integers(0, 20))),
        "note": draw(texts),
    }
    return {name: value for name, value in every.items() if draw(st.booleans())}


@st.composite
def shapes(draw: st.DrawFn) -> LabelledObject:
    kind = draw(st.sampled_from(_KINDS))
    is_predicted = draw(st.booleans())
    drawn = LabelledObject(
        f"{kind} Ä",
        points=draw(_POINTS[kind]),
        kind=kind,
        attributes=draw(values()),
        group=draw(st.integers(0, 3)),
        source=draw(st.sampled_from(["manual", "auto", "semi-auto", "file"])),
        model="damage_detector@1" if is_predicted else None,
        score=draw(st.integers(0, 100)) / 100 if is_predicted else None,
    )
    if kind == "tag":
        return drawn
    turn = draw(st.floats(0, 359.9).map(lambda angle: round(angle, 2))) if kind in ("rectangle", "ellipse") else 0.0
    return replace(drawn, rotation=turn, occluded=draw(st.booleans()), z_order=draw(st.integers(-3, 3)))


@st.composite
def skeletons(draw: st.DrawFn) -> LabelledObject:
    parts = draw(st.lists(st.sampled_from(_ELEMENTS), min_size=1, unique_by=lambda element: element.name))
    elements = tuple(
        LabelledObject(
            part.name,
            draw(points_of(1, 1)),
            kind="points",
            occluded=draw(st.booleans()),
            outside=draw(st.booleans()),
            attributes={"note": draw(texts)} if part.attributes else {},
        )
        for part in parts
    )
    return LabelledObject("door", kind="skeleton", elements=elements)


objects = st.lists(st.one_of(shapes(), skeletons()), max_size=8)
pictures = st.tuples(sides, sides).filter(lambda size: size[0] * size[1] <= 8000 * 64)
photographs = st.lists(st.tuples(pictures, st.integers(1, 8), st.sampled_from(NAMES), objects), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def client(shared_cvat_server) -> Iterator[Client]:
    credentials = Credentials(shared_cvat_server.user, shared_cvat_server.password)
    with connect(shared_cvat_server.url, credentials) as client:
        yield client


@pytest.fixture
def scratch(client: Client, tmp_path: Path) -> Iterator[Scratch]:
    settings = CvatSettings(project=f"scratch {uuid4().hex}", segment_size=3, overlap=1, task_size=4)
    scratch = Scratch(client, TAXONOMY, ImageStore(tmp_path / "store"), settings)
    with scratch_project(scratch):
        yield scratch


def photograph(
    store: ImageStore, size: tuple[int, int], *, orientation: int = 1, url: str | None = None, number: int = 0
) -> Image:
    """One colour, and its number; as a JPEG where EXIF says to turn it."""
    content, exif = io.BytesIO(), PillowImage.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.ImageDescription] = str(number)
    picture = PillowImage.new("L", size, 90)
    picture.save(content, "PNG" if orientation == 1 else "JPEG", exif=exif)
    stored = store.write_image(content.getvalue())
    family = f"{url or 'Käfer'} {number}"
    return Image(stored.sha256, stored.file_name, stored.width, stored.height, family, source=Provenance(url=url))


def differences(scratch: Scratch, images: list[Image], wanted: Objects, expected: Objects) -> list[Difference]:
    tasks, labels = round_trip(scratch, images, wanted)
    return list(compare_tasks(scratch, images, expected, tasks, labels))


@settings(
    max_examples=settings().max_examples // 5,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking would ask a server a thousand times
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=photographs)
def test_what_is_pushed_is_what_is_pulled(scratch: Scratch, drawn) -> None:
    images = [
        photograph(scratch.store, size, orientation=orientation, url=url, number=number)
        for number, (size, orientation, url, _) in enumerate(drawn)
    ]
    wanted = {image.sha256: labelled for image, (_, _, _, labelled) in zip(images, drawn, strict=True)}
    with scratch_project(scratch):
        assert differences(scratch, images, wanted, wanted) == []


def test_64_megapixels_come_back(scratch: Scratch) -> None:
    image = photograph(scratch.store, (8000, 8000))
    wanted = {image.sha256: [LabelledObject("rectangle Ä", (0.01, 0.01, 7999.99, 7999.99))]}
    assert differences(scratch, [image], wanted, wanted) == []


DENT = LabelledObject("rectangle Ä", (1.0, 2.0, 30.0, 40.0), attributes={"Ort": "vorn"})


def test_a_moved_box_is_told(scratch: Scratch) -> None:
    image = photograph(scratch.store, (64, 48))
    moved = replace(DENT, points=(1.0, 2.0, 30.0, 40.02))
    (found,) = differences(scratch, [image], {image.sha256: [DENT]}, {image.sha256: [moved]})
    assert (found.what, found.after) == ("points", "(1, 2, 30, 40)")


def dataset_of(image: Image, *annotations: Annotation, tags: tuple[Tag, ...] = ()) -> Dataset:
    return make_dataset(TAXONOMY, [replace(image, tags=tags)], annotations)


def test_a_dataset_comes_back_as_it_was(scratch: Scratch) -> None:
    image = photograph(scratch.store, (64, 48), orientation=6)
    box, polygon, mask, tag = (TAXONOMY.category_id(f"{kind} Ä") for kind in ("rectangle", "polygon", "mask", "tag"))
    ring = (1.0, 1.0, 20.0, 1.0, 10.0, 20.0)
    hole = (30.0, 30.0, 40.0, 30.0, 40.0, 40.0)
    square = (5.0, 5.0, 9.0, 5.0, 9.0, 9.0, 5.0, 9.0)
    dataset = dataset_of(
        image,
        Annotation(image.sha256, box, (1.25, 2, 30, 40), {"rotation": "33.3", "occluded": "true"}, source="file"),
        Annotation(image.sha256, box, (3, 2, 30, 40), {"note": "Ä"}, score=0.87, source="auto"),
        Annotation(image.sha256, polygon, (1, 1, 39, 39), segmentation=(ring, hole)),
        Annotation(image.sha256, mask, (5, 5, 4, 4), segmentation=(square,)),
        tags=(Tag(tag, {"Ort": "hinten"}),),
    )
    assert verify_dataset(scratch, dataset) == []


def test_what_cannot_be_drawn_in_its_class_is_told(scratch: Scratch) -> None:
    image = photograph(scratch.store, (64, 48))
    line = Annotation(image.sha256, TAXONOMY.category_id("polyline Ä"), (1, 2, 30, 40))
    (found,) = verify_dataset(scratch, dataset_of(image, line))
    assert (found.what, found.before, found.after) == ("objects", "1 of class 'polyline Ä'", None)


def test_tracks_of_every_kind_come_back(scratch: Scratch) -> None:
    images = [photograph(scratch.store, (64, 48), number=number) for number in range(4)]
    round_trip(scratch, images, {})
    project_id = require_project(scratch.client, scratch.settings.project)
    made = make_tracks(read_labels(scratch.client, "project_id", project_id), range(3))
    kinds = {key.shape.kind for track in made for key in track.key_frames}
    assert kinds == {*_KINDS, "skeleton"} - {"tag", "mask"}
    assert {len(track.key_frames) for track in made} == {3}
    assert list(compare_tracks(scratch.client, project_id)) == []


@pytest.mark.parametrize("frames", [1, 2])
def test_tracks_of_few_frames_come_back(scratch: Scratch, frames: int) -> None:
    images = [photograph(scratch.store, (64, 48), number=number) for number in range(frames)]
    round_trip(scratch, images, {})
    assert list(compare_tracks(scratch.client, require_project(scratch.client, scratch.settings.project))) == []


def test_a_track_that_is_lost_is_told(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvat.verify_tracks.change_wire", lambda *_: None)
    found = verify_dataset(scratch, dataset_of(photograph(scratch.store, (64, 48))))
    assert {(one.what, one.after) for one in found} == {("track", None)}


def test_an_attribute_that_the_label_lacks_is_told(scratch: Scratch) -> None:
    image = photograph(scratch.store, (64, 48))
    box = Annotation(image.sha256, TAXONOMY.category_id("rectangle Ä"), (1, 2, 30, 40), {"colour": "red"})
    assert {found.what for found in verify_dataset(scratch, dataset_of(image, box))} == {"attribute 'colour'"}


def test_the_scratch_project_is_removed_whatever_happens(scratch: Scratch) -> None:
    with suppress(CvatAbsent), scratch_project(scratch):
        push_project(scratch.client, scratch.settings.project, TAXONOMY)
        call(scratch.client, "GET", "/api/tasks/0")
    assert find_project(scratch.client, scratch.settings.project) is None


def test_what_a_killed_verification_left_is_removed_first(scratch: Scratch) -> None:
    for _ in range(2):
        push_project(scratch.client, scratch.settings.project, TAXONOMY)
    with scratch_project(scratch, keep=True):
        assert find_project(scratch.client, scratch.settings.project) is None
