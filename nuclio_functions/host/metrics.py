"""What Prometheus reads of a host at `GET /metrics` on its dashboard. Seconds are wall time, from the body's last byte.

What a function tells of itself is in nuclio_functions/metrics.py.
"""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from nuclio_functions.host.pool import Pool

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper edges of the latencies' buckets."""


class HostMetrics:
    """Requests of each function by status, their latencies, and how its workers are."""

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        values.ValueClass = values.MutexValue  # whatever folder the environment names for the workers
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "carloop_host_requests", "Requests answered", ["function", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "carloop_host_request_seconds",
            "Seconds until the answer",
            ["function"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._registry.register(_Workers(pools))

    def observe(self, function: str, *, status_code: int, seconds: float) -> None:
        """Count one answer."""
        self._requests.labels(function, status_code).inc()
        self._seconds.labels(function).observe(seconds)

    def render(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)


class _Workers:
    """The pools' workers, looked at when they are asked for."""

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        self._pools = pools

    def collect(self) -> Iterator[Metric]:
        workers = GaugeMetricFamily("carloop_host_workers", "Workers of a function", labels=["function"])
        free = GaugeMetricFamily("carloop_host_free_workers", "Workers that could take a call now", labels=["function"])
        restarts = CounterMetricFamily("carloop_host_worker_restarts", "Workers started again", labels=["function"])
        for name, pool in self._pools.items():
            workers.add_metric([name], pool.function.workers)
            free.add_metric([name], pool.free_workers)
            restarts.add_metric([name], pool.restarts)
        yield from (workers, free, restarts)
