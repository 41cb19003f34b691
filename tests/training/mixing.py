"""A graph whose answers are known for every picture: weighted means of its channels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_mixing_graph(path: Path, weights: np.ndarray, bias: Sequence[float], *, size: int, anchors: bool) -> Path:
    """A graph whose outputs are the mean red, green and blue of a picture (each in [0, 1]) @ weights + bias.

    With `anchors` they are one anchor's of a YOLO: centre x, y, width, height in pixels, then scores.
    """
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["mixed"]),
        helper.make_node("Add", ["mixed", "bias"], ["added" if anchors else "output"]),
    ]
    if anchors:
        nodes.append(helper.make_node("Unsqueeze", ["added", "axes"], ["output"]))
    constants = [
        numpy_helper.from_array(weights.astype(np.float32), "weights"),
        numpy_helper.from_array(np.array(bias, np.float32), "bias"),
        numpy_helper.from_array(np.array([2], np.int64), "axes"),
    ]
    shape = ["batch", len(bias), *([1] if anchors else [])]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, size, size])
    answer = helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "mixing", [images], [answer], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path
