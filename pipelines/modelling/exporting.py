"""What `carloop model export` makes an export with, and of: pictures, a test set, trained weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets.coco import Dataset, Split
from datasets.errors import BadDataset
from pipelines.modelling.place import Place
from pipelines.modelling.references import Model, find_model
from pipelines.predict.places import find_sources
from pipelines.progress import Progress
from training.exporting.export import EXPORTS, Material, export_bundle
from training.exporting.formats import Format


def export_model(
    place: Place,
    reference: str,
    form: Format,
    *,
    test_set: str | None,
    calibrate: Sequence[str],
    images: Sequence[str],
    most: int,
    trust: str | None,
    progress: Progress,
) -> dict[str, Any]:
    """The manifest of a model's export, made unless it is there. Raises CarloopError."""
    model = find_model(place, reference, trust=trust)
    title = f"export {model.bundle.name} to {form}"
    with progress.step(title) as step:
        material = find_material(place, model, test_set, calibrate=calibrate, images=images, most=most)
        told = export_bundle(
            model.bundle, form, place.bundles, material, tell=lambda doing: step.advance(to=0, of=None, note=doing)
        )
    _note(place, model, form, told)
    return told


def _note(place: Place, model: Model, form: Format, told: Mapping[str, Any]) -> None:
    """Say in the registry whether the export agrees; promotion asks for it."""
    if model.registered and "agrees" in told:
        parity = told["parity"]
        said = f"{parity['agreement']:.1%} of {parity['objects']} found alike, scores within "
        said += f"{parity['max_score_difference']:.4f} of the {parity['against']} model's"
        place.registry.note_parity(model.registered, form, agrees=told["agrees"], told=said)


def find_material(
    place: Place,
    model: Model,
    test_set: str | None,
    *,
    calibrate: Sequence[str] = (),
    images: Sequence[str] = (),
    most: int,
) -> Material:
    """What is given, else what the registry knows: training images to calibrate on, the test set to measure on."""
    registered = model.registered
    test_set = test_set or (registered.test_set if registered else None)
    truth_digest, truth = place.read_version(test_set) if test_set else (None, None)
    calibration = _paths(calibrate, place, most)
    if not calibration and registered:
        calibration = _stored(place, _trained_on(place, registered.dataset), "train", most)
    measured = _paths(images, place, most) or (_stored(place, truth, None, most) if truth else calibration)
    return Material(calibration, measured, truth, truth_digest, place.store, model.training)


def _paths(given: Sequence[str], place: Place, most: int) -> list[Path]:
    if not given:
        return []
    found = find_sources(given, out=place.bundles / EXPORTS, car_of="image", family_pattern=None)
    return _spread([source.path for source in found if not source.is_video], most)


def _trained_on(place: Place, version: str) -> Dataset | None:
    try:
        return place.read_version(version)[1]
    except BadDataset:  # it was trained elsewhere, or the version is gone
        return None


def _stored(place: Place, dataset: Dataset | None, split: Split | None, most: int) -> list[Path]:
    images = dataset.live.images if dataset else []
    return _spread([place.store / image.file_name for image in images if split in (None, image.split)], most)


def _spread(paths: Sequence[Path], most: int) -> list[Path]:
    """At most so many of them, evenly apart."""
    step = max(1.0, len(paths) / most)
    return [paths[int(number * step)] for number in range(min(most, len(paths)))]
