"""Where plates and faces are. Pictures are (height, width, 3) uint8 BGR, upright; boxes (N, 4) xyxy, whole pixels."""

import hashlib
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.blurring.settings import BlurSettings
from datasets.errors import BadInput, Unavailable

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.int64]
Find = Callable[[Pixels], Boxes]

_PLATES = ("haarcascade_russian_plate_number.xml",)
_FACES = ("haarcascade_frontalface_alt2.xml", "haarcascade_profileface.xml")
_NEIGHBOURS = {_PLATES: 4, _FACES: 8}  # of windows that agree: faces are told wrongly in leaves and gravel otherwise
_LEAST_SIDE = 24
_FACE_SCORE = 0.6
_DATE = re.compile(r"\d{1,2}\W+\w{1,2}\W+\d{2,4}(\s+\d{1,2}:\d{2}(:\d{2})?)?")
_NONE = np.empty((0, 4), np.int64)


def load_finder(settings: BlurSettings) -> Find:
    """What finds all that the settings want unreadable.

    Raises:
        Unavailable: a library is not installed.
        BadInput: the file of a network is not given, not there, or another one.
    """
    finders: list[Find] = []
    if settings.plates != "none":
        finders.append(_find_text() if settings.plates == "text" else _find_by_cascade(_PLATES))
    if settings.faces != "none":
        finders.append(_find_by_yunet(settings) if settings.faces == "yunet" else _find_by_cascade(_FACES))

    def find(pixels: Pixels) -> Boxes:
        height, width = pixels.shape[:2]
        scale = min(1.0, settings.longest_side / max(height, width))
        size = (round(width * scale), round(height * scale))
        seen = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
        found = np.concatenate([_NONE, *(finder(np.asarray(seen, np.uint8)) for finder in finders)])
        return grown(found / scale, width=width, height=height, margin=settings.margin)

    return find


def grown(boxes: NDArray[np.float64], *, width: int, height: int, margin: float) -> Boxes:
    """Boxes larger by a share of their shorter side on each side, whole and inside the picture."""
    if not len(boxes):
        return _NONE
    more = margin * (boxes[:, 2:] - boxes[:, :2]).min(axis=1, keepdims=True)
    low, high = np.floor(boxes[:, :2] - more), np.ceil(boxes[:, 2:] + more)
    whole = np.clip(np.concatenate([low, high], axis=1), 0, [width, height, width, height]).astype(np.int64)
    inside: Boxes = whole[(whole[:, 2] > whole[:, 0]) & (whole[:, 3] > whole[:, 1])]
    return inside


def _find_by_cascade(names: Sequence[str]) -> Find:
    """Viola and Jones' cascades, which come with OpenCV (https://docs.opencv.org/4.x/db/d28/)."""
    names = tuple(names)
    cascades = [cv2.CascadeClassifier(str(Path(cv2.__file__).with_name("data") / name)) for name in names]

    def find(pixels: Pixels) -> Boxes:
        grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        found = [
            cascade.detectMultiScale(grey, minNeighbors=_NEIGHBOURS[names], minSize=(_LEAST_SIDE, _LEAST_SIDE // 3))
            for cascade in cascades
        ]
        boxes_xywh = np.concatenate([np.reshape(np.asarray(boxes, np.int64), (-1, 4)) for boxes in found])
        return np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1)

    return find


def _find_by_yunet(settings: BlurSettings) -> Find:
    detector = cv2.FaceDetectorYN.create(str(_checked(settings)), "", (320, 320), score_threshold=_FACE_SCORE)

    def find(pixels: Pixels) -> Boxes:
        detector.setInputSize((pixels.shape[1], pixels.shape[0]))
        _, faces = detector.detect(pixels)
        if faces is None:
            return _NONE
        boxes_xywh = np.asarray(faces, np.float64)[:, :4]
        return np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1).astype(np.int64)

    return find


def _checked(settings: BlurSettings) -> Path:
    """The network's file. Raises BadInput."""
    path = settings.face_model
    if path is None or not path.is_file():
        raise BadInput(f"blur: faces: yunet needs its network, and face_model: is {path}; give the .onnx file's path")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if settings.face_model_sha256 not in (None, found):
        raise BadInput(
            f"{path} has the SHA-256 {found}, and blur: face_model_sha256: is {settings.face_model_sha256}; fetch the "
            "right file, or mend the setting"
        )
    return path


def _find_text() -> Find:
    """PP-OCR's detector of text, of which that counts which its reader can read (https://github.com/RapidAI/RapidOCR).

    Dates, which cameras write into pictures, are left. The graphs come in the library's wheel; OpenVINO runs them.
    """
    try:
        rapidocr = import_module("rapidocr")
    except ImportError:
        raise Unavailable(
            "blur: plates: text needs the library rapidocr, which is not installed; install it, or set plates: "
            "cascade, which misses most"
        ) from None
    engine = rapidocr.EngineType.OPENVINO
    parameters = {f"{part}.engine_type": engine for part in ("Det", "Cls", "Rec")}
    reader = rapidocr.RapidOCR(params={**parameters, "Global.log_level": "error"})

    def find(pixels: Pixels) -> Boxes:
        read = reader(pixels, use_det=True, use_cls=False, use_rec=True)
        if read.boxes is None:
            return _NONE
        points = [corners for corners, text in zip(read.boxes, read.txts, strict=True) if not _DATE.fullmatch(text)]
        corners = np.reshape(np.asarray(points, np.float64), (-1, 4, 2))
        return np.concatenate([np.floor(corners.min(axis=1)), np.ceil(corners.max(axis=1))], axis=1).astype(np.int64)

    return find
