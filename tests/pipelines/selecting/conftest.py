"""Small rendered cars as truth and as a version, and published models that answer at once."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper

from datasets.rendering import write_rendered_cars
from pipelines.selecting.cli import select_command, simulate_command
from training.bundle import BundleSpec, publish, write_bundle

SIZE = 64
CLASSES = ("dent", "damaged hood")
TAGS = ("clean", "dirty")


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("truth") / "cars"
    write_rendered_cars(folder, cars=24, seed=5, size=64)
    return folder


def write_classifier(path: Path, *, seed: int) -> Path:
    """A random convolution, pooled, and a linear head: probabilities of TAGS."""
    rng = np.random.default_rng(seed)
    nodes = [
        helper.make_node("Conv", ["images", "kernel"], ["map"], strides=[16, 16]),
        helper.make_node("Relu", ["map"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "weights", "offsets"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["output"], axis=1),
    ]
    constants = {
        "kernel": rng.standard_normal((12, 3, 16, 16)) / 16,
        "weights": rng.standard_normal((len(TAGS), 12)),
        "offsets": np.zeros(len(TAGS)),
    }
    return _save(path, nodes, constants, ["batch", len(TAGS)])


def write_detector(path: Path, *, seed: int) -> Path:
    """A random convolution over 2 x 2 places, each an anchor: (N, 4 + classes, 4) boxes and scores."""
    rng = np.random.default_rng(seed)
    nodes = [
        helper.make_node("Conv", ["images", "kernel"], ["map"], strides=[32, 32]),
        helper.make_node("Relu", ["map"], ["active"]),
        helper.make_node("Conv", ["active", "mix"], ["mixed"]),
        helper.make_node("Reshape", ["mixed", "shape"], ["flat"]),
        helper.make_node("Sigmoid", ["flat"], ["shares"]),
        helper.make_node("Mul", ["shares", "scale"], ["output"]),
    ]
    channels = 4 + len(CLASSES)
    constants = {
        "kernel": rng.standard_normal((16, 3, 32, 32)) / 32,
        "mix": rng.standard_normal((channels, 16, 1, 1)),
        "shape": np.array([-1, channels, 4], np.int64),
        "scale": np.array([SIZE] * 4 + [1.0] * len(CLASSES)).reshape(1, channels, 1),
    }
    return _save(path, nodes, constants, ["batch", channels, 4])


def _save(path: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], shape: list[object]) -> Path:
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)
    held = [
        numpy_helper.from_array(value if value.dtype == np.int64 else value.astype(np.float32), name)
        for name, value in constants.items()
    ]
    graph = helper.make_graph(nodes, "tiny", [images], [output], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def publish_models(bundles: Path, scratch: Path) -> dict[str, Path]:
    """Publish a detector and a classifier; their bundles' folders by task."""
    detector = BundleSpec(task="detector", model="damage_detector", version="1", class_names=CLASSES, image_size=SIZE)
    classifier = BundleSpec(
        task="classifier", model="cleanliness_classifier", version="1", class_names=TAGS, image_size=SIZE
    )
    folders = {}
    for spec, graph in (
        (detector, write_detector(scratch / "detector.onnx", seed=1)),
        (classifier, write_classifier(scratch / "classifier.onnx", seed=2)),
    ):
        digest = write_bundle(bundles, spec, graph)
        publish(bundles, spec.model, digest)
        folders[spec.task] = bundles / digest
    return folders


def select(*arguments: object) -> Result:
    return CliRunner().invoke(select_command, list(map(str, arguments)))


def simulate(*arguments: object) -> Result:
    return CliRunner().invoke(simulate_command, list(map(str, arguments)))
