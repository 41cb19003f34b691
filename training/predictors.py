"""What a published model sees in a picture. Boxes are xyxy: pixels of the upright picture, origin top left.

The one predictor core behind the Nuclio functions, the batched driver and the evaluation. OpenVINO runs the
graph in float32; letterbox and suppression are Ultralytics' (`data/augment.py: LetterBox`, `utils/nms.py`), so
a served model answers what the trained one did. Predictors may be used from several threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import openvino
from numpy.typing import NDArray
from PIL import Image, ImageOps

from training.bundle import Bundle
from training.errors import BadBundle, UndecodableImage

GREY = 114
MAX_DETECTIONS = 300
BATCH = 16

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
"""A picture: (H, W, 3) RGB, upright."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One object; `bbox_xyxy` lies inside the picture, `score` in [0, 1]."""

    class_name: str
    bbox_xyxy: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How much the whole picture looks like a class; the scores of a picture sum to 1."""

    class_name: str
    score: float


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a (height, width) picture lies on a square of `size` pixels: scaled, then moved by (left, top)."""

    size: int
    height: int
    width: int

    @property
    def scaled_hw(self) -> tuple[int, int]:
        gain = min(self.size / self.height, self.size / self.width)
        return max(round(self.height * gain), 1), max(round(self.width * gain), 1)

    @property
    def left_top(self) -> tuple[int, int]:
        height, width = self.scaled_hw
        return round((self.size - width) / 2 - 0.1), round((self.size - height) / 2 - 0.1)

    def place(self, pixels: Pixels) -> Pixels:
        """The picture centred on grey: (size, size, 3)."""
        height, width = self.scaled_hw
        left, top = self.left_top
        canvas = np.full((self.size, self.size, 3), GREY, np.uint8)
        same_size = (height, width) == pixels.shape[:2]
        scaled = pixels if same_size else cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
        canvas[top : top + height, left : left + width] = scaled
        return canvas

    def restore(self, boxes_xyxy: Floats) -> Floats:
        """(N, 4) boxes on the square as boxes on the picture, clipped to it."""
        height, width = self.scaled_hw
        left, top = self.left_top
        gain_xy = np.array([width / self.width, height / self.height] * 2, np.float32)
        restored = (boxes_xyxy - np.array([left, top] * 2, np.float32)) / gain_xy
        return restored.clip(0, np.array([self.width, self.height] * 2, np.float32))


def decode_image(content: bytes) -> Pixels:
    """The picture in an image file's bytes, turned upright by its EXIF orientation: (H, W, 3) uint8 RGB.

    Raises UndecodableImage for anything that Pillow cannot decode in full.
    """
    try:
        with Image.open(BytesIO(content)) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception as error:  # each of Pillow's formats raises its own kinds
        reason = f"{type(error).__name__}: {error}"
        raise UndecodableImage(f"{len(content)} bytes are no picture ({reason}); replace them") from error


