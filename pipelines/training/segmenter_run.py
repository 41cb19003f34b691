"""Train a segmenter, test it, and write its run folder."""

import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from datasets.files import digest, is_complete
from pipelines.dataset.options import find_project, open_shelf
from pipelines.output import show
from pipelines.progress import Progress
from pipelines.training.data import TrainingData, read_training_data
from pipelines.training.options import Asked
from pipelines.training.results import write_tested
from pipelines.training.running import train_once
from training.jobs import SegmenterJob, run_training
from training.run_folder import RunFolder
from training.segmenter import predict_with_segmenter, told_skipped
from training.segmenting.outlined import Parts, choose_parts, read_outlined
from training.settings import SegmenterSettings


def train_and_test(asked: Asked, settings: SegmenterSettings) -> None:
    """Do it all and tell of it; what an earlier call of the same did is not done again."""
    progress = Progress(Console(stderr=True))
    project = find_project(asked.project_path)
    data = read_training_data(open_shelf(asked.home), asked.data, project=project, progress=progress, seed=asked.seed)
    if asked.is_dry:
        few = settings.model_copy(update={"epochs": 1, "max_images": settings.batch})
        with tempfile.TemporaryDirectory() as folder:
            run = RunFolder(Path(folder))
            _train(run, data, few, asked.seed, progress)
            report = run.read_report()
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
    _show(run, as_json=asked.as_json)


def _train(run: RunFolder, data: TrainingData, settings: SegmenterSettings, seed: int, progress: Progress) -> None:
    parts = choose_parts(data.dataset, settings, seed=seed)
    notes = [parts.note] if parts.note else []
    was_trained = is_complete(run.best)
    job = SegmenterJob(
        dataset=data.annotations,
        taxonomy=data.taxonomy,
        store=data.store,
        out=run.best.absolute(),
        seed=seed,
        checkpoints=run.checkpoints.absolute(),
        settings=settings,
    )
    with progress.step(f"train a Mask R-CNN on {len(parts.train)} images") as step:
        run_training(
            job,
            log=run.log,
            on_epoch=lambda epoch, epochs, row: step.advance(to=epoch, of=epochs, note=f"loss {row['loss']:.3f}"),
            on_note=notes.append,
        )
    if was_trained and (skipped := _skipped(parts, data, settings)):
        notes.append(told_skipped(skipped))
    _test(run, job, data, parts, notes, progress)


def _skipped(parts: Parts, data: TrainingData, settings: SegmenterSettings) -> list[str]:
    """The images that a training left out, of which it told somebody who was killed before the report."""
    images = (*parts.train, *parts.val)
    return read_outlined(data.dataset.live, images, data.store, size=settings.image_size)[1]


def _test(
    run: RunFolder, job: SegmenterJob, data: TrainingData, parts: Parts, notes: list[str], progress: Progress
) -> None:
    history = RunFolder(run.best).read_history()
    rated = [row for row in history if "val_mask_map50_95" in row]
    report: dict[str, Any] = {
        "task": "segmenter",
        "data": data.digest,
        "images": {"train": len(parts.train), "val": len(parts.val), "test": len(parts.test)},
        "best_epoch": int(max(rated, key=lambda row: row["val_mask_map50_95"], default=history[-1])["epoch"]),
        "notes": list(dict.fromkeys(notes)),
    }
    with progress.step(f"test on {len(parts.test)} images", total=len(parts.test)) as step:
        subject, skipped = predict_with_segmenter(
            job, data.dataset.live, parts.test, test_set=data.digest, on_image=step.advance
        )
    if skipped:
        report["notes"].append(told_skipped(skipped))
    write_tested(run, subject, data.store, history=history, report=report)


def _show(run: RunFolder, *, as_json: bool) -> None:
    report = run.read_report()
    overall = (report["test"] or {"overall": {}})["overall"]
    figures = {name: one["value"] for name, one in overall.items() if one["value"] is not None}
    shown = figures if as_json else {name: f"{value:.4f}" for name, value in figures.items()}
    told = {"run": str(run.path), **{name: report[name] for name in ("images", "best_epoch")}, "test": shown}
    show({**told, "notes": report["notes"]}, as_json=as_json, notes=report["notes"])
