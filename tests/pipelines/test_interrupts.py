"""Ctrl-C that a library loses still stops the work at its next step."""

import io
import os
import signal
from collections.abc import Iterator

import pytest
from rich.console import Console

from pipelines.interrupts import note_interrupts, was_interrupted
from pipelines.progress import Progress


@pytest.fixture
def progress() -> Progress:
    return Progress(Console(file=io.StringIO()))


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def lose_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_that_was_lost_between_steps_stops_the_next_one(progress: Progress) -> None:
    with note_interrupts():
        lose_an_interrupt()
        with pytest.raises(KeyboardInterrupt), progress.step("train"):
            pytest.fail("the step began")


def test_an_interrupt_that_was_lost_within_a_step_stops_at_its_end(progress: Progress) -> None:
    with note_interrupts(), pytest.raises(KeyboardInterrupt), progress.step("train"):
        lose_an_interrupt()


def test_an_interrupt_of_an_earlier_command_stops_nothing(progress: Progress) -> None:
    with note_interrupts():
        lose_an_interrupt()
    with note_interrupts(), progress.step("train"):
        pass


def test_a_handler_that_somebody_else_set_stays() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with note_interrupts():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def fail_when_interrupted() -> None:
    try:
        raise KeyboardInterrupt
    finally:
        raise ValueError("a library's own")


def test_an_error_that_a_library_made_of_an_interrupt_counts_as_one() -> None:
    with pytest.raises(ValueError, match="a library's own") as raised:
        fail_when_interrupted()
    assert was_interrupted(raised.value)
    assert not was_interrupted(ValueError("another"))
