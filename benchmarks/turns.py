"""Peers measured in turns, each run in a process of its own, so that noise and memory hit all alike.

A child prints its figures as JSON on its last line. Seconds are of the clock on the wall; `cpu_seconds` are the
process's own, which a busy machine troubles less.
"""

import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

Figures = dict[str, Any]
Result = TypeVar("Result")


def measure_in_turns(jobs: Mapping[str, Callable[[], Figures]], *, repeat: int) -> dict[str, list[Figures]]:
    """The figures of each job, by its name; each turn does every job once."""
    runs: dict[str, list[Figures]] = {name: [] for name in jobs}
    with Console(stderr=True).status("") as status:
        for turn in range(1, repeat + 1):
            for name, job in jobs.items():
                status.update(f"{name}, run {turn} of {repeat}")
                runs[name].append(job())
    return runs


def run_child(module: str, arguments: Sequence[str], *, python: str = sys.executable) -> Figures:
    """What one child found. Raises RuntimeError, with what it said, when it fails."""
    done = subprocess.run([python, "-m", module, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"python -m {module} {' '.join(arguments)} failed:\n{done.stderr[-4000:]}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def timed(work: Callable[[], Result]) -> tuple[Result, Figures]:
    """What work returns, and how long it took; the peak is the process's until then."""
    gc.collect()
    started, started_cpu = time.perf_counter(), time.process_time()
    result = work()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    return result, {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_gib": peak_gib()}


def peak_gib() -> float:
    """The most memory that this process held (RSS), in GiB.

    Linux counts in `ru_maxrss` what the parent held when it started the child, so its own count goes first:
    https://man7.org/linux/man-pages/man5/proc_pid_status.5.html (VmHWM).
    """
    status = Path("/proc/self/status")
    if status.exists():
        kib = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(kib) / 2**20
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def summarise(runs: Sequence[Figures]) -> Figures:
    """Median, fastest and slowest seconds, median processor seconds, and the greatest peak of several runs."""
    seconds = [run["seconds"] for run in runs]
    return {
        "seconds": statistics.median(seconds),
        "fastest": min(seconds),
        "slowest": max(seconds),
        "cpu_seconds": statistics.median(run["cpu_seconds"] for run in runs),
        "peak_gib": max(run["peak_gib"] for run in runs),
    }


def ratio(runs: Sequence[Figures], base: Sequence[Figures]) -> dict[str, float]:
    """How many times as long as the base: each turn's ratio, their median, least and greatest."""
    ratios = [run["seconds"] / other["seconds"] for run, other in zip(runs, base, strict=True)]
    return {"median": statistics.median(ratios), "least": min(ratios), "greatest": max(ratios)}


def shown_ratio(figures: Mapping[str, float] | None) -> str:
    """A ratio with its spread, for a table."""
    return f"{figures['median']:.2f} ({figures['least']:.2f}–{figures['greatest']:.2f})" if figures else ""
