"""Train a segmenter, test it, and write its run folder."""

import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from rich.console import Console

from datasets.coco import Dataset, Image
from datasets.files import digest, is_complete
from datasets.split import unit_hash
from pipelines.dataset.options import find_project, open_shelf
from pipelines.output import show
from pipelines.progress import Progress
from pipelines.training.data import TrainingData, read_training_data
from pipelines.training.options import Asked
from pipelines.training.running import train_once
from training.charts import FOUND, TRUTH, Drawn, Tile, draw_grid, draw_history
from training.run_folder import RunFolder, write_results
from training.segmenter import read_segmenter, train_segmenter
from training.segmenting.outlined import Outlined, class_ids, read_outlined, require_outlines
from training.segmenting.scoring import Found, find_objects, score_masks, to_results, to_truth
from training.settings import SegmenterSettings

TRUTH_FILE, PREDICTIONS_FILE = "test_truth.json", "test_predictions.json"
_WORST, _SURE = 16, 0.5


@dataclass(frozen=True)
class _Parts:
    """The pictures of each part, ready to be learnt from, and notes on those left out."""

    class_names: tuple[str, ...]
    train: Sequence[Outlined]
    val: Sequence[Outlined]
    test: Sequence[Outlined]
    notes: tuple[str, ...]


def train_and_test(asked: Asked, settings: SegmenterSettings) -> None:
    """Do it all and tell of it; what an earlier call of the same did is not done again."""
    progress = Progress(Console(stderr=True))
    project = find_project(asked.project_path)
    data = read_training_data(open_shelf(asked.home), asked.data, project=project, progress=progress, seed=asked.seed)
    if asked.is_dry:
        few = settings.model_copy(update={"epochs": 1, "max_images": settings.batch})
        with tempfile.TemporaryDirectory() as folder:
            report = _train(RunFolder(Path(folder)), data, few, asked.seed, progress).read_report()
        show({"dry_run": "one batch of everything worked", "images": report["images"]}, as_json=asked.as_json)
        return
    config = {**settings.model_dump(mode="json"), "seed": asked.seed, "data": data.digest}
    run = train_once(
        asked,
        lambda run: _train(run, data, settings, asked.seed, progress),
        task="segmenter",
        key=digest(config),
        config=config,
        progress=progress,
    )
    report = run.read_report()
    told = {"run": str(run.path), **{name: report[name] for name in ("images", "best_epoch", "test", "notes")}}
    show(told, as_json=asked.as_json, notes=report["notes"])


def _train(run: RunFolder, data: TrainingData, settings: SegmenterSettings, seed: int, progress: Progress) -> RunFolder:
    parts = _read_parts(data, settings, seed)
    if not is_complete(run.best):
        with progress.step(f"train a Mask R-CNN on {len(parts.train)} images") as step:
            train_segmenter(
                parts.train,
                parts.val,
                settings,
                class_names=parts.class_names,
                seed=seed,
                out=run.best,
                checkpoints=run.checkpoints,
                on_epoch=lambda epoch, epochs, row: step.advance(to=epoch, of=epochs, note=f"loss {row['loss']:.3f}"),
                on_note=lambda note: progress.say(f"    {note}"),
            )
    shutil.rmtree(run.checkpoints, ignore_errors=True)
    with progress.step(f"test on {len(parts.test)} images"):
        model = read_segmenter(run.best, settings, classes=len(parts.class_names))
        found = list(find_objects(model, parts.test, batch=settings.batch))
    _write(run, data, parts, found)
    return run


