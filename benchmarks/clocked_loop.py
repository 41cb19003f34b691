"""The `carloop` command with clocks at its steps and its models: `python -m benchmarks.clocked_loop OUT ARGUMENTS…`.

OUT gets a list of `Block`s as JSON, one for each time that a step was taken, rewritten after each.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil

from benchmarks.model_clock import ModelClock, clock_graphs
from benchmarks.small_loop import parts_of
from datasets.files import read_json, write_json
from datasets.taxonomy import Settings


class Moment(Settings):
    """The clocks at a moment, in seconds: the wall's, processors' of each part of the loop, and the models'."""

    wall: float
    processor: Mapping[str, float]
    model: Mapping[str, float]


class Block(Settings):
    """One step taken, from one moment to another; `training` has the clock of the training that was in it."""

    step: str
    start: Moment
    end: Moment
    training: Mapping[str, float] = {}


Timed = Callable[..., AbstractContextManager[None]]


class Recorder:
    """Looks at the clocks of this process, and of those that it has started, wherever a step begins and ends."""

    def __init__(self, out: Path) -> None:
        self.clock, self.training = ModelClock(), out.with_suffix(".training.json")
        self._out, self._blocks, self._process = out, list[Block](), psutil.Process()

    def recording(self, timed: Timed) -> Timed:
        """`Bench.timed`, recorded."""

        @contextmanager
        def recorded(bench: object, step: str) -> Iterator[None]:
            self.training.unlink(missing_ok=True)
            start = self._moment()
            with timed(bench, step):
                yield
            training = read_json(self.training) if self.training.exists() else {}
            self._blocks.append(Block(step=step, start=start, end=self._moment(), training=training))
            write_json(self._out, [block.model_dump() for block in self._blocks])

        return recorded

    def _moment(self) -> Moment:
        parts = parts_of(self._process)
        processor = {part: sum(map(_seconds_of, processes)) for part, processes in parts.items()}
        return Moment(wall=time.monotonic(), processor=processor, model=self.clock.read())


def _seconds_of(process: psutil.Process) -> float:
    """Of a process and those that it has waited for."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def play(out: Path, arguments: Sequence[str]) -> None:
    recorder = Recorder(out)
    clock_graphs(recorder.clock)

    import training.jobs
    from pipelines.bench import Bench
    from pipelines.cli import main as carloop

    def worker_command(job_path: Path, *, processes: int = 1) -> list[str]:
        return [sys.executable, "-m", "benchmarks.clocked_training", str(recorder.training), str(job_path)]

    training.jobs.worker_command = worker_command
    Bench.timed = recorder.recording(Bench.timed)  # type: ignore[assignment, method-assign]
    carloop(list(arguments))


if __name__ == "__main__":
    play(Path(sys.argv[1]), sys.argv[2:])
