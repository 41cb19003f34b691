"""Killing parts of a running loop at seeded places.

A place is what the command has told by then, and a delay: so a kill finds the same work on a slower machine, and in a
command that goes on where an earlier one was killed.
"""

import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import psutil

from benchmarks.small_loop import FLOW, parts_of

VICTIMS = (FLOW, "cvat", "functions", "mongod", "training")
LIMIT_SECONDS = 1800
"""After so long a command is taken to hang."""
WENT_ON, KILLED = "went on", "killed"
_ROUND = re.compile(r"Round (\d+)$")


@dataclass(frozen=True, order=True)
class Told:
    """A line that the command told: of which round (-1 before the first), its number there, and at which second."""

    round: int
    line: int
    seconds: float


@dataclass(frozen=True)
class Kill:
    """Who is killed, and so many seconds after which line."""

    victim: str
    round: int
    line: int
    delay: float


@dataclass(frozen=True)
class Struck:
    """A kill that happened: of whom, after which words, at which second of its command, and what that did then."""

    victim: str
    after: str
    seconds: float
    ending: str = WENT_ON


@dataclass
class Run:
    """What a command did: its exit code, what it told, and whom of its processes was killed."""

    code: int = 0
    seconds: float = 0.0
    told: list[Told] = field(default_factory=list)
    struck: list[Struck] = field(default_factory=list)
    last_words: str = "nothing"
    hung: bool = False


def draw_kills(told: Sequence[Told], *, seconds: float, count: int, seed: int) -> list[Kill]:
    """Seeded kills, evenly over a run of so many seconds, each kind of victim as often as any other."""
    draw = random.Random(seed)
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(count)]
    draw.shuffle(victims)
    moments = [(number + draw.random()) * seconds / count for number in range(count)]
    return [_kill(victim, moment, told) for victim, moment in zip(victims, moments, strict=True)]


def _kill(victim: str, moment: float, told: Sequence[Told]) -> Kill:
    last = max((one for one in told if one.seconds <= moment), default=Told(-1, -1, 0.0))
    return Kill(victim, last.round, last.line, round(moment - last.seconds, 2))


def play(command: Sequence[str], log: Path, kills: Sequence[Kill]) -> Run:
    """Run a command to its end, and strike at each of the kills' places that it comes to."""
    run, started = Run(), time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        with _limited(process, run), _striking(process, run, kills, started) as on_told, log.open("a") as output:
            for place, line in _numbered(process.stderr or ()):
                output.write(line)
                output.flush()
                run.last_words = line.strip() or run.last_words
                run.told.append(replace(place, seconds=round(time.monotonic() - started, 2)))
                on_told()
        run.code = process.wait()
    run.seconds = round(time.monotonic() - started, 1)
    if run.struck and run.code:
        ending = "it hung" if run.hung else KILLED if run.code == -signal.SIGKILL else run.last_words
        run.struck[-1] = replace(run.struck[-1], ending=ending)
    return run


def _numbered(lines: Iterator[str] | Sequence[str]) -> Iterator[tuple[Told, str]]:
    """Lines with the round that they are of; their seconds are for the caller to say."""
    number, count = -1, -1
    for line in lines:
        count += 1
        if found := _ROUND.match(line):
            number, count = int(found[1]), 0
        yield Told(number, count, 0.0), line


@contextmanager
def _limited(process: subprocess.Popen[str], run: Run) -> Iterator[None]:
    def end() -> None:
        run.hung = True
        process.kill()

    timer = threading.Timer(LIMIT_SECONDS, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _striking(
    process: subprocess.Popen[str], run: Run, kills: Sequence[Kill], started: float
) -> Iterator[Callable[[], None]]:
    """Gives what is to be called after each line: it sees to it that the next kill happens at its place.

    A command that tells its next line sooner than the delay is over is struck then.
    """
    left, armed = list(kills), list[_Armed]()

    def strike(kill: Kill) -> None:
        victim = kill_part(psutil.Process(process.pid), kill.victim)
        run.struck.append(Struck(victim, run.last_words, round(time.monotonic() - started, 1)))

    def on_told() -> None:
        for one in armed:
            one.hurry()
        here = (run.told[-1].round, run.told[-1].line) if run.told else (-1, -1)
        if left and here >= (left[0].round, left[0].line):
            kill = left.pop(0)
            armed.append(_Armed(kill.delay, partial(_unless_gone, partial(strike, kill))))

    on_told()
    try:
        yield on_told
    finally:
        for one in armed:
            one.cancel()


class _Armed:
    """An act that happens once: after a delay, or sooner when it is hurried."""

    def __init__(self, delay: float, act: Callable[[], None]) -> None:
        self._act, self._done, self._lock = act, False, threading.Lock()
        self._timer = threading.Timer(delay, self.hurry)
        self._timer.start()

    def hurry(self) -> None:
        with self._lock:
            self._timer.cancel()
            if not self._done:
                self._done = True
                self._act()

    def cancel(self) -> None:
        with self._lock:
            self._timer.cancel()
            self._done = True


def _unless_gone(act: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        act()


def kill_part(command: psutil.Process, part: str) -> str:
    """SIGKILL all processes of a part, or the command itself where the part does not run now; who it was.

    Raises psutil.NoSuchProcess when the command is gone.
    """
    parts = parts_of(command)
    victim = part if part in parts else FLOW
    for process in parts[victim]:
        if victim == FLOW:
            process.send_signal(signal.SIGKILL)
        else:
            _unless_gone(process.kill)
    return victim