class Detector:
    """Finds objects; the bundle's graph gives YOLO's (N, 4 + classes, anchors): centre xywh and scores."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._graph = _Graph(bundle, outputs=4 + len(bundle.spec.class_names))

    def predict(self, pixels: Pixels, *, threshold: float | None = None) -> list[Detection]:
        """The objects whose score exceeds `threshold` (default the bundle's), best first, at most 300."""
        return self.predict_batch([pixels], threshold=threshold)[0]

    def predict_batch(self, pictures: Sequence[Pixels], *, threshold: float | None = None) -> list[list[Detection]]:
        """`predict` for each picture, in order; faster than one by one."""
        floor = self.bundle.spec.threshold if threshold is None else threshold
        return [
            self._detections(anchors, _letterbox(pixels, self.bundle), floor)
            for pixels, anchors in zip(pictures, self._graph.run(pictures), strict=True)
        ]

    def _detections(self, anchors: Floats, letterbox: Letterbox, threshold: float) -> list[Detection]:
        boxes_xyxy, scores, class_ids = suppress(anchors, threshold, self.bundle.spec.iou_threshold)
        names = self.bundle.spec.class_names
        return [
            Detection(names[class_id], (left, top, right, bottom), score)
            for (left, top, right, bottom), score, class_id in zip(
                letterbox.restore(boxes_xyxy).tolist(), scores.tolist(), class_ids.tolist(), strict=True
            )
        ]


class Classifier:
    """Names what a picture shows as a whole; the bundle's graph gives (N, classes) probabilities."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._graph = _Graph(bundle, outputs=len(bundle.spec.class_names))

    def predict(self, pixels: Pixels) -> list[ClassScore]:
        """Every class with its probability, best first."""
        return self.predict_batch([pixels])[0]

    def predict_batch(self, pictures: Sequence[Pixels]) -> list[list[ClassScore]]:
        """`predict` for each picture, in order."""
        return [self._ranked(probabilities) for probabilities in self._graph.run(pictures)]

    def _ranked(self, probabilities: Floats) -> list[ClassScore]:
        pairs = zip(self.bundle.spec.class_names, probabilities.tolist(), strict=True)
        return sorted((ClassScore(*pair) for pair in pairs), key=lambda each: -each.score)


def load_predictor(bundle: Bundle) -> Detector | Classifier:
    """The predictor for a bundle's task. Raises BadBundle when the graph is not what the bundle says."""
    return Detector(bundle) if bundle.spec.task == "detector" else Classifier(bundle)


def suppress(anchors: Floats, threshold: float, iou_threshold: float) -> tuple[Floats, Floats, NDArray[np.int32]]:
    """YOLO's (4 + classes, A) anchors, in centre xywh, as (N, 4) xyxy boxes, (N,) scores and class ids, best first.

    Each anchor stands for its best class; within a class a box goes that overlaps a better one by more than
    `iou_threshold`.
    """
    all_scores = anchors[4:].max(axis=0)
    likely = all_scores > threshold
    scores, class_ids = all_scores[likely], anchors[4:, likely].argmax(axis=0).astype(np.int32)
    centre_x, centre_y, width, height = anchors[:4, likely]
    boxes_xywh = np.stack([centre_x - width / 2, centre_y - height / 2, width, height], axis=1)
    kept = cv2.dnn.NMSBoxesBatched(boxes_xywh.tolist(), scores.tolist(), class_ids.tolist(), threshold, iou_threshold)
    best = np.asarray(kept, dtype=np.intp)[:MAX_DETECTIONS]
    boxes_xyxy = np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1)
    return boxes_xyxy[best], scores[best], class_ids[best]


def _letterbox(pixels: Pixels, bundle: Bundle) -> Letterbox:
    return Letterbox(bundle.spec.image_size, *pixels.shape[:2])


class _Graph:
    """A bundle's ONNX graph, compiled for this machine."""

    def __init__(self, bundle: Bundle, *, outputs: int) -> None:
        self._bundle = bundle
        size = bundle.spec.image_size
        core = openvino.Core()
        try:
            model = core.read_model(bundle.model_path)
            model.reshape([-1, 3, size, size])
            channels = model.output(0).partial_shape[1]
        except RuntimeError as error:
            raise BadBundle(f"{bundle.model_path} is no usable graph: {error}; publish it again") from error
        if channels != outputs:
            raise BadBundle(
                f"{bundle.model_path} has {channels} output channels, {outputs} are needed for the classes "
                f"{list(bundle.spec.class_names)}; publish it with its own class names"
            )
        self._compiled: Any = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(self, pictures: Sequence[Pixels]) -> list[Floats]:
        """The graph's first output for each picture."""
        request = self._compiled.create_infer_request()
        outputs: list[Floats] = []
        for start in range(0, len(pictures), BATCH):
            some = pictures[start : start + BATCH]
            placed = np.stack([_letterbox(pixels, self._bundle).place(pixels) for pixels in some])
            images = np.ascontiguousarray(placed.transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(255)
            outputs.extend(request.infer([images])[0].copy())
        return outputs
