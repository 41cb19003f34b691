import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import openvino
import pytest

from datasets.coco import Annotation, Image, make_dataset
from datasets.crops import mask_of_crop
from datasets.rle import encode_mask
from datasets.taxonomy import Category, Taxonomy
from training.bundle import Bundle, BundleSpec, read_bundle, write_bundle
from training.errors import BadBundle, NoSuchPrecision, TamperedBundle
from training.evaluate import predict_subject
from training.evaluation.scores import DetectorScores, scores_of
from training.predictors import Detection, Detector, Pixels, load_predictor

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
    """A folder with YOLOs' graphs and what Ultralytics sees: rows (x1, y1, x2, y2, score, class), and masks."""
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


SPEC = BundleSpec(
    task="detector",
    model="damage_detector",
    version="1",
    class_names=CLASSES,
    image_size=160,
    threshold=0.3,
    iou_threshold=0.6,
)


@pytest.fixture(scope="module")
def bundle(reference: Path) -> Bundle:
    return read_bundle(reference, write_bundle(reference, SPEC, reference / "model.onnx"))


@pytest.fixture(scope="module")
def detector(bundle: Bundle) -> Detector:
    return Detector(bundle)


@pytest.fixture(scope="module")
def segmenter(reference: Path) -> Detector:
    return Detector(read_bundle(reference, write_bundle(reference, SPEC, reference / "segments.onnx")))


def assert_same(found: list[Detection], expected: list[Detection]) -> None:
    assert [d.class_name for d in found] == [d.class_name for d in expected]
    np.testing.assert_allclose([d.bbox_xyxy for d in found], [d.bbox_xyxy for d in expected], atol=0.5)
    np.testing.assert_allclose([d.score for d in found], [d.score for d in expected], atol=1e-3)


def whole_mask(found: Detection, picture: Pixels) -> np.ndarray:
    assert found.mask is not None
    whole = np.zeros(picture.shape[:2], bool)
    height, width = found.mask.pixels.shape
    whole[found.mask.top : found.mask.top + height, found.mask.left : found.mask.left + width] = found.mask.pixels
    return whole


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


def test_masks_are_ultralytics_own(reference: Path, segmenter: Detector, pictures: list[Pixels]) -> None:
    boxes = json.loads((reference / "segments.json").read_text())
    masks = list(np.load(reference / "masks.npz").values())

    for picture, rows, expected in zip(pictures, boxes, masks, strict=True):
        found = segmenter.predict(picture)
        assert [d.class_name for d in found] == [CLASSES[int(row[5])] for row in rows]
        np.testing.assert_allclose([d.bbox_xyxy for d in found], [row[:4] for row in rows], atol=0.5)
        differing = np.mean([whole_mask(d, picture) != mask for d, mask in zip(found, expected, strict=True)])
        square = picture.shape[0] == picture.shape[1]  # others are scaled by whole prototypes there, by pixels here
        assert differing < (1e-4 if square else 0.015)


def test_masks_lie_inside_their_boxes(segmenter: Detector, pictures: list[Pixels]) -> None:
    for found in segmenter.predict(pictures[2]):
        rows, columns = np.nonzero(whole_mask(found, pictures[2]))
        left, top, right, bottom = found.bbox_xyxy
        assert left <= columns.min() <= columns.max() < right
        assert top <= rows.min() <= rows.max() < bottom


def test_a_segmentation_graph_is_evaluated_by_masks_too(
    segmenter: Detector, pictures: list[Pixels], tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), pictures[0][..., ::-1])
    taxonomy = Taxonomy(categories=tuple(Category(name=name) for name in CLASSES))
    height, width = pictures[0].shape[:2]
    image = Image("a" * 64, "a.png", width, height, family="a", neg_category_ids=tuple(taxonomy.ids()))
    objects = [_as_truth(one, image, taxonomy) for one in segmenter.predict(pictures[0])]

    subject = predict_subject(segmenter.bundle, make_dataset(taxonomy, [image], objects), tmp_path, test_set="t" * 64)

    scores = scores_of(subject.evaluation())
    assert isinstance(scores, DetectorScores)
    assert (scores.map50_95, scores.mask_map50_95) == pytest.approx((1, 1))


