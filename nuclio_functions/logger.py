"""What functions need of Nuclio's logger."""

from typing import Protocol


class Logger(Protocol):
    """The part of Nuclio's logger that is used here."""

    def info(self, message: str) -> None: ...
    def error(self, message: str) -> None: ...
