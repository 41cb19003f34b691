"""One way to pre-label, alone in its process: `python -m benchmarks.prelabel_peer PEER FOLDER TASK`.

FOLDER is what `benchmarks.prelabel` prepared: a home with the photographs, their project file, and the bundles. The
user of the CVAT comes from the environment. Imports and loading the model are not timed; compiling it for streams is.
"""

import itertools
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from rich.console import Console

from benchmarks.function_data import MODEL, make_detector, quiet_ultralytics
from benchmarks.turns import Figures, timed
from datasets.store import ImageStore
from pipelines.annotation.desk import Desk, open_desk
from pipelines.progress import Progress
from training.bundle import Bundle, read_bundle, read_pointer
from training.predicting.graphs import Graph
from training.predicting.suppression import suppress
from training.predictors import Detector, Letterbox, decode_image

RAW_SQUARES = 32
_PARTS = 100


def photographs(folder: Path) -> list[Path]:
    """The image files of a prepared folder."""
    return sorted(ImageStore(folder / "datasets" / "store").root.rglob("*.jpg"))


def bundle_of(folder: Path) -> Bundle:
    """The published detector of a prepared folder."""
    digest = read_pointer(folder / "bundles", MODEL)
    if digest is None:
        raise RuntimeError(f"{folder} has no published {MODEL}; run benchmarks.prelabel")
    return read_bundle(folder / "bundles", digest)


def raw(folder: Path, task_id: int) -> Figures:
    """OpenVINO's asynchronous requests alone, in float32, on pictures that are decoded and placed already."""
    import openvino

    bundle, paths = bundle_of(folder), photographs(folder)
    size = bundle.spec.image_size
    model = openvino.Core().read_model(bundle.model_path)
    model.reshape([1, 3, size, size])
    hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", hints)
    squares = [_square(path, size) for path in paths[:RAW_SQUARES]]
    queue = openvino.AsyncInferQueue(compiled)

    def work() -> int:
        for square in itertools.islice(itertools.cycle(squares), len(paths)):
            queue.start_async([square], share_inputs=True)
        queue.wait_all()
        return len(paths)

    return _rate(work)


def _square(path: Path, size: int) -> Any:
    pixels = decode_image(path.read_bytes())
    placed = Letterbox(size, *pixels.shape[:2]).place(pixels)
    return np.ascontiguousarray(placed.transpose(2, 0, 1)[None], np.float32) / 255


def carloop(folder: Path, task_id: int) -> Figures:
    """What `carloop cvat prelabel` does; `upload_milliseconds` are the processor's, a frame, without the server's."""
    from cvat.prelabel import prelabel_job
    from pipelines.annotation import prelabelling

    detector, spent = Detector(bundle_of(folder)), [0.0]

    def timed_upload(*arguments: Any, **options: Any) -> None:
        started = time.thread_time()
        prelabel_job(*arguments, **options)
        spent[0] += 1000 * (time.thread_time() - started)

    with _desk(folder) as desk, mock.patch.object(prelabelling, "prelabel_job", timed_upload):
        figures = _rate(lambda: prelabelling.prelabel_project(desk, [detector], task_ids=[task_id])["frames"])
    return {**figures, "upload_milliseconds": spent[0] / figures["frames"]}


def through_cvat(folder: Path, task_id: int) -> Figures:
    """CVAT's own runs of the function."""
    from pipelines.annotation.through_cvat import prelabel_through_cvat

    with _desk(folder) as desk:
        return _rate(lambda: prelabel_through_cvat(desk, [MODEL], task_ids=[task_id])["frames"])


def stock(folder: Path, task_id: int) -> Figures:
    """Ultralytics' predict, one image a call, feeding cvat-sdk's annotate_task."""
    quiet_ultralytics()
    import cvat_sdk.auto_annotation as cvataa
    from cvat_sdk import models
    from PIL import Image
    from ultralytics import YOLO

    bundle = bundle_of(folder)
    names = bundle.spec.class_names
    yolo = YOLO("yolov8n.yaml")
    yolo.model = make_detector(seed=0, image_size=bundle.spec.image_size)

    class Stock:
        spec = cvataa.DetectionFunctionSpec(
            labels=[cvataa.label_spec(name, id, type="rectangle") for id, name in enumerate(names)]
        )

        def detect(
            self, context: cvataa.DetectionFunctionContext, image: Image.Image
        ) -> list[models.LabeledShapeRequest]:
            (found,) = yolo.predict(
                image, imgsz=bundle.spec.image_size, conf=bundle.spec.threshold, device="cpu", verbose=False
            )
            boxes = zip(found.boxes.cls.int().tolist(), found.boxes.xyxy.tolist(), strict=True)
            return [cvataa.rectangle(class_id, xyxy) for class_id, xyxy in boxes]

    paths = photographs(folder)
    yolo.predict(str(paths[0]), imgsz=bundle.spec.image_size, device="cpu", verbose=False)
    with _desk(folder) as desk:
        return _rate(lambda: _annotated(cvataa, desk, task_id, Stock(), len(paths)))


def _annotated(cvataa: Any, desk: Desk, task_id: int, function: Any, frames: int) -> int:
    cvataa.annotate_task(desk.client, task_id, function)
    return frames


def parts(folder: Path, task_id: int) -> Figures:
    """Where a photograph's time goes, one at a time: milliseconds of the processor by part."""
    from nuclio_functions.replies import detected
    from pipelines.annotation.prelabelling import prelabel_of

    bundle = bundle_of(folder)
    detector, graph = Detector(bundle), Graph(bundle)
    size = bundle.spec.image_size
    spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def part(name: str) -> Iterator[None]:
        started = time.process_time()
        yield
        spent[name] += 1000 * (time.process_time() - started)

    paths = photographs(folder)[:_PARTS]
    for path in paths:
        with part("read and decode"):
            pixels = decode_image(path.read_bytes())
        with part("place"):
            square = Letterbox(size, *pixels.shape[:2]).place(pixels)
        with part("forward"), graph.answers(square) as outputs:
            anchors = outputs[0].copy()
        with part("NMS"):
            suppress(anchors, bundle.spec.threshold, bundle.spec.iou_threshold)
        found = detector.predict(pixels, square=square)
        with part("encode"):
            _ = [prelabel_of("0" * 64, reply) for reply in detected(bundle, found)]
    return {"milliseconds": {name: value / len(paths) for name, value in spent.items()}}


def _desk(folder: Path) -> Any:
    return open_desk(folder / "carloop.yaml", folder, Progress(Console(quiet=True)))


def _rate(work: Callable[[], int]) -> Figures:
    frames, figures = timed(work)
    return {**figures, "frames": frames, "images_per_second": frames / figures["seconds"]}


PEERS: dict[str, Callable[[Path, int], Figures]] = {
    "raw OpenVINO": raw,
    "carloop": carloop,
    "stock": stock,
    "through CVAT": through_cvat,
    "parts": parts,
}


def main(arguments: Iterable[str]) -> None:
    peer, folder, task_id = arguments
    print(json.dumps(PEERS[peer](Path(folder), int(task_id))))


if __name__ == "__main__":
    main(sys.argv[1:])
