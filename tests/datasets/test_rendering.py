"""Rendered cars: the same from the same numbers, labelled where the damage is, readable as COCO."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from datasets.errors import BadInput
from datasets.files import read_json
from datasets.rendering import RenderedFrame, render_car, write_rendered_cars
from datasets.rendering.body import BODIES, VIEWS, parts_of
from datasets.rendering.canvas import Camera, Canvas
from datasets.rendering.damages import DRAW
from datasets.rendering.geometry import Outline
from datasets.rendering.plan import MOST_PER_FRAME, SPOTS, plan_car
from datasets.rendering.write import to_jpeg
from datasets.taxonomy import DEFAULT_TAXONOMY

SIZE = 224


@pytest.fixture(scope="module")
def frames() -> list[RenderedFrame]:
    return [frame for number in range(50) for frame in render_car(number, seed=0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rendered") / "cars"
    write_rendered_cars(path, cars=4, seed=3, size=96)
    return path


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_arguments_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_rendered_cars(tmp_path / "again", cars=4, seed=3, size=96)
    assert files_of(tmp_path / "again") == files_of(folder)


def test_a_car_is_the_same_whatever_number_of_cars_is_asked_for(folder: Path, tmp_path: Path) -> None:
    write_rendered_cars(tmp_path / "fewer", cars=2, seed=3, size=96)
    fewer, more = files_of(tmp_path / "fewer" / "images"), files_of(folder / "images")
    assert fewer
    assert fewer.items() <= more.items()


def test_another_seed_gives_other_cars() -> None:
    first, second = render_car(0, seed=0)[0], render_car(0, seed=1)[0]
    assert to_jpeg(first) != to_jpeg(second)


def test_the_global_random_state_has_no_part_in_it() -> None:
    np.random.seed(1)
    first = [to_jpeg(frame) for frame in render_car(5, seed=0)]
    np.random.seed(2)
    assert [to_jpeg(frame) for frame in render_car(5, seed=0)] == first


def test_boxes_lie_inside_the_frame_and_are_not_tiny(frames: list[RenderedFrame]) -> None:
    for frame in frames:
        for _, (x, y, width, height) in frame.boxes:
            assert min(x, y) >= 0
            assert max(x + width, y + height) <= SIZE
            assert min(width, height) >= 8


def test_boxes_grow_with_the_frame() -> None:
    small, large = (
        [frame.boxes for number in range(6) for frame in render_car(number, seed=0, size=size)]
        for size in (SIZE, 2 * SIZE)
    )
    pairs = [(one, two) for a, b in zip(small, large, strict=True) for one, two in zip(a, b, strict=True)]
    assert pairs
    for (category, bbox_xywh), (same_category, large_bbox_xywh) in pairs:
        assert category == same_category
        assert np.array(large_bbox_xywh) / 2 == pytest.approx(bbox_xywh, abs=4)


@pytest.mark.parametrize("category", DEFAULT_TAXONOMY.names("rectangle"))
def test_every_damage_shows_on_every_part_that_can_have_it(category: str) -> None:
    shown = [parts_of(view, body) for view in VIEWS for body in BODIES.values()]
    outlines = [parts[part] for parts in shown for part in SPOTS[category] if part in parts]
    assert outlines
    for part_outline in outlines:
        width, height = size_of_damage(category, part_outline)
        assert min(width, height) >= 8


def size_of_damage(category: str, part_outline: Outline) -> tuple[float, float]:
    canvas = Canvas(SIZE, Camera())
    canvas.pixels[:] = 128
    before = canvas.pixels.copy()
    DRAW[category](canvas, part_outline, (150, 30, 30), np.random.default_rng(0))
    _, _, width, height = canvas.changed_since(before) or (0, 0, 0, 0)
    return width, height


def test_a_damage_too_small_to_see_is_neither_drawn_nor_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    labelled = next(frame for n in range(20) for frame in render_car(n, seed=0) if frame.boxes)
    number = int(labelled.family.removeprefix("car-"))
    monkeypatch.setattr("datasets.rendering.render.SMALLEST_BOX", 1.0)
    bare = next(frame for frame in render_car(number, seed=0) if frame.view == labelled.view)
    _, (x, y, width, height) = labelled.boxes[0]
    rows, columns = slice(int(y), int(y + height)), slice(int(x), int(x + width))
    assert bare.boxes == ()
    assert np.abs(bare.pixels[rows, columns].astype(int) - labelled.pixels[rows, columns]).max() > 20


def test_every_class_occurs_about_equally_often(frames: list[RenderedFrame]) -> None:
    counts = Counter(category for frame in frames for category, _ in frame.boxes)
    assert set(counts) == set(DEFAULT_TAXONOMY.names("rectangle"))
    assert max(counts.values()) <= 2.5 * min(counts.values())


def test_frames_hold_none_to_four_damages_and_more_than_one_on_average(frames: list[RenderedFrame]) -> None:
    numbers = [len(frame.boxes) for frame in frames]
    assert min(numbers) == 0
    assert max(numbers) <= MOST_PER_FRAME
    assert 1.2 <= np.mean(numbers) <= 2.0


def test_some_cars_are_unharmed_and_about_half_are_dirty() -> None:
    plans = [plan_car(number, seed=0) for number in range(150)]
    assert 0.08 <= np.mean([not plan.damages for plan in plans]) <= 0.25
    assert 0.4 <= np.mean([plan.cleanliness == "dirty" for plan in plans]) <= 0.6


def test_the_frames_of_a_family_share_its_state(frames: list[RenderedFrame]) -> None:
    for family in {frame.family for frame in frames}:
        members = [frame for frame in frames if frame.family == family]
        assert 2 <= len(members) <= 3
        assert len({frame.view for frame in members}) == len(members)
        assert len({frame.cleanliness for frame in members}) == 1


def test_a_damage_shows_in_each_view_of_its_part() -> None:
    plans = (plan_car(number, seed=0) for number in range(20))
    for plan in plans:
        for frame in render_car(plan.number, seed=0):
            shown = parts_of(frame.view, plan.body)
            expected = Counter(damage.category for damage in plan.damages if damage.part in shown)
            assert Counter(category for category, _ in frame.boxes) == expected


def test_the_folder_opens_in_pycocotools_with_files_of_the_declared_sizes(folder: Path) -> None:
    coco = COCO(str(folder / "annotations.json"))
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == DEFAULT_TAXONOMY.names()
    assert coco.getAnnIds()
    for image in coco.loadImgs(coco.getImgIds()):
        height, width, _ = cv2.imread(str(folder / image["file_name"])).shape
        assert (width, height) == (image["width"], image["height"]) == (96, 96)
        assert {DEFAULT_TAXONOMY.name(tag["category_id"]) for tag in image["tags"]} <= {"clean", "dirty"}


def test_the_manifest_counts_what_is_in_the_folder(folder: Path) -> None:
    manifest, coco = read_json(folder / "manifest.json"), read_json(folder / "annotations.json")
    assert (manifest["cars"], manifest["seed"], manifest["size"]) == (4, 3, 96)
    assert manifest["images"] == len(coco["images"]) == len(list((folder / "images").iterdir()))
    assert manifest["annotations"] == len(coco["annotations"])


def test_a_complete_folder_is_left_as_it_is(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    write_rendered_cars(folder, cars=4, seed=3, size=96)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("other", [{"cars": 5}, {"seed": 4}, {"size": 128}])
def test_other_arguments_on_the_same_folder_are_refused(folder: Path, other: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="was rendered with cars 4, seed 3, size 96, not"):
        write_rendered_cars(folder, **{"cars": 4, "seed": 3, "size": 96, **other})


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no rendered cars"):
        write_rendered_cars(tmp_path, cars=1, seed=0)


@pytest.mark.parametrize("wrong", [{"cars": 0}, {"seed": -1}, {"size": 10}])
def test_arguments_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="or more"):
        write_rendered_cars(tmp_path / "cars", **{"cars": 1, "seed": 0, "size": 96, **wrong})
