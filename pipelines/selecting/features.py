"""A picture as a model sees it: the numbers that its last layer decides by, from the graph that is served."""

from typing import Any

import numpy as np
import openvino

from training.bundle import Bundle
from training.errors import BadBundle
from training.predicting.pictures import Floats, Letterbox, Pixels

_STRIDE = 32  # pixels of a picture per place of a backbone's coarsest map


class Embedder:
    """Embeds pictures by a published model.

    A classifier gives what goes into its head, which is linear. A detector gives the mean over the widest of its
    coarsest feature maps, which is where its backbone ends.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._size = bundle.spec.image_size
        core = openvino.Core()
        model = core.read_model(bundle.read_graph(), b"")
        model.reshape([1, 3, self._size, self._size])
        self._compiled = core.compile_model(openvino.Model([_features(model, bundle)], model.get_parameters()), "CPU")

    def embed(self, pixels: Pixels) -> Floats:
        """(D,) numbers for a picture, (H, W, 3) RGB."""
        square = Letterbox(self._size, *pixels.shape[:2]).place(pixels)
        planes = np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32) / 255
        found = self._compiled([planes])[0][0]
        features: Floats = found.reshape(len(found), -1).mean(axis=1)
        return features


def _features(model: Any, bundle: Bundle) -> Any:
    """The output to embed by. Raises BadBundle where the graph has none that is known."""
    operations = model.get_ordered_ops()
    heads = [op for op in operations if op.get_type_name() == "MatMul" and len(op.input(0).get_partial_shape()) == 2]
    if heads:
        return heads[-1].input_value(0)
    places = max(bundle.spec.image_size // _STRIDE, 1)
    maps = [output for op in operations for output in op.outputs() if list(output.partial_shape)[2:] == [places] * 2]
    if not maps:
        raise BadBundle(f"{bundle.model_path} has no features to embed pictures by; choose a strategy without distance")
    widest = max(_channels(output) for output in maps)
    return next(output for output in reversed(maps) if _channels(output) == widest)


def _channels(output: Any) -> int:
    return int(output.partial_shape[1].get_length())
