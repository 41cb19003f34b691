"""What Prometheus reads of a function at `GET /metrics` on its own port, in Nuclio as in the embedded host. Seconds.

Nuclio runs every worker as a process of its own and lets any of them answer, so each writes its numbers into a folder
that they share, and the one that is asked adds up what lies there. PROMETHEUS_MULTIPROC_DIR names the folder; where it
is unset, the workers of one function find each other by the process that started them.
Source: https://prometheus.github.io/client_python/multiprocess/.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

METRICS_PATH = "/metrics"
METRICS_TYPE = CONTENT_TYPE_LATEST
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

Outcome = Literal["ok", "undecodable", "bad_request", "error"]
Part = Literal["decode", "forward"]
Served = tuple[str, str]
"""A model as `damage_detector@3`, and its bundle's digest."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_PART_SECONDS = (0.0005, 0.001, 0.0025, *_SECONDS[:-2])
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)


class FunctionMetrics:
    """One worker's numbers. With a folder, those of every worker that shares it are told together."""

    def __init__(self, folder: Path | None) -> None:
        _keep_values_in(folder)
        self._folder = folder
        self._served: frozenset[Served] = frozenset()
        self._registry = CollectorRegistry()
        self._requests = Counter("carloop_function_requests", "Requests answered", ["outcome"], registry=self._registry)
        self._seconds = self._histogram("carloop_function_request_seconds", "Seconds for a request", _SECONDS)
        self._parts = Histogram(
            "carloop_function_part_seconds",
            "Seconds for a part of a request",
            ["part"],
            buckets=_PART_SECONDS,
            registry=self._registry,
        )
        self._images = self._histogram("carloop_function_batch_images", "Images predicted at once", _IMAGES)
        self._model = Gauge(
            "carloop_function_model_info",
            "Workers that serve the model",
            ["model", "bundle"],
            multiprocess_mode="livesum",
            registry=self._registry,
        )

    def _histogram(self, name: str, told: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, told, buckets=buckets, registry=self._registry)

    @contextmanager
    def request(self) -> Iterator["Request"]:
        """Time the block and count it by the outcome that it sets."""
        request, began = Request(metrics=self), time.perf_counter()
        try:
            yield request
        finally:
            self._requests.labels(request.outcome).inc()
            self._seconds.observe(time.perf_counter() - began)

    def part(self, name: Part) -> AbstractContextManager[object]:
        """Time the block as a part of a request."""
        return self._parts.labels(name).time()

    def predicted(self, images: int) -> None:
        """Count a batch of so many images."""
        self._images.observe(images)

    def serves(self, *served: Served) -> None:
        """From now on this worker serves these models (name@version), each from the bundle of that digest."""
        wanted = frozenset(served)
        for model, bundle in wanted ^ self._served:
            self._model.labels(model, bundle[:12]).set((model, bundle) in wanted)
        self._served = wanted

    def render(self) -> bytes:
        """The numbers of all workers, and the GPUs' memory where there are GPUs, in Prometheus' text format."""
        registry = CollectorRegistry() if self._folder else self._registry
        if self._folder:
            MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(_gpu_registry())


@dataclass
class Request:
    """A request that is being answered; its outcome is an error until it is told. Without metrics nothing is kept."""

    outcome: Outcome = "error"
    metrics: FunctionMetrics | None = None

    def part(self, name: Part) -> AbstractContextManager[object]:
        """Time the block as a part of the request."""
        return self.metrics.part(name) if self.metrics else nullcontext()

    def predicts(self, images: int, *served: Served) -> None:
        """So many images are predicted at once, by these models."""
        if self.metrics:
            self.metrics.predicted(images)
            self.metrics.serves(*served)


def start_metrics(function: str) -> FunctionMetrics:
    """This worker's metrics. Called once, before others of prometheus_client are made in this process."""
    named = os.environ.get(FOLDER_VARIABLE)
    try:
        folder = Path(named) if named else _shared_folder(function)
        folder.mkdir(parents=True, exist_ok=True)
        _forget_dead_workers(folder)
    except OSError:  # nowhere to write
        return FunctionMetrics(None)
    return FunctionMetrics(folder)


def _keep_values_in(folder: Path | None) -> None:
    """Let values that are made from now on lie in the folder, or in memory: the library chose when it was imported."""
    if folder is None:
        values.ValueClass = values.MutexValue
    else:
        os.environ[FOLDER_VARIABLE] = str(folder)
        values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]


def _shared_folder(function: str) -> Path:
    """A folder for the function's workers of this parent process; those of parents that ended are removed."""
    every = Path(tempfile.gettempdir()) / f"carloop-metrics-{os.getuid()}"
    every.mkdir(mode=0o700, exist_ok=True)
    for folder in every.iterdir():
        parent = folder.name.rpartition("-")[2]
        if parent.isdecimal() and not _is_alive(int(parent)):
            shutil.rmtree(folder, ignore_errors=True)
    return every / f"{function}-{os.getppid()}"


def _forget_dead_workers(folder: Path) -> None:
    """Drop what workers that ended said of the present; what they counted stays.

    This process's number is an ended worker's too: a container that restarts gives the same ones again.
    """
    for path in folder.glob("gauge_live*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdecimal() and (int(pid) == os.getpid() or not _is_alive(int(pid))):
            mark_process_dead(int(pid), str(folder))  # type: ignore[no-untyped-call]


def _is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        with suppress(PermissionError):
            os.kill(pid, 0)
        return True
    return False


def _gpu_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Gpus())
    return registry


class _Gpus:
    """Memory of NVIDIA's GPUs as their driver tells it; nothing without the driver or its library."""

    def collect(self) -> Iterator[Metric]:
        try:
            import pynvml  # type: ignore[import-untyped]

            pynvml.nvmlInit()
        except Exception:  # no library, no driver, no permission: then there is nothing to tell
            return
        try:
            yield self._memory(pynvml)
        finally:
            pynvml.nvmlShutdown()

    @staticmethod
    def _memory(nvml: ModuleType) -> Metric:
        memory = GaugeMetricFamily("carloop_function_gpu_memory_bytes", "Memory of a GPU", labels=["gpu", "kind"])
        for number in range(nvml.nvmlDeviceGetCount()):
            told = nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByIndex(number))
            memory.add_metric([str(number), "used"], told.used)
            memory.add_metric([str(number), "total"], told.total)
        return memory
