"""What a published model sees in a picture. Boxes are xyxy: pixels of the upright picture, origin top left.

The one predictor core behind the Nuclio functions, the batched driver and the evaluation. OpenVINO runs the graph, in
float32 unless told otherwise; letterbox and suppression are Ultralytics' (`data/augment.py: LetterBox`,
`utils/nms.py`), so a served model answers what the trained one did. Predictors may be used from several threads.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from datasets.crops import Crop
from training.bundle import Bundle
from training.errors import BadBundle
from training.predicting.graphs import Graph, Precision, Runs
from training.predicting.masks import instance_masks
from training.predicting.pictures import Floats, Key, Letterbox, Pixels, decode_ahead, decode_image
from training.predicting.suppression import suppress

__all__ = [
    "ClassScore",
    "Classifier",
    "Detection",
    "Detector",
    "Letterbox",
    "Pixels",
    "Precision",
    "decode_ahead",
    "decode_image",
    "load_predictor",
]

_BOX = 4
_OUTPUTS = {"detector": ((3,), (3, 4)), "classifier": ((2,),)}
"""How many axes each output has: anchors, or anchors and prototypes; probabilities."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One object; `bbox_xyxy` lies inside the picture, `score` in [0, 1], `mask` is a segmentation graph's."""

    class_name: str
    bbox_xyxy: tuple[float, float, float, float]
    score: float
    mask: Crop | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How much the whole picture looks like a class; the scores of a picture sum to 1."""

    class_name: str
    score: float


class Detector:
    """Finds objects.

    The bundle's graph gives YOLO's (1, 4 + classes, anchors): centre xywh and scores. A segmentation graph gives
    (1, 4 + classes + M, anchors), which end in M coefficients, and (1, M, h, w) prototypes for masks to be mixed of.
    """

    def __init__(self, bundle: Bundle, *, precision: Precision = "f32", graph: Runs | None = None) -> None:
        self.bundle = bundle
        self._graph = graph or Graph(bundle, precision=precision)
        anchors, *prototypes = _require_outputs(bundle, self._graph)
        self._scored = _BOX + len(bundle.spec.class_names)
        _require_channels(bundle, anchors[1], self._scored + sum(shape[1] for shape in prototypes))
        self._thresholds = np.array([bundle.spec.threshold_of(name) for name in bundle.spec.class_names], np.float32)

    def predict(
        self, pixels: Pixels, *, threshold: float | None = None, square: Pixels | None = None
    ) -> list[Detection]:
        """The objects whose score exceeds `threshold` (default the bundle's own), best first, at most 300.

        `square` is the picture's letterbox of the bundle's image size, where it is at hand.
        """
        letterbox = self._letterbox(pixels)
        with self._graph.answers(letterbox.place(pixels) if square is None else square) as outputs:
            return self._detections(outputs, letterbox, threshold)

    def predict_batch(self, pictures: Sequence[Pixels], *, threshold: float | None = None) -> list[list[Detection]]:
        """`predict` for each picture, in order; faster than one by one."""
        return [found for _, found in self.predict_stream(enumerate(pictures), threshold=threshold)]

    def predict_stream(
        self, pictures: Iterable[tuple[Key, Pixels]], *, threshold: float | None = None
    ) -> Iterator[tuple[Key, list[Detection]]]:
        """`predict` for each (key, picture), in order, several at once; `pictures` may be longer than memory.

        They are asked for while others are computed on: with `decode_ahead`, decoding costs no time of its own.
        """
        placed = (((key, letterbox), square) for key, letterbox, square in map(self._place, pictures))
        for (key, letterbox), outputs in self._graph.stream(placed):
            yield key, self._detections(outputs, letterbox, threshold)

    def _letterbox(self, pixels: Pixels) -> Letterbox:
        return Letterbox(self._graph.size, *pixels.shape[:2])

    def _place(self, keyed: tuple[Key, Pixels]) -> tuple[Key, Letterbox, Pixels]:
        letterbox = self._letterbox(keyed[1])
        return keyed[0], letterbox, letterbox.place(keyed[1])

    def _detections(self, outputs: Sequence[Floats], letterbox: Letterbox, threshold: float | None) -> list[Detection]:
        anchors, spec = outputs[0], self.bundle.spec
        floors = self._thresholds if threshold is None else threshold
        kept = suppress(anchors[: self._scored], floors, spec.iou_threshold)
        boxes_xyxy = letterbox.restore(kept.boxes_xyxy)
        masks: Sequence[Crop | None] = [None] * len(boxes_xyxy)
        if len(outputs) > 1:
            masks = instance_masks(outputs[1], anchors[self._scored :, kept.anchors].T, boxes_xyxy, letterbox)
        return [
            Detection(spec.class_names[class_id], (left, top, right, bottom), score, mask)
            for (left, top, right, bottom), score, class_id, mask in zip(
                boxes_xyxy.tolist(), kept.scores.tolist(), kept.class_ids.tolist(), masks, strict=True
            )
            if mask is None or mask.pixels.size  # Ultralytics, too, drops what has no pixel
        ]


class Classifier:
    """Names what a picture shows as a whole; the bundle's graph gives (1, classes) probabilities."""

    def __init__(self, bundle: Bundle, *, precision: Precision = "f32", graph: Runs | None = None) -> None:
        self.bundle = bundle
        self._graph = graph or Graph(bundle, precision=precision)
        (probabilities,) = _require_outputs(bundle, self._graph)
        _require_channels(bundle, probabilities[1], len(bundle.spec.class_names))

    def predict(self, pixels: Pixels, *, square: Pixels | None = None) -> list[ClassScore]:
        """Every class with its probability, best first. `square` is as for a Detector."""
        with self._graph.answers(self._place(pixels) if square is None else square) as (probabilities,):
            return self._ranked(probabilities)

    def predict_batch(self, pictures: Sequence[Pixels]) -> list[list[ClassScore]]:
        """`predict` for each picture, in order; faster than one by one."""
        return [ranked for _, ranked in self.predict_stream(enumerate(pictures))]

    def predict_stream(self, pictures: Iterable[tuple[Key, Pixels]]) -> Iterator[tuple[Key, list[ClassScore]]]:
        """`predict` for each (key, picture), in order, several at once; `pictures` may be longer than memory."""
        for key, (probabilities,) in self._graph.stream((key, self._place(pixels)) for key, pixels in pictures):
            yield key, self._ranked(probabilities)

    def _place(self, pixels: Pixels) -> Pixels:
        return Letterbox(self._graph.size, *pixels.shape[:2]).place(pixels)

    def _ranked(self, probabilities: Floats) -> list[ClassScore]:
        pairs = zip(self.bundle.spec.class_names, probabilities.tolist(), strict=True)
        return sorted((ClassScore(*pair) for pair in pairs), key=lambda each: -each.score)


def load_predictor(bundle: Bundle, *, precision: Precision = "f32", graph: Runs | None = None) -> Detector | Classifier:
    """The predictor for a bundle's task, warmed up; it runs `graph`, where one is given, in place of the bundle's.

    Raises:
        BadBundle: the graph is not what the bundle says.
        TamperedBundle: it is not the one that was published.
        NoSuchPrecision: this machine does not compute in it.
    """
    kind = Detector if bundle.spec.task == "detector" else Classifier
    return kind(bundle, precision=precision, graph=graph)


def _require_outputs(bundle: Bundle, graph: Runs) -> list[tuple[int, ...]]:
    """The shapes of the graph's outputs. Raises BadBundle when they are not those of the task."""
    axes = tuple(len(shape) for shape in graph.output_shapes)
    if axes not in _OUTPUTS[bundle.spec.task]:
        raise BadBundle(
            f"{bundle.model_path} has outputs of shapes {graph.output_shapes}, which no {bundle.spec.task} has; "
            "publish the graph that its training exported"
        )
    return graph.output_shapes


def _require_channels(bundle: Bundle, found: int, expected: int) -> None:
    if found != expected:
        raise BadBundle(
            f"{bundle.model_path} has {found} output channels, {expected} are needed for the classes "
            f"{list(bundle.spec.class_names)}; publish it with its own class names"
        )
