"""Cars that are green where they are dirty, and classifiers that look at how green a picture is."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from datasets.coco import Image, Provenance, Tag, make_dataset, with_negatives
from datasets.taxonomy import Category, Taxonomy
from datasets.versions import write_version
from pipelines.modelling.place import Place
from training.bundle import BundleSpec, write_bundle

NAME, SIZE, CARS = "cleanliness_classifier", 32, 8
TAXONOMY = Taxonomy(categories=(Category(name="clean", kind="tag"), Category(name="dirty", kind="tag")))


def write_green_graph(path: Path, gain: float) -> Path:
    """Probabilities of clean and dirty: 0.5 and 0.5 where half of a picture's green is there, by `gain` from that."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["mixed"]),
        helper.make_node("Add", ["mixed", "bias"], ["output"]),
    ]
    weights = np.zeros((3, 2), np.float32)
    weights[1] = (-gain, gain)
    bias = np.array([0.5 + gain / 2, 0.5 - gain / 2], np.float32)
    constants = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])
    answer = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 2])
    graph = helper.make_graph(nodes, "green", [images], [answer], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def write_cars(store: Path, split: str) -> list[Image]:
    """Two photographs of each car; a dirty one is green."""
    images = []
    for number in range(2 * CARS):
        dirty = number // 2 % 2
        pixels = np.random.default_rng([number, len(split)]).integers(0, 60, (SIZE, SIZE, 3), np.uint8)
        pixels[..., 1] += np.uint8(150 * dirty)
        content = cv2.imencode(".png", pixels)[1].tobytes()
        sha256 = hashlib.sha256(content).hexdigest()
        path = store / f"images/{sha256[:2]}/{sha256}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        images.append(
            Image(
                sha256,
                str(path.relative_to(store)),
                SIZE,
                SIZE,
                family=f"{split} car {number // 2}",
                split=split,  # type: ignore[arg-type]
                source=Provenance(license="CC0-1.0"),
                tags=(Tag(1 + dirty),),
            )
        )
    return images


def write_cars_version(place: Place, split: str) -> str:
    images = write_cars(place.store, split)
    return write_version(with_negatives(make_dataset(TAXONOMY, images, ()), TAXONOMY.ids()), place.versions)


def register(place: Place, gain: float, dataset: str, test_set: str) -> str:
    training = place.root / f"training {gain}"
    training.mkdir()
    registered = place.registry.register(NAME, key=str(gain), dataset=dataset, parent=None, training=training)
    spec = BundleSpec(
        task="classifier",
        model=NAME,
        version=registered.version,
        class_names=("clean", "dirty"),
        image_size=SIZE,
    )
    bundle = write_bundle(place.bundles, spec, write_green_graph(place.root / "model.onnx", gain))
    place.registry.describe(registered, bundle=bundle, metrics={"macro_f1": 0.5}, test_set=test_set)
    return registered.name
