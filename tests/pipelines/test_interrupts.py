"""Ctrl-C that a library loses still stops the work at its next step; each case in a process of its own."""

import signal
import subprocess
import sys

import pytest
from prefect.exceptions import TerminationSignal

from pipelines.interrupts import was_interrupted

BEGIN = """
import io, signal
from contextlib import suppress
from rich.console import Console
from pipelines.interrupts import note_interrupts
from pipelines.progress import Progress
progress = Progress(Console(file=io.StringIO()))
def lose_an_interrupt():
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
"""


def told(code: str) -> str:
    """What the code prints; it is run with Python's own handling of Ctrl-C."""
    own = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    done = subprocess.run([sys.executable, "-c", own + BEGIN + code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_an_interrupt_that_was_lost_stops_the_next_step_or_the_end_of_this_one_and_no_later_command() -> None:
    code = """
with suppress(KeyboardInterrupt), note_interrupts():
    lose_an_interrupt()
    with progress.step("train"):
        print("the next step began")
with suppress(KeyboardInterrupt), note_interrupts():
    with progress.step("train"):
        lose_an_interrupt()
    print("the step ended")
with note_interrupts(), progress.step("train"):
    print("another command")
"""
    assert told(code) == "another command"


def test_a_handler_that_somebody_else_set_stays() -> None:
    code = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
with note_interrupts():
    print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
"""
    assert told(code) == "True"


def fail_when_stopped(stop: BaseException) -> None:
    try:
        raise stop
    finally:
        raise ValueError("a library's own")


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), TerminationSignal(signal.SIGTERM)])
def test_an_error_that_a_library_made_of_a_stop_counts_as_one(stop: BaseException) -> None:
    with pytest.raises(ValueError, match="a library's own") as raised:
        fail_when_stopped(stop)
    assert was_interrupted(raised.value)
    assert not was_interrupted(ValueError("another"))
