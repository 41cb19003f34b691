"""Exported models as what answers squares: (S, S, 3) uint8 RGB in, the outputs of the bundle's own graph out."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from training.bundle import Bundle
from training.errors import CannotExport
from training.exporting.formats import BIN, ENGINE, SCRIPT, XML, Format
from training.predicting.graphs import Graph, Runs, Tag
from training.predicting.pictures import Floats, Pixels


def open_export(form: Format, bundle: Bundle, folder: Path) -> Runs:
    """The bundle's model in a form that was written into `folder`. Raises BadBundle, CannotExport."""
    if form == "onnx":
        return Graph(bundle)
    if form in ("openvino", "openvino-int8"):
        return Graph(bundle, exported=((folder / XML).read_bytes(), (folder / BIN).read_bytes()))
    if form == "torchscript":
        return ScriptGraph(folder / SCRIPT, bundle.spec.image_size)
    return EngineGraph(folder / ENGINE, bundle.spec.image_size)


class OneByOne:
    """Answers squares one after another."""

    size: int

    @contextmanager
    def answers(self, square: Pixels) -> Iterator[Sequence[Floats]]:
        yield self._answer(square)

    def stream(self, squares: Iterable[tuple[Tag, Pixels]]) -> Iterator[tuple[Tag, Sequence[Floats]]]:
        for tag, square in squares:
            yield tag, self._answer(square)

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        outputs = self._answer(np.zeros((self.size, self.size, 3), np.uint8))
        return [(1, *output.shape) for output in outputs]

    def _answer(self, square: Pixels) -> Sequence[Floats]:
        raise NotImplementedError


class ScriptGraph(OneByOne):
    """A TorchScript file, on the CPU."""

    def __init__(self, path: Path, size: int) -> None:
        import torch

        self.size, self._torch = size, torch
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            self._module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]

    def _answer(self, square: Pixels) -> Sequence[Floats]:
        with self._torch.inference_mode():
            found = self._module(self._torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255)
        return [each[0].numpy() for each in (found if isinstance(found, tuple) else (found,))]


class EngineGraph(OneByOne):
    """A TensorRT engine, on the GPU that it was built on."""

    def __init__(self, path: Path, size: int) -> None:
        import tensorrt as trt  # type: ignore[import-not-found]
        import torch

        self.size, self._torch = size, torch
        engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(path.read_bytes())
        if engine is None:
            raise CannotExport(f"{path} does not run on this machine's GPU; export it here again")
        self._engine, self._context = engine, engine.create_execution_context()
        names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
        self._outputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT]

    def _answer(self, square: Pixels) -> Sequence[Floats]:
        torch = self._torch
        images = (torch.from_numpy(square).cuda().permute(2, 0, 1)[None].float() / 255).contiguous()
        self._context.set_input_shape("images", tuple(images.shape))
        self._context.set_tensor_address("images", images.data_ptr())
        found: dict[str, Any] = {}
        for name in self._outputs:
            found[name] = torch.empty(tuple(self._context.get_tensor_shape(name)), device="cuda")
            self._context.set_tensor_address(name, found[name].data_ptr())
        stream = torch.cuda.current_stream()
        self._context.execute_async_v3(stream.cuda_stream)
        stream.synchronize()
        return [found[name][0].cpu().numpy() for name in self._outputs]


class Recorded(OneByOne):
    """Answers that were given elsewhere, for squares that come in the same order."""

    def __init__(self, size: int, outputs: Sequence[Floats]) -> None:
        """`outputs` are (N, …) arrays, one for each of the graph's outputs."""
        self.size, self._outputs, self._next = size, outputs, 0

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        return [(1, *output.shape[1:]) for output in self._outputs]

    def _answer(self, square: Pixels) -> Sequence[Floats]:
        self._next += 1
        return [output[self._next - 1] for output in self._outputs]
