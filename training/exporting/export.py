"""An exported model: a folder named by the digest of what it was made from, beside the bundles.

    <bundles>/exports/<digest>/manifest.json   format, bundle, SHA-256 of each file, parity, speed; written last
    <bundles>/exports/<digest>/model.*         the model in that format

The same bundle, format and pictures are exported once.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from datasets.coco import Dataset
from datasets.files import MANIFEST, digest, is_complete, new_folder, read_json, write_json
from training.bundle import Bundle, file_sha256
from training.errors import UndecodableImage
from training.evaluate import EVALUATION_THRESHOLD, score_classifier, score_detector
from training.exporting.children import run_child
from training.exporting.formats import SQUARES, Format, require_possible, write_format
from training.exporting.parity import agrees, compare, measure_speed, predict_squares, speed_of
from training.exporting.runners import Recorded, open_export
from training.jobs import JOB_FILE, WEIGHTS_FILE
from training.predicting.graphs import Graph, Runs
from training.predicting.pictures import Letterbox, Pixels, decode_ahead
from training.predictors import Classifier, load_predictor

EXPORTS = "exports"
Tell = Callable[[str], object]


@dataclass(frozen=True)
class Material:
    """What an export is made and measured with: paths of pictures, a test set with its store, and the training.

    `training` is the folder of the trained weights, against which parity is measured; else it is the bundle's graph.
    """

    calibration: Sequence[Path] = ()
    images: Sequence[Path] = ()
    truth: Dataset | None = None
    truth_digest: str | None = None
    store: Path = field(default_factory=Path)
    training: Path | None = None

    @property
    def trained(self) -> Path | None:
        """The training's folder, if it has all that its network is made from."""
        needed = [self.training / name for name in (WEIGHTS_FILE, JOB_FILE)] if self.training else []
        return self.training if needed and all(path.is_file() for path in needed) else None


def export_bundle(bundle: Bundle, form: Format, bundles: Path, material: Material, *, tell: Tell) -> dict[str, Any]:
    """The manifest of the bundle's export in that form, with its `folder`; made and measured unless it is there.

    Raises:
        CannotExport: this machine or model lacks what the format needs.
        UndecodableImage: a picture to calibrate or measure on cannot be read.
    """
    wanted = material.calibration if form == "openvino-int8" else ()
    require_possible(form, calibration=len(wanted), training=material.trained)
    folder = bundles / EXPORTS / digest(_decides(bundle, form, wanted, material))
    if not is_complete(folder):
        with new_folder(folder) as part:
            tell(f"write {form}")
            calibration = read_squares(wanted, bundle.spec.image_size)
            write_format(form, bundle, part, calibration=calibration, training=material.trained)
            files = {path.name: file_sha256(path) for path in sorted(part.iterdir())}
            tell(f"measure {form}")
            measured = _measure(bundle, form, part, material)
            write_json(part / MANIFEST, {**_told(bundle, form, wanted), "files": files, **measured})
    return {**read_json(folder / MANIFEST), "folder": str(folder)}


def read_squares(paths: Sequence[Path], size: int) -> list[Pixels]:
    """Each picture on a square. Raises UndecodableImage, with the path."""
    squares = []
    for path, decoded in decode_ahead((path, path.read_bytes()) for path in paths):
        if isinstance(decoded, UndecodableImage):
            raise UndecodableImage(f"{path}: {decoded}")
        squares.append(Letterbox(size, *decoded.shape[:2]).place(decoded))
    return squares


def _decides(bundle: Bundle, form: Format, calibration: Sequence[Path], material: Material) -> list[Any]:
    pictures = [sorted(file_sha256(path) for path in paths) for paths in (calibration, material.images)]
    return [bundle.digest, form, version("openvino"), *pictures, material.truth_digest, material.trained is not None]


def _told(bundle: Bundle, form: Format, calibration: Sequence[Path]) -> dict[str, Any]:
    return {
        "format": form,
        "model": bundle.name,
        "bundle": bundle.digest,
        "spec": bundle.spec.model_dump(mode="json"),
        "calibration_images": len(calibration),
    }


def _measure(bundle: Bundle, form: Format, folder: Path, material: Material) -> dict[str, Any]:
    exported = open_export(form, bundle, folder)
    told: dict[str, Any] = {}
    if material.images:
        squares = read_squares(material.images, bundle.spec.image_size)
        told = _measure_on(bundle, exported, squares, material.trained)
    if material.truth:
        told["accuracy"] = compare_accuracy(bundle, exported, material.truth, material.store)
    if material.images:
        told["agrees"] = agrees(told.pop("found"), costs=_cost(told.get("accuracy")))
    return told


def _cost(accuracy: Mapping[str, Mapping[str, float]] | None) -> float | None:
    """What the primary metric loses; None where it was not measured."""
    lost = accuracy["difference"] if accuracy else {}
    return next((-lost[name] for name in ("map50_95", "macro_f1") if name in lost), None)


def _measure_on(bundle: Bundle, exported: Runs, squares: Sequence[Pixels], trained: Path | None) -> dict[str, Any]:
    graph = Graph(bundle)
    speeds = {"export": asdict(measure_speed(exported, squares)), "bundle": asdict(measure_speed(graph, squares))}
    reference: Runs = graph
    if trained:
        reference, rates = run_trained(bundle, trained, squares)
        speeds["trained"] = asdict(speed_of(rates))
    before, after = (predict_squares(bundle, each, squares) for each in (reference, exported))
    found = compare(before, after)
    parity = {"against": "trained" if trained else "bundle", **asdict(found)}
    return {"found": found, "parity": parity, "images_per_second": speeds}


def run_trained(bundle: Bundle, training: Path, squares: Sequence[Pixels]) -> tuple[Recorded, list[float]]:
    """The trained model's own answers, by torch in a process of its own, and images a second of each of its passes."""
    with tempfile.TemporaryDirectory(prefix="carloop-trained-") as name:
        given, answers = Path(name) / SQUARES, Path(name) / "answers.npz"
        np.save(given, np.stack(squares))
        told = run_child("run", training, str(len(bundle.spec.class_names)), given, answers)
        with np.load(answers) as found:
            outputs = [found[key] for key in found]
    return Recorded(bundle.spec.image_size, outputs), told["images_per_second"]


def compare_accuracy(bundle: Bundle, exported: Runs, truth: Dataset, store: Path) -> dict[str, Mapping[str, float]]:
    """mAP, or macro F1 and accuracy, of the bundle's graph and the exported one on a test set, and what it costs."""
    before, after = (_score(bundle, graph, truth, store) for graph in (Graph(bundle), exported))
    cost = {name: round(after[name] - before[name], 6) for name in before if name in after}
    return {"bundle": before, "export": after, "difference": cost}


def _score(bundle: Bundle, graph: Runs, truth: Dataset, store: Path) -> dict[str, float]:
    predictor, truth = load_predictor(bundle, graph=graph), truth.live
    contents = ((image.sha256, (store / image.file_name).read_bytes()) for image in truth.images)
    pictures = ((sha256, decoded) for sha256, decoded in decode_ahead(contents) if isinstance(decoded, np.ndarray))
    if isinstance(predictor, Classifier):
        scores = asdict(score_classifier(truth, dict(predictor.predict_stream(pictures))))
    else:
        found = dict(predictor.predict_stream(pictures, threshold=EVALUATION_THRESHOLD))
        scores = asdict(score_detector(truth, found))
    return {name: round(value, 6) for name, value in scores.items() if isinstance(value, float)}
