"""What it is worth to leave unknown classes out of the loss, on rendered cars with classes hidden per image.

    python -m benchmarks.partial_labels [CONFIG] [KEY=VALUE]... [--cars 300] [--hidden 0.5] [--seeds 3] [--json]

Three detectors of the same recipe are trained for each seed, and scored on the same fully labelled test split: `full`
sees every label; of each image `masked` and `background` see the labels of some classes only, the same ones: `masked`
knows that the others are unknown there, `background` takes them for absent. The gap is between `background` and `full`.

Told are mAP, which looks at the order of scores alone, and F1 at IoU 0.5 of what is served: all boxes above the
threshold. Where labels are hidden at random, taking them for absent lowers scores more than it changes their order.
"""

import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from datasets.coco import Annotation, Dataset, Image, make_dataset, write_coco
from datasets.files import digest
from datasets.importing import ImportSettings, import_dataset
from datasets.merge import merge
from datasets.rendering.write import write_rendered_cars
from datasets.split import SplitSettings, assign_splits, unit_hash
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY
from pipelines.progress import Progress
from pipelines.training.config import read_config
from pipelines.training.detector_run import unpublished_bundle
from pipelines.training.options import OVERRIDES
from training.evaluate import predict_subject
from training.evaluation.counts import quality
from training.evaluation.detection import DetectorEvaluation
from training.evaluation.scores import detector_scores
from training.evaluation.subject import Subject
from training.jobs import DetectorJob, run_training
from training.settings import DetectorSettings

ARMS = ("full", "masked", "background")
METRICS = ("map50", "map50_95", "served_f1")
_CLASSES = DEFAULT_TAXONOMY.ids("rectangle")


