"""Train a detector, test it, and write its run folder."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from datasets.coco import Dataset, Image, to_records
from datasets.files import digest, read_json
from datasets.versions import ANNOTATIONS, write_content
from pipelines.dataset.options import find_project, open_shelf
from pipelines.output import show
from pipelines.progress import Progress
from pipelines.training.data import TrainingData, read_training_data
from pipelines.training.options import Asked
from pipelines.training.results import write_tested
from pipelines.training.running import train_once
from training.bundle import MODEL_FILE, Bundle, BundleSpec, class_names, file_sha256
from training.detector_data import readable_images
from training.evaluate import predict_subject
from training.jobs import HISTORY_FILE, DetectorJob, run_training
from training.run_folder import RunFolder
from training.settings import AUTO_BATCH, DetectorSettings
from training.starting_weights import read_starting_weights

MODEL = "damage_detector"
_DRY_TEST_IMAGES = 4


@dataclass(frozen=True)
class Begin:
    """The weights to begin with, if any, and the SHA-256 of a pickle that may be opened for them."""

    weights: Path | None = None
    trust: str | None = None

    @property
    def sha256(self) -> str | None:
        return file_sha256(self.weights) if self.weights and self.weights.is_file() else None


@dataclass(frozen=True)
class _Training:
    """What is learnt from what, and how."""

    settings: DetectorSettings
    seed: int
    begin: Begin
    data: TrainingData
    is_dry: bool = False


def train_and_test(asked: Asked, settings: DetectorSettings, begin: Begin) -> None:
    """Do it all and tell of it; what an earlier call of the same did is not done again."""
    progress = Progress(Console(stderr=True))
    project = find_project(asked.project_path)
    data = read_training_data(open_shelf(asked.home), asked.data, project=project, progress=progress, seed=asked.seed)
    training = _Training(settings, asked.seed, begin, data)
    if asked.is_dry:
        _try_out(training, progress, as_json=asked.as_json)
        return
    config = {**settings.model_dump(mode="json"), "seed": asked.seed, "data": data.digest, "weights": begin.sha256}
    run = train_once(
        asked,
        lambda run: _train(training, run, progress),
        task="detector",
        key=digest(config),
        config=config,
        progress=progress,
    )
    _show(run, as_json=asked.as_json)


def _try_out(training: _Training, progress: Progress, *, as_json: bool) -> None:
    """One batch of everything, in a folder that is dropped."""
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), training.data
        settings = training.settings.model_copy(update={"epochs": 1, "plain_epochs": 0})
        dataset = _first_batch(data.dataset.live, settings)
        version = write_content(to_records(dataset), folder)
        few = replace(data, dataset=dataset, annotations=folder / version / ANNOTATIONS, digest=version)
        run = RunFolder(folder / "run")
        run.path.mkdir()
        _train(replace(training, settings=settings, data=few, is_dry=True), run, progress)
        report = run.read_report()
    show({"dry_run": "one batch of everything worked", "images": report["images"]}, as_json=as_json)


def _first_batch(dataset: Dataset, settings: DetectorSettings) -> Dataset:
    batch = (AUTO_BATCH if settings.batch == "auto" else settings.batch) * settings.accumulate
    train = _with_boxes_first(dataset, "train")[: max(batch, 2)]
    return dataset.only(image.sha256 for image in (*train, *_with_boxes_first(dataset, "test")[:_DRY_TEST_IMAGES]))


def _with_boxes_first(dataset: Dataset, split: str) -> list[Image]:
    images = [image for image in dataset.images if image.split == split]
    return sorted(images, key=lambda image: not dataset.annotations_of.get(image.sha256))


def _train(training: _Training, run: RunFolder, progress: Progress) -> None:
    data, settings = training.data, training.settings
    notes: list[str] = []
    job = DetectorJob(
        dataset=data.annotations,
        taxonomy=data.taxonomy,
        store=data.store,
        out=run.best.absolute(),
        seed=training.seed,
        initial_weights=_starting_weights(training.begin, run, notes),
        checkpoints=run.checkpoints.absolute(),
        settings=settings,
    )
    train = [image for image in data.dataset.live.images if image.split == "train"]
    with progress.step(f"train {settings.model} on {len(train)} images") as step:
        run_training(
            job,
            log=run.log,
            on_epoch=lambda epoch, epochs, row: step.advance(to=epoch, of=epochs, note=_row_told(row)),
            on_note=notes.append,
        )
    for note in () if training.is_dry else dict.fromkeys(notes):  # of a single batch they would mislead
        progress.say(f"    {note}")
    _test(training, run, job, progress, notes)


def _starting_weights(begin: Begin, run: RunFolder, notes: list[str]) -> Path | None:
    if begin.weights is None:
        return None
    weights, told = read_starting_weights(begin.weights, run.path / "starting", trust=begin.trust)
    notes += told
    return weights.absolute()


def _test(training: _Training, run: RunFolder, job: DetectorJob, progress: Progress, notes: list[str]) -> None:
    data, live = training.data, training.data.dataset.live
    readable, unreadable = readable_images([image for image in live.images if image.split == "test"], data.store)
    truth = live.only(image.sha256 for image in readable)
    for note in unreadable:
        notes.append(f"of those to test on, {note}")
        progress.say(f"    {notes[-1]}")
    history = read_json(run.best / HISTORY_FILE)
    report: dict[str, Any] = {
        "task": "detector",
        "model": training.settings.model,
        "data": data.digest,
        "images": dict(Counter(image.split for image in live.images if image.split)),
        "best_epoch": _best_epoch(history),
        "notes": list(dict.fromkeys(notes)),
    }
    subject = None
    if truth.images:
        with progress.step(f"test on {len(truth.images)} images", total=len(truth.images)) as step:
            subject = predict_subject(
                unpublished_bundle(run.best, job),
                truth,
                data.store,
                test_set=data.digest,
                seed=training.seed,
                on_image=step.advance,
            )
    write_tested(run, subject, data.store, history=history, report=report)


def unpublished_bundle(best: Path, job: DetectorJob) -> Bundle:
    """The trained folder as what would be served, without publishing it."""
    spec = BundleSpec(
        task="detector",
        model=MODEL,
        version="0",
        class_names=class_names(job.taxonomy, "detector"),
        image_size=job.settings.image_size,
        shape="polygon" if job.settings.is_segmentation else "rectangle",
        files={MODEL_FILE: file_sha256(best / MODEL_FILE)},
    )
    return Bundle(best, digest(spec.model_dump(mode="json")), spec)


def _best_epoch(history: list[dict[str, float]]) -> int:
    """The epoch whose weights were kept: the best on what was kept back, or without that the last."""
    rated = [row for row in history if "val_map50_95" in row]
    best = max(rated, key=lambda row: (row["val_map50_95"], row["epoch"]), default=history[-1])
    return int(best["epoch"])


def _row_told(row: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in row.items())


def _show(run: RunFolder, *, as_json: bool) -> None:
    report = run.read_report()
    test = report["test"] or {"overall": {}}
    figures = {name: one["value"] for name, one in test["overall"].items() if one["value"] is not None}
    shown = figures if as_json else {name: f"{value:.4f}" for name, value in figures.items()}
    told = {"run": str(run.path), "model": report["model"], "images": report["images"]}
    show(
        {**told, "best_epoch": report["best_epoch"], "test": shown, "notes": report["notes"]},
        as_json=as_json,
        notes=report["notes"],
    )
