"""Train a classifier, test it, and write its run folder."""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationError
from rich.console import Console

from datasets.files import digest
from datasets.importing.folders import class_folders
from datasets.taxonomy import Category, Taxonomy, validation_problems
from pipelines.dataset.options import find_project, open_shelf
from pipelines.errors import BadProject
from pipelines.output import show
from pipelines.progress import Progress
from pipelines.training.data import read_training_data
from pipelines.training.options import Asked
from pipelines.training.running import train_once
from training.charts import Tile, draw_confusion, draw_grid, draw_history, draw_precision_recall
from training.classifier import samples_of
from training.classifying.answers import Answers, read_answers, to_csv
from training.classifying.samples import Samples, find_class_names, require_two_classes
from training.classifying.scores import Scores, precision_recall, score
from training.jobs import HISTORY_FILE, ClassifierJob, run_training
from training.predictors import decode_image
from training.run_folder import RunFolder, write_results
from training.settings import AUTO_BATCH, ClassifierSettings

PREDICTIONS_FILE = "test_predictions.csv"
_WORST = 16


class ClassifierConfig(ClassifierSettings):
    """A classifier's configuration file."""

    classes: tuple[str, ...] = Field((), description="by the network's output; those of the data when none are given")


def train_and_test(asked: Asked, config: ClassifierConfig) -> None:
    """Do it all and tell of it; what an earlier call of the same did is not done again."""
    progress = Progress(Console(stderr=True))
    job = _job(asked, config, progress)
    samples = samples_of(job)
    require_two_classes(samples, job.dataset)
    if asked.is_dry:
        with tempfile.TemporaryDirectory() as folder:
            _train(RunFolder(Path(folder)), job, samples, progress)
        show({"dry_run": "one batch of everything worked", **_told(job, samples)}, as_json=asked.as_json)
        return
    decides = {**config.model_dump(mode="json"), "classes": list(samples.class_names), "seed": asked.seed}
    run = train_once(
        asked,
        lambda run: _train(run, job, samples, progress),
        task="classifier",
        key=digest([decides, str(job.dataset), _content(samples)]),
        config=decides,
        progress=progress,
    )
    report = run.read_report()
    test = report["test"] or {}
    figures = {name: test[name] for name in ("macro_f1", "accuracy", "auc_roc", "ece") if test.get(name) is not None}
    told = {"run": str(run.path), **_told(job, samples), "best_epoch": report["best_epoch"], **figures}
    show({**told, "notes": report["notes"]}, as_json=asked.as_json, notes=report["notes"])


def _job(asked: Asked, config: ClassifierConfig, progress: Progress) -> ClassifierJob:
    """The training, with paths that a run folder replaces. In a dry run it takes one batch of each part once."""
    settings = ClassifierSettings.model_validate(config.model_dump(exclude={"classes"}))
    if asked.is_dry:
        batch = AUTO_BATCH if settings.batch == "auto" else settings.batch
        settings = settings.model_copy(update={"epochs": 1, "max_images": batch * settings.accumulate})
    place, store = _find_data(asked, progress)
    names = config.classes or find_class_names(place, settings.labels)
    return ClassifierJob(
        dataset=place, taxonomy=_taxonomy(names), store=store, out=Path(), seed=asked.seed, settings=settings
    )


def _find_data(asked: Asked, progress: Progress) -> tuple[Path, Path]:
    """What the samples are read from, and the folder that its file names start from."""
    place = Path(asked.data).absolute()
    if place.is_file() and place.suffix.lower() == ".csv":
        return place, place.parent
    if place.is_dir() and class_folders(place):
        return place, place
    project = find_project(asked.project_path)
    found = read_training_data(open_shelf(asked.home), asked.data, project=project, progress=progress, seed=asked.seed)
    return found.annotations, found.store


def _taxonomy(names: Sequence[str]) -> Taxonomy:
    try:
        return Taxonomy(categories=tuple(Category(name=name, kind="tag") for name in names))
    except ValidationError as error:
        raise BadProject(f"classes: {'; '.join(validation_problems(error))}; name two or more, each once") from None