def _as_truth(found: Detection, image: Image, taxonomy: Taxonomy) -> Annotation:
    assert found.mask is not None
    left, top, right, bottom = found.bbox_xyxy
    outline = encode_mask(mask_of_crop(found.mask, image.width, image.height))
    category_id = taxonomy.category_id(found.class_name)
    return Annotation(image.sha256, category_id, (left, top, right - left, bottom - top), segmentation=outline)


@pytest.mark.parametrize("kind", ["detector", "segmenter"])
def test_one_by_one_in_a_batch_and_in_a_stream_are_the_same(
    kind: str, pictures: list[Pixels], request: pytest.FixtureRequest
) -> None:
    predictor: Detector = request.getfixturevalue(kind)
    batch = predictor.predict_batch(pictures)
    stream = dict(predictor.predict_stream(zip("abcd", pictures, strict=True)))

    assert list(stream) == list("abcd")
    for picture, in_batch, in_stream in zip(pictures, batch, stream.values(), strict=True):
        alone = predictor.predict(picture)
        assert_same(in_batch, alone)
        assert_same(in_stream, alone)


def test_a_stream_holds_few_pictures_and_may_be_left(detector: Detector, pictures: list[Pixels]) -> None:
    asked: list[int] = []

    def endless() -> Iterator[tuple[int, Pixels]]:
        while True:
            asked.append(len(asked))
            yield asked[-1], pictures[asked[-1] % 4]

    stream = detector.predict_stream(endless())
    keys = [next(stream)[0] for _ in range(20)]
    stream.close()

    assert keys == list(range(20))
    assert len(asked) <= 20 + 2 * 2 * (os.cpu_count() or 1)


def test_a_letterbox_at_hand_is_used(detector: Detector, pictures: list[Pixels]) -> None:
    other = np.full((160, 160, 3), 114, np.uint8)

    assert detector.predict(pictures[0], square=pictures[0]) == detector.predict(pictures[0])
    assert detector.predict(pictures[0], square=other) == detector.predict(other)


def test_a_class_may_have_its_own_threshold(reference: Path, detector: Detector, pictures: list[Pixels]) -> None:
    usual = detector.predict(pictures[0])
    name = usual[len(usual) // 2].class_name
    spec = SPEC.model_copy(update={"thresholds": {name: 1.0}})
    strict = Detector(read_bundle(reference, write_bundle(reference, spec, reference / "model.onnx")))

    assert strict.predict(pictures[0]) == [d for d in usual if d.class_name != name]
    assert strict.predict(pictures[0], threshold=0.3) == usual


@pytest.mark.parametrize("precision", ["bf16", "auto"])
def test_a_precision_is_taken_where_the_machine_has_it(
    bundle: Bundle, detector: Detector, pictures: list[Pixels], precision: str
) -> None:
    has_bf16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and not has_bf16:
        with pytest.raises(NoSuchPrecision, match="choose f32"):
            load_predictor(bundle, precision="bf16")
        return
    found = load_predictor(bundle, precision=precision).predict(pictures[0])
    if has_bf16:
        assert len(found) == pytest.approx(len(detector.predict(pictures[0])), rel=0.2)
    else:
        assert found == detector.predict(pictures[0])


def test_a_graph_changed_since_it_was_checked_is_refused(tmp_path: Path, reference: Path, bundle: Bundle) -> None:
    checked = read_bundle(tmp_path, write_bundle(tmp_path, bundle.spec, reference / "model.onnx"))
    checked.model_path.write_bytes((reference / "segments.onnx").read_bytes())

    with pytest.raises(TamperedBundle, match=r"model\.onnx has SHA-256"):
        load_predictor(checked)


def test_a_graph_of_another_task_is_refused(reference: Path, bundle: Bundle) -> None:
    spec = bundle.spec.model_copy(update={"task": "classifier"})
    other = read_bundle(reference, write_bundle(reference, spec, reference / "model.onnx"))

    with pytest.raises(BadBundle, match="which no classifier has"):
        load_predictor(other)


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
