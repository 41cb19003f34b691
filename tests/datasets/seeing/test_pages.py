"""Pages that need nothing beside them and take names from outside as text."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image as PillowImage
from pycocotools import mask

from datasets.coco import Annotation, Dataset, Image, Origin, Provenance, Rle, Tag, View, make_dataset
from datasets.merging.conflicts import Conflict
from datasets.rendering import write_rendered_cars
from datasets.seeing import (
    choose_frames,
    describe_frames,
    frames_to_json,
    statistics,
    write_frames_page,
    write_statistics_page,
)
from datasets.seeing.drawing import outline, read_thumbnail
from datasets.seeing.labels import place_labels
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY, Category, Taxonomy

HOSTILE = "\"><script>alert(1)</script>'&{{ 7 * 7 }}"
VOID = {"meta", "img", "input", "br", "link"}


class Checker(HTMLParser):
    """Notes elements, attributes' addresses, and whether all that was opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag == "img":
            assert dict(attrs)["alt"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check(path: Path) -> Checker:
    checker = Checker()
    checker.feed(path.read_text(encoding="utf-8"))
    assert checker.open == []
    assert "script" not in checker.names
    assert checker.handlers == []
    assert all(address.startswith(("data:image/", "https://")) for address in checker.addresses)
    return checker


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    return ImageStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def cars(store: ImageStore, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Rendered cars, whose pictures are in the store."""
    folder = tmp_path_factory.mktemp("cars") / "truth"
    write_rendered_cars(folder, cars=3, seed=1, size=160)
    content = json.loads((folder / "annotations.json").read_text())
    sha256_of, images = {}, []
    for entry in content["images"]:
        stored = store.write_image((folder / entry["file_name"]).read_bytes())
        sha256_of[entry["id"]] = stored.sha256
        fields = (stored.sha256, stored.file_name, stored.width, stored.height, entry["family"])
        images.append(Image(*fields, "test" if len(images) % 3 else "train", Provenance(license="CC0-1.0")))
    drawn = [Annotation(sha256_of[a["image_id"]], a["category_id"], tuple(a["bbox"])) for a in content["annotations"]]
    return make_dataset(DEFAULT_TAXONOMY, images, drawn)


@pytest.fixture
def hostile(tmp_path: Path) -> Dataset:
    """One image on which everything that comes from outside is hostile."""
    taxonomy = Taxonomy(categories=(Category(name=HOSTILE), Category(name=f"tag {HOSTILE}", kind="tag")))
    said = Provenance(page_url=f"javascript:{HOSTILE}", url=HOSTILE, author=HOSTILE, license=HOSTILE)
    view = View(HOSTILE, HOSTILE, HOSTILE, category_ids=(1,), provenance=said)
    image = Image("a" * 64, HOSTILE, 64, 48, HOSTILE, "train", said, (Tag(2),), views=(view,))
    box = Annotation(
        "a" * 64, 1, (1.0, 1.0, 9.0, 9.0), {HOSTILE: HOSTILE}, origins=(Origin(HOSTILE, HOSTILE, HOSTILE),) * 2
    )
    return make_dataset(taxonomy, [image], [box])


def pictures(path: Path) -> list[PillowImage.Image]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', path.read_text())
    return [PillowImage.open(io.BytesIO(base64.b64decode(content))) for content in found]


def test_the_statistics_page_stands_alone(cars: Dataset, tmp_path: Path) -> None:
    write_statistics_page(statistics(cars), tmp_path / "page.html", title="Rendered cars")
    checker = check(tmp_path / "page.html")
    assert checker.names.count("h2") == 7
    page = (tmp_path / "page.html").read_text()
    assert "Rendered cars" in page
    assert all(name in page for name in cars.taxonomy.names())


def test_a_page_about_nothing_is_a_page(cars: Dataset, tmp_path: Path) -> None:
    write_statistics_page(statistics(Dataset(cars.taxonomy)), tmp_path / "page.html")
    check(tmp_path / "page.html")


def test_the_same_dataset_has_the_same_page(cars: Dataset, tmp_path: Path) -> None:
    for name in ("one.html", "two.html"):
        write_statistics_page(statistics(cars), tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_hostile_names_are_text_in_statistics(hostile: Dataset, tmp_path: Path) -> None:
    write_statistics_page(statistics(hostile), tmp_path / "page.html", title=HOSTILE)
    check(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page


def test_hostile_names_are_text_under_frames(hostile: Dataset, store: ImageStore, tmp_path: Path) -> None:
    told = [Conflict("class", "a" * 64, HOSTILE, (HOSTILE,), (HOSTILE,), detail=HOSTILE)]
    groups = choose_frames(hostile, by="class")
    shown = write_frames_page(hostile, groups, store, tmp_path / "page.html", conflicts=told, title=HOSTILE)
    checker = check(tmp_path / "page.html")
    assert "a" not in checker.names  # a page that is no web page is not linked
    assert shown[0].page_url == f"javascript:{HOSTILE}"


def test_a_name_may_hold_what_utf8_cannot(store: ImageStore, taxonomy: Taxonomy, tmp_path: Path) -> None:
    dataset = make_dataset(taxonomy, [Image("a" * 64, "\udcff.jpg", 64, 48, "car \udcff")], [])
    write_frames_page(dataset, choose_frames(dataset), store, tmp_path / "page.html")
    check(tmp_path / "page.html")


def test_frames_are_shown_with_what_is_on_them(cars: Dataset, store: ImageStore, tmp_path: Path) -> None:
    shown = write_frames_page(cars, choose_frames(cars, number=4), store, tmp_path / "page.html")
    check(tmp_path / "page.html")
    assert len(pictures(tmp_path / "page.html")) == len(shown) == 4
    for one in shown:
        assert sum(one.objects.values()) == len(cars.annotations_of[one.sha256])
        assert (one.licenses, one.problem) == (("CC0-1.0",), None)


def test_what_is_shown_is_json(cars: Dataset, store: ImageStore, tmp_path: Path) -> None:
    groups = choose_frames(cars, by="split")
    shown = write_frames_page(cars, groups, store, tmp_path / "page.html")
    assert describe_frames(cars, groups, store) == shown
    assert json.loads(msgspec.json.encode(frames_to_json(shown)))[0]["group"] == "train"


def test_missing_and_broken_pictures_are_told(taxonomy: Taxonomy, tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "folder.jpg").mkdir()
    names = ("absent.jpg", "broken.jpg", "folder.jpg")
    images = [Image(letter * 64, name, 64, 48, "car") for letter, name in zip("abc", names, strict=True)]
    dataset = make_dataset(taxonomy, images, [Annotation("a" * 64, 1, (1.0, 1.0, 9.0, 9.0))])
    shown = write_frames_page(dataset, choose_frames(dataset), store, tmp_path / "page.html")
    check(tmp_path / "page.html")
    problems = {one.file_name: one.problem or "" for one in shown}
    assert problems["absent.jpg"] == "not in the store"
    assert problems["broken.jpg"].startswith("no image that is JPEG")
    assert problems["folder.jpg"].startswith("not a whole image")
    assert "3 have no picture here" in (tmp_path / "page.html").read_text()


def test_pictures_are_upright_as_boxes_are(taxonomy: Taxonomy, tmp_path: Path) -> None:
    pixels = np.zeros((60, 100, 3), np.uint8)
    pixels[:, 90:] = 255  # the raw picture's right edge is the upright one's bottom
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    content = io.BytesIO()
    PillowImage.fromarray(pixels).save(content, "JPEG", exif=exif)
    stored = ImageStore(tmp_path).write_image(content.getvalue())
    image = Image(stored.sha256, stored.file_name, stored.width, stored.height, "car")
    dataset = make_dataset(taxonomy, [image], [])
    write_frames_page(dataset, choose_frames(dataset), ImageStore(tmp_path), tmp_path / "page.html")
    (picture,) = pictures(tmp_path / "page.html")
    assert picture.size == (60, 100)
    assert picture.convert("L").getpixel((30, 97)) > 200
    assert picture.convert("L").getpixel((30, 3)) < 50


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1", "I;16"])
def test_any_kind_of_pixels_can_be_shown(mode: str, tmp_path: Path) -> None:
    if mode == "I;16":
        picture = PillowImage.fromarray(np.full((30, 40), 65535, np.uint16))
    else:
        picture = PillowImage.new("RGB", (40, 30), "white").convert(mode)
    path = tmp_path / "picture"
    picture.save(path, "TIFF" if mode == "CMYK" else "PNG")
    small = PillowImage.open(io.BytesIO(read_thumbnail(path, side=20)))
    assert (small.format, small.mode, small.size) == ("JPEG", "RGB", (20, 15))
    assert min(small.getpixel((10, 7))) > 250


def test_a_mask_is_drawn_with_its_holes() -> None:
    ring = np.zeros((40, 60), np.uint8)
    ring[5:35, 10:50] = 1
    ring[15:25, 20:40] = 0
    encoded = mask.encode(np.asfortranarray(ring))
    rle = Rle((40, 60), encoded["counts"].decode())
    drawn = outline(Annotation("a" * 64, 1, (10.0, 5.0, 40.0, 30.0), segmentation=rle))
    outer, inner = (np.array(re.findall(r"[\d.]+", path), float).reshape(-1, 2) for path in drawn.paths.split("Z")[:2])
    assert [*outer.min(0), *outer.max(0)] == [10.5, 5.5, 49.5, 34.5]
    assert np.abs(inner.min(0) - (20, 15)).max() <= 1


def test_a_large_mask_is_drawn_in_place() -> None:
    whole = np.zeros((3000, 2000), np.uint8)
    whole[1000:2000, 500:1500] = 1
    rle = Rle((3000, 2000), mask.encode(np.asfortranarray(whole))["counts"].decode())
    drawn = outline(Annotation("a" * 64, 1, (500.0, 1000.0, 1000.0, 1000.0), segmentation=rle))
    points = np.array(re.findall(r"[\d.]+", drawn.paths), float).reshape(-1, 2)
    assert np.abs(np.array([*points.min(0), *points.max(0)]) - (500, 1000, 1500, 2000)).max() <= 4


@pytest.mark.parametrize("counts", ["", "0", "oooooooooo", "PPP", "1111"])
def test_a_broken_mask_leaves_the_box(counts: str) -> None:
    drawn = outline(Annotation("a" * 64, 1, (0.0, 0.0, 9.0, 9.0), segmentation=Rle((40, 60), counts)))
    assert (drawn.paths, drawn.box) == ("", (0.0, 0.0, 9.0, 9.0))


@pytest.mark.parametrize(("rotation", "degrees"), [("30.5", 30.5), ("", 0), ("nan", 0), ("inf", 0), ("x", 0)])
def test_a_turned_box_is_drawn_turned(rotation: str, degrees: float) -> None:
    drawn = outline(Annotation("a" * 64, 1, (0.0, 0.0, 9.0, 9.0), {"rotation": rotation}))
    assert drawn.degrees == degrees


def test_many_frames_stay_a_small_page(store: ImageStore, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 1200, 3), dtype=np.uint8)
    path = tmp_path / "noise.jpg"
    PillowImage.fromarray(noise).save(path)
    assert 48 * len(read_thumbnail(path, side=480)) * 4 / 3 < 10e6


def test_names_do_not_hide_each_other() -> None:
    placed = place_labels([("damaged door", (10.0, 10.0, 50.0, 50.0))] * 3, width=640, height=480)
    assert not any(one.hides(other) for one, other in combinations(placed, 2))
    assert all(label.x >= 0 and label.x + label.width <= 640 and label.letters <= label.y <= 480 for label in placed)
