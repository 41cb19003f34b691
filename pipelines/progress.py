"""Progress of long work: bars on a terminal, one line a step anywhere else; always on stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from pipelines.interrupts import stop_if_interrupted

Advance = Callable[..., None]


class Progress:
    """Tells a person which step runs and how far it is."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator["Step"]:
        """Show a step while the block runs, and how long it took afterwards; where a lost Ctrl-C is heeded."""
        stop_if_interrupted()
        started = time.monotonic()
        if self.console.is_terminal:
            with self._bar() as bar:
                yield Step(bar, title, total)
        else:
            yield Step(None, title, total)
        stop_if_interrupted()
        self.say(f"  {title} {time.monotonic() - started:.1f} s")

    def say(self, text: str) -> None:
        """A line of its own."""
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def _bar(self) -> RichProgress:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        return RichProgress(*columns, console=self.console, transient=True)


class Step:
    """One step under way."""

    def __init__(self, bar: RichProgress | None, title: str, total: int | None) -> None:
        self._bar = bar
        self._task = bar.add_task(title, total=total, note="") if bar else None

    def advance(self, *, to: int | None = None, of: int | None = None, note: str = "") -> None:
        """One more is done, or `to` of `of` are."""
        if self._bar is None or self._task is None:
            return
        if to is None:
            self._bar.update(self._task, advance=1, note=note)
        else:
            self._bar.update(self._task, completed=to, total=of, note=note)
