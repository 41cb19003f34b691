"""Write seeded YOLOs as ONNX, and what Ultralytics itself predicts with them: `reference_yolo.py FOLDER`.

A program of its own, so that Ultralytics' patches stay out of the tests' process. Expects FOLDER/pictures.npz (RGB).
Leaves model.onnx and expected.json of a detector, and of a segmenter segments.onnx, segments.json and masks.npz.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from ultralytics import YOLO
from ultralytics.engine.results import Results

from training.detector import exportable
from training.outputs import write_onnx

SIZE, THRESHOLD, IOU_THRESHOLD = 160, 0.3, 0.6


def main(folder: Path) -> None:
    pictures = list(np.load(folder / "pictures.npz").values())
    found = predict(_seeded_yolo("yolov8n.yaml"), pictures)
    (folder / "expected.json").write_text(json.dumps([result.boxes.data.tolist() for result in found]))
    write_onnx(exportable(_seeded_yolo("yolov8n.yaml").model), folder / "model.onnx", image_size=SIZE)
    found = predict(_seeded_yolo("yolov8n-seg.yaml"), pictures)
    (folder / "segments.json").write_text(json.dumps([result.boxes.data.tolist() for result in found]))
    np.savez(folder / "masks.npz", *(result.masks.data.numpy().astype(bool) for result in found))
    write_onnx(exportable(_seeded_yolo("yolov8n-seg.yaml").model), folder / "segments.onnx", image_size=SIZE)


def predict(yolo: YOLO, pictures: list[np.ndarray]) -> list[Results]:
    return yolo.predict(
        [picture[..., ::-1].copy() for picture in pictures],
        imgsz=SIZE,
        conf=THRESHOLD,
        iou=IOU_THRESHOLD,
        rect=False,
        max_det=300,
        retina_masks=True,
        verbose=False,
        save=False,
    )


def _seeded_yolo(architecture: str) -> YOLO:
    """Random weights with settled batch normalisation and a lively head, so that many boxes pass the threshold."""
    torch.manual_seed(0)
    yolo = YOLO(architecture, verbose=False)
    yolo.model.train()
    for module in yolo.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain mean of what it sees
    with torch.no_grad():
        for _ in range(3):
            yolo.model(torch.nn.functional.interpolate(torch.rand(8, 3, SIZE // 10, SIZE // 10), (SIZE, SIZE)))
        for branch in yolo.model.model[-1].cv3:
            branch[-1].bias.fill_(-3)
            branch[-1].weight.mul_(4)
    yolo.model.eval()
    return yolo


if __name__ == "__main__":
    main(Path(sys.argv[1]))
