"""Write a seeded YOLO as ONNX, and what Ultralytics itself predicts with it: `reference_yolo.py FOLDER`.

A program of its own, so that Ultralytics' patches stay out of the tests' process. Expects FOLDER/pictures.npz (RGB).
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from ultralytics import YOLO

from training.detector import exportable
from training.outputs import write_onnx

SIZE, THRESHOLD, IOU_THRESHOLD = 160, 0.3, 0.6


def main(folder: Path) -> None:
    pictures = list(np.load(folder / "pictures.npz").values())
    yolo = _seeded_yolo()
    results = yolo.predict(
        [picture[..., ::-1].copy() for picture in pictures],
        imgsz=SIZE,
        conf=THRESHOLD,
        iou=IOU_THRESHOLD,
        rect=False,
        max_det=300,
        verbose=False,
        save=False,
    )
    (folder / "expected.json").write_text(json.dumps([result.boxes.data.tolist() for result in results]))
    write_onnx(exportable(_seeded_yolo().model), folder / "model.onnx", image_size=SIZE)


def _seeded_yolo() -> YOLO:
    """Random weights with settled batch normalisation and a lively head, so that many boxes pass the threshold."""
    torch.manual_seed(0)
    yolo = YOLO("yolov8n.yaml", verbose=False)
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