def _content(samples: Samples) -> list[Any]:
    """What tells these pictures from others, without reading them: paths, sizes in bytes, classes and parts."""
    return [(str(one.path), _bytes_in(one.path), one.target, one.part) for one in samples.samples]


def _bytes_in(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _told(job: ClassifierJob, samples: Samples) -> dict[str, Any]:
    counts = Counter(sample.part for sample in samples.samples)
    return {"model": job.settings.model, "classes": list(samples.class_names), "images": dict(counts)}


def _train(run: RunFolder, job: ClassifierJob, samples: Samples, progress: Progress) -> None:
    job = job.model_copy(update={"out": run.best.absolute(), "checkpoints": run.checkpoints.absolute()})
    notes: list[str] = []
    with progress.step(f"train {job.settings.model} on {len(samples.of('train'))} images") as step:
        run_training(
            job,
            log=run.log,
            on_epoch=lambda epoch, epochs, row: step.advance(to=epoch, of=epochs, note=_row_told(row)),
            on_note=notes.append,
        )
    history = _read_history(run)
    with progress.step(f"test on {len(samples.of('test'))} images"):
        names = samples.class_names
        answers = read_answers(run.best, samples.of("test"), names, image_size=job.settings.image_size)
    if answers.skipped:
        notes.append(f"{len(answers.skipped)} test images cannot be decoded and were skipped, {answers.skipped[0]}")
    scores = score(answers.probabilities, answers.targets, names) if answers.samples else None
    if scores is None:
        notes.append("no image is left to test on; give a test split, or test_fraction")
    report = {
        "task": "classifier",
        **_told(job, samples),
        "data": str(job.dataset),
        "best_epoch": _best_epoch(history),
        "notes": list(dict.fromkeys([*samples.notes, *notes])),
        "test": asdict(scores) if scores else None,
        "predictions": PREDICTIONS_FILE,
    }
    pictures = {**draw_history(history), **_pictures(answers, scores, names)}
    predictions = to_csv(answers, names, root=job.store).encode()
    write_results(run, history=history, report=report, pictures={**pictures, PREDICTIONS_FILE: predictions})


def _row_told(row: Mapping[str, float]) -> str:
    shown = {name: value for name, value in row.items() if name != "batch"}
    return "  ".join(f"{name} {value:.3f}" for name, value in shown.items())


def _read_history(run: RunFolder) -> list[dict[str, float]]:
    return RunFolder(run.best).read_history() if (run.best / HISTORY_FILE).exists() else []


def _best_epoch(history: Sequence[Mapping[str, float]]) -> int:
    """The epoch whose weights were kept: the best on the val part, or without one the last."""
    rank = [
        (row.get("val_macro_f1", 0), -row.get("val_loss", 0) if "val_loss" in row else row["epoch"]) for row in history
    ]
    return int(history[max(range(len(rank)), key=lambda number: rank[number])]["epoch"])


def _pictures(answers: Answers, scores: Scores | None, names: Sequence[str]) -> dict[str, bytes]:
    if scores is None:
        return {}
    curves = {
        name: precision_recall(answers.probabilities[:, index], answers.targets == index)
        for index, name in enumerate(names)
    }
    return {
        "confusion.png": draw_confusion(np.array(scores.confusion), names, names),
        "precision_recall.png": draw_precision_recall({name: curve for name, curve in curves.items() if curve[0]}),
        "worst_errors.png": draw_grid([_tile(answers, number, names) for number in answers.worst(_WORST)]),
    }


def _tile(answers: Answers, number: int, names: Sequence[str]) -> Tile:
    sample, row = answers.samples[number], answers.probabilities[number]
    found = int(row.argmax())
    return Tile(
        decode_image(sample.path.read_bytes()), f"{names[sample.target]}, taken for {names[found]} ({row[found]:.2f})"
    )
