"""Plates and faces made unreadable, on drawn plates."""

import io
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from PIL import Image as PillowImage

from datasets.blurring.deriving import blurred, derive
from datasets.blurring.finding import Boxes, Pixels, grown, load_finder
from datasets.blurring.ledger import Derived, read_derived, read_searched, write_searched
from datasets.blurring.replacing import conflicts_with_derived, snapshot_with_derived, with_derived
from datasets.blurring.settings import BlurSettings
from datasets.coco import Annotation, Image, Origin, View, from_records, make_dataset, to_records
from datasets.errors import BadDataset, BadInput
from datasets.merging.conflicts import Conflict
from datasets.records import Copy, Shape
from datasets.snapshot import Frame, Snapshot, TaskSnapshot
from datasets.taxonomy import DEFAULT_TAXONOMY
from tests.datasets.blurring.plates import PLATE_XYXY, encoded, plate

OLD, NEW, COPY, OTHER = "a" * 64, "b" * 64, "c" * 64, "d" * 64
DERIVED = {OLD: Derived(NEW, f"images/bb/{NEW}.jpg", 100, 80, ((10, 10, 30, 20),))}
CASCADES = BlurSettings(plates="cascade", faces="none")


def find_left_half(pixels: Pixels) -> Boxes:
    return np.array([[0, 0, pixels.shape[1] // 2, pixels.shape[0]]])


def find_nothing(pixels: Pixels) -> Boxes:
    return np.empty((0, 4), np.int64)


def test_a_plate_is_found_where_it_is_and_nothing_on_a_plain_wall() -> None:
    find = load_finder(CASCADES)
    (box,) = find(plate())
    overlap = [min(box[2], PLATE_XYXY[2]) - max(box[0], PLATE_XYXY[0]), min(box[3], 132) - max(box[1], 100)]
    assert overlap[0] * overlap[1] > 0.9 * (PLATE_XYXY[2] - PLATE_XYXY[0]) * 32
    assert find(np.full((200, 300, 3), 90, np.uint8)).shape == (0, 4)


def test_a_large_picture_is_searched_in_a_smaller_size_and_told_in_its_own() -> None:
    large = cv2.resize(plate(), None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    (box,) = load_finder(CASCADES.model_copy(update={"longest_side": 320}))(np.asarray(large, np.uint8))
    assert box.tolist() == pytest.approx([4 * value for value in load_finder(CASCADES)(plate())[0]], abs=12)


def test_boxes_grow_by_their_shorter_side_and_stay_inside() -> None:
    boxes = np.array([[10.2, 10, 50, 30], [0, 0, 5, 5], [200, 200, 210, 210]])
    assert grown(boxes, width=100, height=80, margin=0.5).tolist() == [[0, 0, 60, 40], [0, 0, 8, 8]]


def test_a_region_keeps_three_cells_across_and_all_else_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    made = blurred(pixels, np.array([[30, 20, 60, 32]]))
    changed = (made != pixels).any(axis=2)
    changed[20:32, 30:60] = False
    assert not changed.any()
    assert made[20:32, 30:60].std() < 0.35 * pixels[20:32, 30:60].std()


def test_letters_of_a_plate_are_gone() -> None:
    x1, y1, x2, y2 = PLATE_XYXY
    before, after = (
        picture[y1:y2, x1:x2, 0].astype(int) for picture in (plate(), blurred(plate(), np.array([PLATE_XYXY])))
    )
    assert np.abs(np.diff(before)).max() > 100
    assert np.abs(np.diff(after)).max() < 20


def test_a_photograph_is_made_upright_and_loses_its_exif() -> None:
    exif = PillowImage.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    content = io.BytesIO()
    PillowImage.fromarray(plate()).save(content, "JPEG", exif=exif)
    made = derive(content.getvalue(), find_left_half)
    assert made is not None
    with PillowImage.open(io.BytesIO(made[0])) as picture:
        assert (picture.format, picture.size, dict(picture.getexif())) == ("JPEG", (240, 320), {})
    assert derive(content.getvalue(), find_left_half)[0] == made[0]  # type: ignore[index]


def test_what_is_no_jpeg_becomes_a_png_and_what_has_nothing_stays() -> None:
    made = derive(encoded(plate(), "WEBP"), find_left_half)
    assert made is not None
    assert made[0].startswith(b"\x89PNG")
    assert derive(encoded(plate()), find_nothing) is None


def test_a_network_that_is_absent_or_another_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="face_model: is None; give the"):
        load_finder(BlurSettings(plates="none", faces="yunet"))
    path = tmp_path / "yunet.onnx"
    path.write_bytes(b"another")
    with pytest.raises(BadInput, match="fetch the right file"):
        load_finder(BlurSettings(plates="none", faces="yunet", face_model=path, face_model_sha256="0" * 64))


def test_text_is_found_but_for_dates() -> None:
    pytest.importorskip("rapidocr")
    picture = plate()
    cv2.putText(picture, "01.04.2017", (60, 220), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (250, 250, 250), 1, cv2.LINE_AA)
    (box,) = load_finder(BlurSettings(faces="none"))(picture)
    assert box[1] < 116 < box[3]


def test_what_decides_about_pixels_makes_the_key_and_nothing_else() -> None:
    settings = BlurSettings()
    assert settings.model_copy(update={"enabled": True, "face_model": Path("here")}).key == settings.key
    assert settings.model_copy(update={"margin": 0.2}).key != settings.key


def test_the_ledger_keeps_what_was_remembered_first(tmp_path: Path) -> None:
    write_searched(tmp_path, CASCADES, {OLD: DERIVED[OLD]})
    write_searched(tmp_path, CASCADES, {OLD: None, OTHER: None})
    assert read_searched(tmp_path, CASCADES).images == {OLD: DERIVED[OLD], OTHER: None}
    assert read_searched(tmp_path, BlurSettings()).images == {}
    assert read_derived(tmp_path) == {NEW: OLD}
    (tmp_path / f"{CASCADES.key}.json").write_text('{"how": 1}')
    with pytest.raises(BadDataset, match="restore it from a backup"):
        read_searched(tmp_path, CASCADES)


def test_a_derived_image_takes_the_place_of_its_original_with_all_that_is_known() -> None:
    image = Image(
        OLD,
        f"images/aa/{OLD}.jpg",
        100,
        80,
        family="car",
        split="test",
        copies=(Copy(COPY, "copy.jpg", 50, 40),),
        views=(View("one", "a.jpg", "car", sha256=COPY),),
        neg_category_ids=(2,),
    )
    near = Image(OTHER, f"images/dd/{OTHER}.jpg", 100, 80, family="car", near=(OLD,))
    origin = Origin("one", "7", shape=Shape(COPY, 1, (5, 5, 10, 10)))
    drawn = Annotation(OLD, 1, (10, 10, 20, 20), origins=(origin,))
    content = to_records(make_dataset(DEFAULT_TAXONOMY, [image, near], [drawn]))
    made = from_records(with_derived(content, DERIVED), DEFAULT_TAXONOMY)
    new = made.by_sha256[NEW]
    assert (new.derived_from, new.file_name, new.family, new.split) == (OLD, DERIVED[OLD].file_name, "car", "test")
    assert (new.neg_category_ids, new.copies, new.views[0].sha256) == ((2,), (), None)
    assert made.by_sha256[OTHER].near == (NEW,)
    (annotation,) = made.annotations
    assert (annotation.sha256, annotation.bbox_xywh) == (NEW, (10, 10, 20, 20))
    assert annotation.origins == (Origin("one", "7"),)


def test_conflicts_and_snapshots_are_about_the_derived_images() -> None:
    conflict = Conflict("place", OLD, "old.jpg", ("dent",))
    assert conflicts_with_derived([conflict], DERIVED) == [
        msgspec.structs.replace(conflict, sha256=NEW, file_name=DERIVED[OLD].file_name)
    ]
    frames = (Frame(0, "a", OLD, 100, 80), Frame(1, "b", OTHER, 100, 80))
    (task,) = snapshot_with_derived(Snapshot(tasks=(TaskSnapshot("t", "", frames),)), DERIVED).tasks
    assert [frame.sha256 for frame in task.frames] == [NEW, OTHER]
