"""Ctrl-C, which must not get lost: a library in whose callback it arrives drops it, or makes an error of its own of it.

Python raises it wherever the main thread happens to be. In a finalizer, or a callback from C, it is printed and
forgotten; so it is noted too, and the next step of the work stops.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_noted = False


@contextmanager
def note_interrupts() -> Iterator[None]:
    """Within the block Ctrl-C is noted as well as raised; a handler that somebody else has set stays."""
    global _noted
    _noted = False
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def stop_if_interrupted() -> None:
    """Raises KeyboardInterrupt when one was noted, wherever it went."""
    if _noted:
        raise KeyboardInterrupt


def was_interrupted(error: object) -> bool:
    """Whether Ctrl-C, or SIGTERM in a flow, is behind an error: a library that it stops may raise one of its own."""
    return _is_stop(error) or (isinstance(error, BaseException) and was_interrupted(error.__context__))


def _is_stop(error: object) -> bool:
    prefect = sys.modules.get("prefect.exceptions")  # which commands without flows need not import
    return isinstance(error, KeyboardInterrupt) or (
        prefect is not None and isinstance(error, prefect.TerminationSignal)
    )


def _interrupt(signum: int, frame: FrameType | None) -> None:
    global _noted
    _noted = True
    signal.default_int_handler(signum, frame)
