"""The forms that a published model is exported in, and how each is written into a folder.

onnx            model.onnx                the bundle's own graph
openvino        model.xml, model.bin      OpenVINO's, float32
openvino-int8   model.xml, model.bin      OpenVINO's, 8 bits where it costs little, calibrated on pictures (NNCF)
torchscript     model.torchscript         traced from the trained weights
tensorrt        model.engine              for one kind of NVIDIA GPU
"""

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import openvino

from training.bundle import MODEL_FILE, Bundle
from training.errors import CannotExport
from training.exporting.children import run_child
from training.predicting.pictures import Pixels

Format = Literal["onnx", "openvino", "openvino-int8", "torchscript", "tensorrt"]
FORMATS: tuple[Format, ...] = get_args(Format)

XML, BIN, SCRIPT, ENGINE = "model.xml", "model.bin", "model.torchscript", "model.engine"
SQUARES = "squares.npy"


def require_possible(form: Format, *, calibration: int, training: Path | None) -> None:
    """Raises CannotExport, with what to do, when this machine or model lacks what the format needs."""
    if form == "openvino-int8":
        _require_package("nncf", "openvino-int8", "pip install nncf")
        if not calibration:
            raise CannotExport("openvino-int8 needs pictures to calibrate on; give some by --calibrate")
    if form == "torchscript" and training is None:
        raise CannotExport(
            "torchscript is made from trained weights, and a bundle has none; name a version of the registry, or the "
            "folder of its training"
        )
    if form == "tensorrt":
        _require_gpu()
        _require_package("tensorrt", "tensorrt", "pip install tensorrt on a machine with an NVIDIA GPU")


def write_format(
    form: Format, bundle: Bundle, folder: Path, *, calibration: Sequence[Pixels], training: Path | None
) -> None:
    """Write a bundle's model in that form. `calibration` are squares of its size. Raises CannotExport."""
    require_possible(form, calibration=len(calibration), training=training)
    if form == "onnx":
        (folder / MODEL_FILE).write_bytes(bundle.read_graph())
    elif form == "openvino":
        _write_openvino(bundle, folder)
    elif form == "openvino-int8":
        _write_int8(bundle, folder, calibration)
    elif form == "torchscript":
        classes, size = len(bundle.spec.class_names), bundle.spec.image_size
        run_child("torchscript", training, str(classes), str(size), folder / SCRIPT)
    else:
        run_child("tensorrt", bundle.model_path, str(bundle.spec.image_size), folder / ENGINE)


def _write_openvino(bundle: Bundle, folder: Path) -> None:
    model = openvino.Core().read_model(bundle.read_graph(), b"")
    openvino.save_model(model, str(folder / XML), compress_to_fp16=False)


def _write_int8(bundle: Bundle, folder: Path, calibration: Sequence[Pixels]) -> None:
    squares = folder / SQUARES
    np.save(squares, np.stack(calibration))
    try:
        run_child("quantize", bundle.model_path, squares, bundle.spec.task, folder / XML)
    finally:
        squares.unlink()


def _require_package(name: str, form: Format, remedy: str) -> None:
    if find_spec(name) is None:
        raise CannotExport(
            f"{form} needs the package {name}, which is not installed; {remedy}, or choose another format"
        )


def _require_gpu() -> None:
    if shutil.which("nvidia-smi") is None:
        raise CannotExport(
            "tensorrt engines are made on an NVIDIA GPU, and this machine has none; choose another format"
        )
