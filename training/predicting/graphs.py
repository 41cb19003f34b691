"""A bundle's ONNX graph on this machine's CPU, through OpenVINO. It takes squares: (S, S, 3) uint8 RGB.

One square at a time is answered as soon as can be; many are answered several at once, as fast as the machine goes.
Pixels become floats in [0, 1] inside of the compiled graph, which costs less than doing so outside.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

from training.bundle import Bundle
from training.errors import BadBundle, NoSuchPrecision
from training.predicting.pictures import Floats, Pixels

Precision = Literal["f32", "bf16", "auto"]
"""What the graph computes in; `auto` is bf16 where the CPU multiplies in it, and f32 elsewhere."""
Tag = TypeVar("Tag")

_CPU = "CPU"
_AHEAD = 2  # squares handed over per square that is computed on, so that none waits for the caller


class Runs(Protocol):
    """What answers squares: a compiled graph, or the same model in another form."""

    size: int

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """One for each output, with a first axis of 1."""

    def answers(self, square: Pixels) -> AbstractContextManager[Sequence[Floats]]:
        """The outputs for one square, to be read within the block."""

    def stream(self, squares: Iterable[tuple[Tag, Pixels]]) -> Iterator[tuple[Tag, Sequence[Floats]]]:
        """The outputs for each (tag, square), in order; each is to be read before the next is asked for."""


class Graph:
    """A compiled graph; may be used from several threads.

    `exported` is OpenVINO's own form of it, (model.xml, model.bin), to be run in place of the bundle's.
    """

    def __init__(
        self, bundle: Bundle, *, precision: Precision = "f32", exported: tuple[bytes, bytes] | None = None
    ) -> None:
        self.size = bundle.spec.image_size
        self._core = openvino.Core()
        self._precision = _supported(precision, self._core)
        try:
            self._model = _read(bundle, exported or (bundle.read_graph(), b""), self._core)
            self.output_shapes = [tuple(output.shape) for output in self._model.outputs]
            self._quick = self._compile("LATENCY")
        except RuntimeError as error:
            raise BadBundle(f"{bundle.model_path} is no usable graph: {error}; publish it again") from error
        self._idle: deque[Any] = deque()
        with self.answers(np.zeros((self.size, self.size, 3), np.uint8)):
            pass  # the first answer takes longer than all others

    @contextmanager
    def answers(self, square: Pixels) -> Iterator[Sequence[Floats]]:
        """The graph's outputs for one square, to be read within the block."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._quick.create_infer_request()
        try:
            request.infer([square[None]], share_inputs=True, share_outputs=True)
            yield _outputs(request)
        finally:
            self._idle.append(request)

    def stream(self, squares: Iterable[tuple[Tag, Pixels]]) -> Iterator[tuple[Tag, Sequence[Floats]]]:
        """The outputs for each (tag, square), in order; each is to be read before the next is asked for.

        `squares` are asked for while earlier ones are computed on, and only as many as are.
        """
        idle = deque(self._many.create_infer_request() for _ in range(self._ahead))
        busy: deque[tuple[Tag, Any, Pixels]] = deque()
        try:
            for tag, square in squares:
                if not idle:
                    yield _finish(busy[0])
                    idle.append(busy.popleft()[1])
                request = idle.popleft()
                request.start_async([square[None]], share_inputs=True)
                busy.append((tag, request, square))
            while busy:
                yield _finish(busy[0])
                busy.popleft()
        finally:
            for _, request, _ in busy:  # their inputs are ours
                request.wait()

    @cached_property
    def _many(self) -> Any:
        return self._compile("THROUGHPUT")

    @property
    def _ahead(self) -> int:
        return _AHEAD * int(self._many.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

    def _compile(self, hint: str) -> Any:
        settings = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": self._precision}
        return self._core.compile_model(self._model, _CPU, settings)


def _read(bundle: Bundle, content: tuple[bytes, bytes], core: Any) -> Any:
    """The bundle's graph for one square, as bytes that are scaled in it."""
    model = core.read_model(*content)
    model.reshape([1, 3, bundle.spec.image_size, bundle.spec.image_size])
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
    return steps.build()


def _supported(precision: Precision, core: Any) -> str:
    has_bf16 = "BF16" in core.get_property(_CPU, "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and not has_bf16:
        raise NoSuchPrecision("this CPU does not compute in bf16; choose f32, or auto")
    return "bf16" if has_bf16 and precision != "f32" else "f32"


def _finish(under_way: tuple[Tag, Any, Pixels]) -> tuple[Tag, Sequence[Floats]]:
    tag, request, _ = under_way
    request.wait()
    return tag, _outputs(request)


def _outputs(request: Any) -> Sequence[Floats]:
    """What each output holds for the one square; gone when the request is used again."""
    return [tensor.data[0] for tensor in request.output_tensors]
