"""How long models compute: forward and backward passes alone, by the wall's clock and the processor's, in seconds.

Passes are made one at a time and by the thread that asks for them, so that nothing else hides behind them and what
they take can be told exactly. It replaces methods of OpenVINO and torch, which is why only a process of its own may
be clocked.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any


@dataclass
class ModelClock:
    """Seconds and number of all passes so far; `between` are seconds from the first to the last without a pass."""

    wall: float = 0.0
    processor: float = 0.0
    passes: int = 0
    between: float = 0.0
    between_processor: float = 0.0
    _last: tuple[float, float] | None = None
    _is_running: bool = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """One pass; a pass within it, as of a network's layers, is part of it."""
        if self._is_running:
            yield
            return
        self._is_running = True
        self._note_pause()
        wall, processor = time.monotonic(), time.thread_time()
        try:
            yield
        finally:
            self.wall += time.monotonic() - wall
            self.processor += time.thread_time() - processor
            self.passes += 1
            self._last = time.monotonic(), time.process_time()
            self._is_running = False

    def _note_pause(self) -> None:
        if self._last is not None:
            wall, processor = self._last
            self.between += time.monotonic() - wall
            self.between_processor += time.process_time() - processor

    def forget_pauses(self) -> None:
        """Count them from now on."""
        self.between = self.between_processor = 0.0

    def read(self) -> dict[str, float]:
        return {name: value for name, value in asdict(self).items() if not name.startswith("_")}

    def clocked(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, each call of which is a pass."""

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.running():
                return function(*args, **kwargs)

        return call


def clock_graphs(clock: ModelClock) -> None:
    """Let the clock run while OpenVINO answers. Graphs are compiled for one thread; what is begun is waited for."""
    import openvino

    compile_model, infer = openvino.Core.compile_model, openvino.InferRequest.infer

    def compile_single(self: Any, model: Any, device: str, config: dict[str, Any] | None = None) -> Any:
        return compile_model(self, model, device, {**(config or {}), "INFERENCE_NUM_THREADS": 1})

    def start(self: Any, inputs: Any = None, userdata: Any = None, share_inputs: bool = False) -> None:
        self.infer(inputs, share_inputs=share_inputs, share_outputs=True)

    openvino.Core.compile_model = compile_single
    openvino.InferRequest.infer = clock.clocked(infer)
    openvino.InferRequest.start_async = start
    openvino.InferRequest.wait = lambda self: None


def clock_networks(clock: ModelClock) -> None:
    """Let the clock run while a torch network that learns is asked, and while gradients are computed, of either call.

    Pauses count from the first gradients on: before, a network may be asked while it is built.
    """
    import torch

    compute_gradients, has_learnt = clock.clocked(torch.autograd.backward), False

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.training:
            return self._wrapped_call_impl(*args, **kwargs)
        with clock.running():
            return self._wrapped_call_impl(*args, **kwargs)

    def backward(*args: Any, **kwargs: Any) -> None:
        nonlocal has_learnt
        if not has_learnt:
            clock.forget_pauses()
        has_learnt = True
        compute_gradients(*args, **kwargs)

    torch.nn.Module.__call__ = call  # type: ignore[method-assign]
    torch.autograd.backward = backward  # what torch.Tensor.backward calls, too
