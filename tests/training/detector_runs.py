"""Trains detectors one after another, each in a fork of a process that has imported the libraries once.

`python detector_runs.py RUNS.json RESULTS.json`: RUNS is a list of {name, job, kill_after?}; RESULTS tells by name the
exit code (negative: the signal), what was noted, and the error. Beside that it tells how masks follow pictures.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

import cv2
import numpy as np
import torch
from ultralytics.cfg import DEFAULT_CFG
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils import IterableSimpleNamespace

import training.detector as detector
from datasets.errors import CarloopError
from training.detector_images import LabelledImages
from training.jobs import DetectorJob
from training.known import KnownClasses, group_known
from training.masking import mask_loss


def run(told: dict[str, object], notes: Path) -> None:
    def on_epoch(epoch: int, *_: object) -> None:
        if epoch == told.get("kill_after"):
            os.kill(os.getpid(), signal.SIGKILL)

    def on_note(text: str) -> None:
        with notes.open("a") as handle:
            handle.write(json.dumps(text) + "\n")

    torch.set_num_threads(2)
    try:
        detector.train_detector(DetectorJob.model_validate(told["job"]), on_epoch=on_epoch, on_note=on_note)
    except CarloopError as error:
        on_note(f"{type(error).__name__}: {error}")
        os._exit(1)
    os._exit(0)


def follow(folder: Path) -> dict[str, float]:
    """The share of sampled pixels whose group is that of the colour there, for mosaics and for blended ones."""
    colours = {0: (255, 0, 0), 1: (0, 0, 255)}
    files = [str(folder / f"{number}.png") for number in range(6)]
    for number, file in enumerate(files):
        cv2.imwrite(file, np.full((48, 64, 3), colours[number % 2], np.uint8))
    empty = {"cls": np.zeros((0, 1), np.float32), "bboxes": np.zeros((0, 4), np.float32), "segments": []}
    labels = [
        {"im_file": file, "shape": (48, 64), **empty, "keypoints": None, "normalized": True, "bbox_format": "xywh"}
        for file in files
    ]
    known = group_known([frozenset({number % 2}) for number in range(6)], classes=2, blended=True)
    assert known is not None
    plain = {"hsv_h": 0, "hsv_s": 0, "hsv_v": 0, "bgr": 1.0, "mosaic": 1.0}
    return {name: _agreement(labels, known, {**plain, "mixup": mixup}) for name, mixup in (("mosaic", 0), ("blend", 1))}


def _agreement(labels: list[dict[str, object]], known: KnownClasses, hyp: dict[str, float]) -> float:
    images = LabelledImages(
        known=known,
        img_path="",
        data={"labels": labels, "names": {0: "a", 1: "b"}},
        imgsz=64,
        augment=True,
        hyp=IterableSimpleNamespace(**{**vars(DEFAULT_CFG), **hyp}),
        batch_size=2,
    )
    agreed = []
    for number in range(60):
        sample = images[number % 6]
        blue, green, red = (sample["img"][channel, ::4, ::4] for channel in range(3))
        blue, red, grey = blue > 90, red > 90, green > 90  # half of a colour is 127, half of the border 57
        table = torch.from_numpy(known.table)[sample["known_groups"].long()]
        # a pure colour knows its class alone, both blended know neither
        agreed += [(~grey & ((table[..., 0] == ~red) & (table[..., 1] == ~blue)))[~grey].float()]
    return float(torch.cat(agreed).mean())


def unknown_gradients() -> list[float]:
    """How much the class outputs' biases are pulled at, by class, where only the first class is known."""
    torch.manual_seed(0)
    model = DetectionModel("yolov8n.yaml", nc=2, verbose=False)
    model.args = IterableSimpleNamespace(**vars(DEFAULT_CFG))
    known = group_known([frozenset({0})], classes=2, blended=False)
    assert known is not None
    mask_loss(model, known, torch.device("cpu"))
    batch = {
        "img": torch.rand(2, 3, 64, 64),
        "cls": torch.zeros(1, 1),
        "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.4]]),
        "batch_idx": torch.zeros(1),
        "known_groups": torch.zeros(2, 16, 16, dtype=torch.uint8),
    }
    model.loss(batch)[0].sum().backward()
    return sum(branch[-1].bias.grad.abs() for branch in model.model[-1].cv3).tolist()


def main(runs: Path, results: Path) -> None:
    outcomes = {}
    for told in json.loads(runs.read_text()):
        notes = results.with_name(f"{told['name']}.notes")
        notes.touch()
        process = os.fork()
        if process == 0:
            try:
                run(told, notes)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(3)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        outcomes[told["name"]] = {"code": code, "notes": [json.loads(line) for line in notes.read_text().splitlines()]}
    outcomes |= {"masks": follow(results.parent), "gradients": unknown_gradients()}
    results.write_text(json.dumps(outcomes))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