@click.command()
@click.argument("config", type=click.Path(path_type=Path), default=Path("configs/detector.yaml"))
@OVERRIDES
@click.option("--cars", type=click.IntRange(min=10), default=300, show_default=True, help="Cars rendered.")
@click.option("--size", type=click.IntRange(min=64), default=320, show_default=True, help="Their pictures' side.")
@click.option("--hidden", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Share of classes hidden.")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Trainings of each kind.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Keeps what is finished for a rerun.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(
    config: Path,
    overrides: tuple[str, ...],
    cars: int,
    size: int,
    hidden: float,
    seeds: int,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Train by CONFIG with full, masked and background labels, and compare."""
    settings = read_config(config, DetectorSettings, overrides=overrides)
    with _folder(folder) as place:
        result = measure(place, settings, cars=cars, size=size, hidden=hidden, seeds=seeds)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))


@contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder:
        yield folder.absolute()
    else:
        with tempfile.TemporaryDirectory(prefix="carloop-partial-") as name:
            yield Path(name)


def measure(
    folder: Path, settings: DetectorSettings, *, cars: int, size: int, hidden: float, seeds: int
) -> dict[str, Any]:
    """Each arm's scores by seed, and the share of the gap that masking closes."""
    progress = Progress(Console(stderr=True))
    store = ImageStore(folder / "store")
    whole = _render(folder / f"cars-{cars}-{size}", store, cars=cars, size=size)
    truth = whole.only(image.sha256 for image in whole.images if image.split == "test")
    key = digest([settings.model_dump(mode="json"), cars, size, hidden])[:12]
    scores: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for seed in range(seeds):
        for arm in ARMS:
            place = folder / f"{key}-{seed}-{arm}"
            place.mkdir(parents=True, exist_ok=True)
            write_coco(labels_of(arm, whole, hidden=hidden, seed=seed), place / "annotations.json")
            job = DetectorJob(
                dataset=place / "annotations.json",
                taxonomy=DEFAULT_TAXONOMY,
                store=store.root,
                out=place / "trained",
                seed=seed,
                settings=settings,
                checkpoints=place / "checkpoints",
            )
            with progress.step(f"{arm}, seed {seed}", total=settings.epochs) as step:
                run_training(job, log=place / "log", on_epoch=lambda *_, advance=step.advance: advance())
                found = predict_subject(unpublished_bundle(job.out, job), truth, store.root, test_set="")
            scores[arm].append(scores_at(found))
    images = {split: sum(image.split == split for image in whole.images) for split in ("train", "test")}
    asked = {"cars": cars, "size": size, "hidden": hidden, "settings": settings.model_dump(mode="json")}
    return {**asked, "seeds": seeds, "images": images, "scores": scores, **summary(scores)}


def scores_at(subject: Subject) -> dict[str, float]:
    """METRICS, each in [0, 1]."""
    found = cast(DetectorEvaluation, subject.evaluation())
    means = detector_scores(found)
    hits, wrong, objects = np.sum([by_image.sum(0) for by_image in found.served().values()], axis=0)
    served = float(quality(hits, wrong, objects).f1)
    return {"map50": means.map50 or 0.0, "map50_95": means.map50_95 or 0.0, "served_f1": served}


def _render(folder: Path, store: ImageStore, *, cars: int, size: int) -> Dataset:
    """Fully labelled, and split."""
    write_rendered_cars(folder, cars=cars, seed=0, size=size)
    imported = import_dataset(folder, taxonomy=DEFAULT_TAXONOMY, store=store, settings=ImportSettings())
    merged = merge(imported.datasets, taxonomy=DEFAULT_TAXONOMY)
    return assign_splits(merged, known={}, seed=0, settings=SplitSettings()).dataset


def labels_of(arm: str, whole: Dataset, *, hidden: float, seed: int) -> Dataset:
    """What an arm is told: everything, or of each image the same classes, the others unknown or taken for absent."""
    if arm == "full":
        return whole
    shown = {image.sha256: shown_classes(image, hidden=hidden, seed=seed) for image in whole.images}
    annotations = [one for one in whole.annotations if one.category_id in shown[one.sha256]]
    claimed = shown if arm == "masked" else {sha256: set(_CLASSES) for sha256 in shown}
    images = [_claiming(image, claimed[image.sha256], annotations) for image in whole.images]
    return make_dataset(whole.taxonomy, images, annotations)


def shown_classes(image: Image, *, hidden: float, seed: int) -> set[int]:
    """The classes that an image was annotated for, by hash."""
    order = sorted(_CLASSES, key=lambda one: unit_hash(f"{image.sha256}:{one}", seed=seed))
    return set(order[round(hidden * len(order)) :])


def _claiming(image: Image, classes: set[int], annotations: Sequence[Annotation]) -> Image:
    present = {one.category_id for one in annotations if one.sha256 == image.sha256}
    return replace(image, neg_category_ids=tuple(sorted(classes - present)), views=())


def summary(scores: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """Means over the seeds, and what masking gains over background, seed by seed, in points and as part of the gap."""
    told: dict[str, Any] = {"mean": {}, "gain": {}, "gap_closed": {}}
    for metric in METRICS:
        values = {arm: [row[metric] for row in rows] for arm, rows in scores.items()}
        mean = {arm: statistics.mean(found) for arm, found in values.items()}
        gains = [masked - background for masked, background in zip(values["masked"], values["background"], strict=True)]
        gap = mean["full"] - mean["background"]
        told["mean"][metric] = mean
        told["gain"][metric] = {"mean": statistics.mean(gains), "least": min(gains), "most": max(gains)}
        told["gap_closed"][metric] = (mean["masked"] - mean["background"]) / gap if gap > 0 else None
    return told


def table(result: Mapping[str, Any]) -> Table:
    title = f"{result['images']['train']} images, {result['hidden']:.0%} of classes hidden, {result['seeds']} seeds"
    shown = Table("metric", *ARMS, "masked over background (range)", "of the gap", title=title)
    for metric in METRICS:
        gain, closed = result["gain"][metric], result["gap_closed"][metric]
        shown.add_row(
            metric,
            *(f"{result['mean'][metric][arm]:.3f}" for arm in ARMS),
            f"{gain['mean']:+.3f} ({gain['least']:+.3f} to {gain['most']:+.3f})",
            "no gap" if closed is None else f"{closed:.0%}",
        )
    return shown


if __name__ == "__main__":
    main()
