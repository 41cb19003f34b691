"""The process that exports: `python -m training.exporting.child ACTION …`, started by `run_child`.

torchscript TRAINING CLASSES SIZE OUT    trace trained weights
run TRAINING CLASSES SQUARES OUT         the trained model's own outputs for squares, and how long they took
quantize ONNX SQUARES TASK OUT           OpenVINO's graph with 8 bits
tensorrt ONNX SIZE OUT                   an engine for this machine's GPU
unpickle CHECKPOINT OUT                  what Ultralytics saved, as safetensors, ONNX and class names
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from datasets.errors import CarloopError
from training.bundle import MODEL_FILE, class_names
from training.errors import BadBundle, CannotExport
from training.exporting.children import PASSES, TIMED
from training.jobs import JOB, JOB_FILE, WEIGHTS_FILE, ClassifierJob, DetectorJob


def torchscript(training: Path, classes: int, size: int, out: Path) -> None:
    graph = rebuild(training, classes)
    import torch

    with torch.no_grad(), warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        traced = torch.jit.trace(graph, torch.zeros(1, 3, size, size), check_trace=False)  # type: ignore[no-untyped-call]
        traced.save(str(out))


def run(training: Path, classes: int, squares: Path, out: Path) -> dict[str, list[float]]:
    """Outputs as (N, …) arrays in an .npz; images a second of each pass over some squares, one at a time."""
    import numpy as np
    import torch

    graph = rebuild(training, classes)
    pictures = [torch.from_numpy(each).permute(2, 0, 1)[None] for each in np.load(squares)]
    rates = []
    with torch.inference_mode():
        outputs = [graph(picture.float() / 255) for picture in pictures]
        for _ in range(PASSES):
            started = time.perf_counter()
            for picture in pictures[:TIMED]:
                graph(picture.float() / 255)
            rates.append(len(pictures[:TIMED]) / (time.perf_counter() - started))
    several = [each if isinstance(each, tuple) else (each,) for each in outputs]
    np.savez(out, *(torch.cat(answers).numpy() for answers in zip(*several, strict=True)))
    return {"images_per_second": rates}


def rebuild(training: Path, classes: int) -> Any:
    """The trained network, answering as its exported graph does: (N, 3, S, S) in [0, 1] to boxes or probabilities."""
    job = JOB.validate_json((training / JOB_FILE).read_bytes())
    if isinstance(job, DetectorJob):
        from training.detector import exportable
        from training.outputs import read_weights

        model = _yolo(job.settings.model, len(class_names(job.taxonomy, "detector")))
        read_weights(training / WEIGHTS_FILE, model)
        return exportable(model).float().eval()
    if not isinstance(job, ClassifierJob):
        raise BadBundle(f"{training} holds a {job.kind}, which has no graph; export a detector or classifier")
    from torch import nn

    from training.classifying.network import make_network, mean_and_std
    from training.classifying.pictures import Normalise

    settings = job.settings.model_copy(update={"pretrained": False})
    network = make_network(settings, classes=classes, on_note=lambda _: None, initial_weights=training / WEIGHTS_FILE)
    return nn.Sequential(Normalise(*mean_and_std(network)), network, nn.Softmax(dim=1)).float().eval()


def _yolo(name: str, classes: int) -> Any:
    from ultralytics.nn.tasks import DetectionModel, SegmentationModel

    kind = SegmentationModel if name.endswith("-seg") else DetectionModel
    return kind(f"{name}.yaml", nc=classes, verbose=False)


def quantize(onnx_path: Path, squares: Path, task: str, out: Path) -> None:
    """A detector's head, whose scores are tiny for most anchors, stays in float32, as Ultralytics has it."""
    import nncf  # type: ignore[import-not-found]
    import numpy as np
    import openvino

    model = openvino.Core().read_model(str(onnx_path))
    pictures = np.load(squares)
    size = pictures.shape[1]
    model.reshape([1, 3, size, size])
    calibration = nncf.Dataset(list(pictures), lambda square: square.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    kept = nncf.IgnoredScope(names=_head(model)) if task == "detector" else None
    quantized = nncf.quantize(
        model,
        calibration,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(pictures),
        ignored_scope=kept,
    )
    openvino.save_model(quantized, str(out), compress_to_fp16=False)


def _head(model: Any) -> list[str]:
    """The operations of a YOLO's last module that are no convolutions, and every lone sigmoid on the way out."""
    names = {op.get_friendly_name(): op.get_type_name() for op in model.get_ordered_ops()}
    modules = [int(name.split("/")[1][6:]) for name in names if name.startswith("/model.") and "/" in name[1:]]
    head = f"/model.{max(modules)}/" if modules else "/"
    kinds = ("Sigmoid", "Softmax", "Concat", "Add", "Subtract", "Multiply", "Divide", "Split")
    plain = [name for name, kind in names.items() if name.startswith(head) and "/cv" not in name and kind in kinds]
    return [*plain, *(name for name in names if name.startswith(f"{head}dfl/"))]


def tensorrt(onnx_path: Path, size: int, out: Path) -> None:
    import tensorrt as trt  # type: ignore[import-not-found]

    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx_path.read_bytes()):
        raise CannotExport(f"TensorRT cannot read {onnx_path}: {parser.get_error(0)}")
    profile, shape = builder.create_optimization_profile(), (1, 3, size, size)
    profile.set_shape("images", shape, shape, shape)
    config = builder.create_builder_config()
    config.add_optimization_profile(profile)
    out.write_bytes(bytes(builder.build_serialized_network(network, config)))


def unpickle(checkpoint: Path, out: Path) -> dict[str, Any]:
    """Runs whatever is written in the checkpoint: only for one that somebody vouched for."""
    import torch

    from training.detector import exportable
    from training.outputs import write_onnx, write_weights

    content = torch.load(checkpoint, map_location="cpu", weights_only=False)
    model = (content.get("ema") or content.get("model")) if isinstance(content, dict) else None
    if model is None or not hasattr(model, "names"):
        raise CannotExport(f"{checkpoint} is no checkpoint of Ultralytics; give its weights to a training instead")
    size = int(_image_size(content, model))
    model = model.float().eval()
    write_weights(model, out / WEIGHTS_FILE)
    write_onnx(exportable(model), out / MODEL_FILE, image_size=size)
    return {"class_names": [str(model.names[number]) for number in sorted(model.names)], "image_size": size}


def _image_size(content: dict[str, Any], model: Any) -> int:
    size = (content.get("train_args") or {}).get("imgsz") or getattr(model, "args", {}).get("imgsz") or 640
    return max(size) if isinstance(size, list | tuple) else size


ACTIONS: dict[str, Any] = {each.__name__: each for each in (torchscript, run, quantize, tensorrt, unpickle)}
_NUMBERS = {"torchscript": (1, 2), "run": (1,), "tensorrt": (1,)}
_TEXTS = {"quantize": (2,)}


def main(action: str, *arguments: str) -> None:
    told = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries print
    numbers, texts = _NUMBERS.get(action, ()), _TEXTS.get(action, ())
    taken = [
        int(each) if place in numbers else each if place in texts else Path(each)
        for place, each in enumerate(arguments)
    ]
    told.write(json.dumps(ACTIONS[action](*taken) or {}) + "\n")
    told.flush()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except CarloopError as error:
        sys.exit(str(error))