def _read_parts(data: TrainingData, settings: SegmenterSettings, seed: int) -> _Parts:
    live = data.dataset.live
    train, note = require_outlines(
        live, [image for image in live.images if image.split == "train"], unknown_is_absent=settings.unknown_is_absent
    )
    kept_back = _kept_back(train, settings.val_fraction, seed)
    chosen = {
        "train": [image for image in train if image.family not in kept_back],
        "val": [image for image in train if image.family in kept_back],
        "test": _outlined_alone(live, [image for image in live.images if image.split == "test"]),
    }
    read, skipped = {}, []
    for part, images in chosen.items():
        images = sorted(images, key=lambda image: not live.annotations_of.get(image.sha256))[: settings.max_images]
        read[part], bad = read_outlined(live, images, data.store, size=settings.image_size)
        skipped += bad
    told = f"{len(skipped)} images cannot be decoded and were skipped, {skipped[0]}" if skipped else ""
    names = tuple(live.taxonomy.name(category_id) for category_id in class_ids(live))
    return _Parts(names, read["train"], read["val"], read["test"], tuple(filter(None, (note, told))))


def _kept_back(images: Sequence[Image], fraction: float, seed: int) -> set[str]:
    """The families, by hash, that the best epoch is chosen by: their share of all, never all."""
    families = sorted({image.family for image in images}, key=lambda one: unit_hash(f"val:{one}", seed=seed))
    return set(families[: min(math.ceil(fraction * len(families)), len(families) - 1)])


def _outlined_alone(dataset: Dataset, images: Sequence[Image]) -> list[Image]:
    return [image for image in images if all(a.segmentation for a in dataset.annotations_of.get(image.sha256, ()))]


def _write(run: RunFolder, data: TrainingData, parts: _Parts, found: Sequence[Sequence[Found]]) -> None:
    history = RunFolder(run.best).read_history()
    rated = [row for row in history if "val_map50_95" in row]
    report: dict[str, Any] = {
        "task": "segmenter",
        "data": data.digest,
        "classes": list(parts.class_names),
        "images": {"train": len(parts.train), "val": len(parts.val), "test": len(parts.test)},
        "best_epoch": int(max(rated, key=lambda row: row["val_map50_95"], default=history[-1])["epoch"]),
        "notes": [*parts.notes, *([] if parts.test else ["no image is left to test on; split the version first"])],
        "test": asdict(score_masks(parts.test, found, parts.class_names)) if parts.test else None,
    }
    beside = {
        TRUTH_FILE: json.dumps(to_truth(parts.test, parts.class_names)).encode(),
        PREDICTIONS_FILE: json.dumps(to_results(found)).encode(),
    }
    worst = sorted(zip(parts.test, found, strict=True), key=lambda pair: -_wrong(*pair))[:_WORST]
    pictures = {**draw_history(history), "worst_errors.png": draw_grid([_tile(*pair, parts) for pair in worst])}
    write_results(run, history=history, report=report, pictures={**pictures, **beside})


def _wrong(picture: Outlined, found: Sequence[Found]) -> int:
    """How many objects are missed and how many of the sure ones are none, each once."""
    sure = [one for one in found if one.score >= _SURE]
    hits = sum(
        any(one.label == label and _iou(one, mask) >= _SURE for one in sure)
        for label, mask in zip(picture.labels, picture.masks, strict=True)
    )
    return len(picture.labels) + len(sure) - 2 * hits


def _iou(found: Found, mask: Any) -> float:
    return float(coco_mask.iou([found.mask], [mask], [0])[0][0])


def _tile(picture: Outlined, found: Sequence[Found], parts: _Parts) -> Tile:
    """The truth's boxes and masks in one colour, what was found in another."""
    gain = picture.pixels.shape[1] / picture.size_hw[1]
    sure = [one for one in found if one.score >= _SURE]
    truth = [_drawn(mask, gain, TRUTH, "") for mask in picture.masks]
    drawn = [_drawn(one.mask, gain, FOUND, f"{parts.class_names[one.label - 1]} {one.score:.2f}") for one in sure]
    return Tile(picture.pixels, f"{len(truth)} objects, {len(sure)} found", (*truth, *drawn))


def _drawn(mask: Any, gain: float, colour: str, text: str) -> Drawn:
    left, top, width, height = (np.asarray(coco_mask.toBbox(mask)) * gain).tolist()
    return Drawn((left, top, left + width, top + height), colour, text)
