import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.bundle import Bundle, BundleSpec, read_bundle, write_bundle
from training.errors import BadBundle, UndecodableImage
from training.predictors import Detector, Letterbox, Pixels, decode_image, load_predictor, suppress

CLASSES = tuple(f"class {number}" for number in range(80))
SHAPES = [(160, 160), (120, 200), (333, 210), (40, 90)]


@pytest.fixture(scope="module")
def pictures() -> list[Pixels]:
    rng = np.random.default_rng(1)
    return [
        np.kron(rng.integers(0, 255, (h // 10, w // 10, 3)), np.ones((10, 10, 1))).astype(np.uint8) for h, w in SHAPES
    ]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, pictures: list[Pixels]) -> Path:
    """A folder with a YOLO's model.onnx and expected.json: Ultralytics' rows (x1, y1, x2, y2, score, class)."""
    folder = tmp_path_factory.mktemp("reference")
    np.savez(folder / "pictures.npz", *pictures)
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_CONFIG_DIR": str(folder),
    }
    script = Path(__file__).with_name("reference_yolo.py")
    subprocess.run([sys.executable, str(script), str(folder)], env=environment, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def bundle(reference: Path) -> Bundle:
    spec = BundleSpec(
        task="detector",
        model="damage_detector",
        version="1",
        class_names=CLASSES,
        image_size=160,
        threshold=0.3,
        iou_threshold=0.6,
    )
    return read_bundle(reference, write_bundle(reference, spec, reference / "model.onnx"))


@pytest.fixture(scope="module")
def detector(bundle: Bundle) -> Detector:
    return Detector(bundle)


def test_detections_are_ultralytics_own(reference: Path, detector: Detector, pictures: list[Pixels]) -> None:
    expected = json.loads((reference / "expected.json").read_text())

    for picture, rows in zip(pictures, expected, strict=True):
        found = detector.predict(picture)
        assert len(rows) > 3
        assert [d.class_name for d in found] == [CLASSES[int(row[5])] for row in rows]
        np.testing.assert_allclose([d.bbox_xyxy for d in found], [row[:4] for row in rows], atol=0.5)
        np.testing.assert_allclose([d.score for d in found], [row[4] for row in rows], atol=1e-3)


def test_detections_lie_inside_their_picture(detector: Detector, pictures: list[Pixels]) -> None:
    for picture in pictures:
        height, width = picture.shape[:2]
        for left, top, right, bottom in (d.bbox_xyxy for d in detector.predict(picture)):
            assert 0 <= left <= right <= width
            assert 0 <= top <= bottom <= height


def test_a_batch_answers_as_its_pictures_one_by_one(detector: Detector, pictures: list[Pixels]) -> None:
    together = detector.predict_batch(pictures)

    for picture, in_batch in zip(pictures, together, strict=True):
        alone = detector.predict(picture)
        assert [d.class_name for d in alone] == [d.class_name for d in in_batch]
        np.testing.assert_allclose([d.score for d in alone], [d.score for d in in_batch], atol=1e-5)


def test_the_threshold_can_be_raised(detector: Detector, pictures: list[Pixels]) -> None:
    usual, strict = detector.predict(pictures[0]), detector.predict(pictures[0], threshold=0.5)

    assert strict == [d for d in usual if d.score > 0.5]
    assert len(strict) < len(usual)


def test_no_picture_gives_no_detections(detector: Detector) -> None:
    assert detector.predict_batch([]) == []


def test_a_graph_with_other_classes_is_refused(reference: Path, bundle: Bundle) -> None:
    spec = bundle.spec.model_copy(update={"class_names": CLASSES[:3]})
    other = read_bundle(reference, write_bundle(reference, spec, reference / "model.onnx"))

    with pytest.raises(BadBundle, match="84 output channels, 7 are needed"):
        load_predictor(other)


def test_bytes_that_are_no_graph_are_refused(tmp_path: Path, bundle: Bundle) -> None:
    (tmp_path / "text.onnx").write_bytes(b"not a graph")
    broken = read_bundle(tmp_path, write_bundle(tmp_path, bundle.spec, tmp_path / "text.onnx"))

    with pytest.raises(BadBundle, match="no usable graph"):
        load_predictor(broken)


def test_overlapping_boxes_of_other_classes_both_stay() -> None:
    rows = [(50, 50, 20, 20, 0.9, 0.0), (51, 50, 20, 20, 0.8, 0.0), (51, 50, 20, 20, 0.0, 0.7)]

    boxes_xyxy, scores, class_ids = suppress(np.array(rows, np.float32).T, 0.25, 0.6)

    assert boxes_xyxy.tolist() == [[40, 40, 60, 60], [41, 40, 61, 60]]
    assert scores.tolist() == pytest.approx([0.9, 0.7])
    assert class_ids.tolist() == [0, 1]


def test_a_letterbox_centres_on_grey() -> None:
    placed = Letterbox(size=8, height=2, width=4).place(np.zeros((2, 4, 3), np.uint8))

    assert placed[:, 0, 0].tolist() == [114, 114, 0, 0, 0, 0, 114, 114]


def test_an_image_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = BytesIO()
    Image.new("RGB", (30, 20)).save(file, "JPEG", exif=exif)

    assert decode_image(file.getvalue()).shape == (30, 20, 3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "I;16"])
def test_any_mode_becomes_rgb(mode: str) -> None:
    file = BytesIO()
    Image.new(mode, (6, 4)).save(file, "PNG")

    pixels = decode_image(file.getvalue())

    assert pixels.shape == (4, 6, 3)
    assert pixels.dtype == np.uint8


def test_a_truncated_image_is_refused() -> None:
    file = BytesIO()
    Image.effect_noise((64, 64), 50).save(file, "JPEG")

    with pytest.raises(UndecodableImage, match="are no picture"):
        decode_image(file.getvalue()[:500])
