"""`carloop model evaluate`."""

from pathlib import Path
from typing import Any

from rich.console import Console

from datasets.coco import Dataset
from datasets.errors import BadInput
from datasets.files import digest, is_complete, read_json
from datasets.rights.tables import console, table
from pipelines.modelling.place import Place
from pipelines.output import write_json
from pipelines.progress import Progress
from training.bundle import Bundle, read_bundle
from training.errors import NotPublishable
from training.evaluate import predict_subject
from training.evaluation.folder import REPORT, SUBJECT, recompute, write_evaluation
from training.evaluation.resampling import Estimate
from training.evaluation.subject import Subject
from training.registry import RegisteredVersion


def evaluate_model(
    place: Place,
    reference: str,
    test_set: str | None,
    out: Path | None,
    *,
    resamples: int,
    seed: int,
    as_json: bool,
) -> None:
    """Write a model's evaluation on a test set, unless it is there, and tell of it."""
    registered = place.registry.find(reference)
    version, truth = read_test_set(place, test_set, registered)
    bundle = bundle_of(place, registered)
    asked = {"bundle": bundle.digest, "test_set": version, "resamples": resamples, "seed": seed}
    folder = out or place.evaluations / f"{registered.name}-{digest(asked)[:12]}"
    if is_complete(folder):
        report = _finished(folder, asked)
    else:
        subject = predict(place, bundle, truth, version, resamples=resamples, seed=seed)
        report = write_evaluation(subject, folder)
    _show(report, folder, as_json=as_json)


def recompute_evaluation(folder: Path, *, as_json: bool) -> None:
    """The report of a folder, from the files in it. Raises BadDataset when it is another than the one beside them."""
    _show(recompute(folder), folder, as_json=as_json)


def predict(place: Place, bundle: Bundle, truth: Dataset, version: str, *, resamples: int, seed: int) -> Subject:
    """A model's predictions on a test set."""
    total = len(truth.live.images)
    with Progress(Console(stderr=True)).step(f"predict with {bundle.name} on {total} images", total=total) as step:
        return predict_subject(
            bundle, truth, place.store, test_set=version, resamples=resamples, seed=seed, on_image=step.advance
        )


def read_test_set(place: Place, reference: str | None, registered: RegisteredVersion) -> tuple[str, Dataset]:
    """The digest and content of the version to test on. Raises BadInput when nobody says which."""
    reference = reference or registered.test_set
    if reference is None:
        raise BadInput(f"nobody said what {registered.name} was tested on; name a dataset version by --on")
    version, truth = place.read_version(reference)
    if not truth.live.images:
        raise BadInput(f"{version[:12]} has no image to test on; name another by --on")
    return version, truth


def bundle_of(place: Place, registered: RegisteredVersion) -> Bundle:
    """What serves a version. Raises NotPublishable when it has no bundle, TamperedBundle when it is broken."""
    if registered.bundle is None:
        raise NotPublishable(f"{registered.name} has no bundle; write one and describe the version with it first")
    return read_bundle(place.bundles, registered.bundle)


def _finished(folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """The report that is there. Raises BadInput when the folder holds another evaluation."""
    told = read_json(folder / SUBJECT)
    differing = sorted(name for name, value in asked.items() if told.get(name) != value)
    if differing:
        raise BadInput(
            f"{folder} holds an evaluation with another {', '.join(differing)}; name another folder by --out"
        )
    report: dict[str, Any] = read_json(folder / REPORT)
    return report


def _show(report: dict[str, Any], folder: Path, *, as_json: bool) -> None:
    if as_json:
        write_json({"folder": str(folder), **report})
        return
    out = console()
    out.print(
        f"{report['model']} on {report['images']} images of {report['families']} families, "
        f"{report['objects']} objects (test set {report['test_set'][:12]})",
        soft_wrap=True,
    )
    metrics = [(name, interval(found)) for name, found in report["overall"].items()]
    out.print(table("Overall, with what holds 95 of 100 resamples", ("metric", "value"), metrics))
    names = list(dict.fromkeys(name for found in report["by_class"].values() for name in found if name != "objects"))
    by_masks = [name for name in names if name.startswith("mask_")]
    out.print(_class_table("By class", report["by_class"], [name for name in names if name not in by_masks]))
    if by_masks:
        out.print(_class_table("By class, by masks", report["by_class"], by_masks))
    slices = [(one["by"], one["name"], one["images"], _first_metric(one)) for one in report["slices"]]
    out.print(table("By slice", ("by", "slice", "images", "mAP50 or macro F1"), slices, texts=2))
    if "errors" in report:
        rows = [(kind, _count(found)) for kind, found in report["errors"].items()]
        out.print(table("Kinds of errors (as in TIDE)", ("kind", "boxes"), rows))
    out.print(f"Report: {folder / REPORT}", soft_wrap=True)


def _class_table(title: str, by_class: dict[str, Any], names: list[str]) -> Any:
    rows = [
        (name, found["objects"], *(interval(found[metric]) for metric in names)) for name, found in by_class.items()
    ]
    return table(title, ("class", "objects", *names), rows)


def _first_metric(one: dict[str, Any]) -> str:
    return interval(one["map50"] if "map50" in one else one["macro_f1"])


def _count(found: dict[str, float | None]) -> str:
    return f"{found['value'] or 0:.0f} ({found['low'] or 0:.0f}–{found['high'] or 0:.0f})"


def interval(found: dict[str, float | None] | Estimate) -> str:
    """A number with its interval, for a table."""
    value, low, high = found.values() if isinstance(found, dict) else (found.value, found.low, found.high)
    if value is None:
        return "n/a"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f}–{high:.3f})"
