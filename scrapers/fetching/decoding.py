"""Decoding images nobody has looked at, in a process that may use only so much memory and time."""

import json
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from datasets.errors import BadDataset

_SCRIPT = Path(__file__).with_name("decoder.py")


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """What one image may cost: bytes of memory, of the whole process, seconds of processor time, and pixels."""

    memory_bytes: int = 2**30
    seconds: int = 10
    pixels: int = 80_000_000


class Decoder:
    """One process, started when it is first needed, and again after an image that ended it. For one thread."""

    def __init__(self, limits: DecodingLimits | None = None) -> None:
        self._limits = limits or DecodingLimits()
        self._process: subprocess.Popen[bytes] | None = None

    def check(self, content: bytes) -> None:
        """Decode all pixels. Raises BadDataset when they don't decode within the limits."""
        self._ask(content, side=0)

    def pixels(self, content: bytes, *, side: int) -> NDArray[np.uint8]:
        """The upright image, (H, W, 3) RGB, no longer than `side` on its longer side. Raises BadDataset as `check`."""
        width, height, pixels = self._ask(content, side=side)
        return np.frombuffer(pixels, dtype=np.uint8).reshape(height, width, 3)

    def close(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, content: bytes, *, side: int) -> tuple[int, int, bytes]:
        process = self._running()
        try:
            self._write(process, side.to_bytes(4, "big") + len(content).to_bytes(4, "big") + content)
            head = json.loads(self._read(process, int.from_bytes(self._read(process, 4), "big")))
            if "error" in head:
                raise BadDataset(f"its pixels do not decode: {head['error']}")
            return head["width"], head["height"], self._read(process, head["width"] * head["height"] * 3 if side else 0)
        except (BrokenPipeError, EOFError):
            self.close()
            raise BadDataset("its pixels do not decode: they take more time or memory than is allowed") from None
        except BaseException as error:
            if not isinstance(error, BadDataset):
                self.close()  # what it would still say answers another question
            raise

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            limits = [str(most) for most in (self._limits.memory_bytes, self._limits.seconds, self._limits.pixels)]
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_SCRIPT), *limits],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        return self._process

    def _write(self, process: subprocess.Popen[bytes], frame: bytes) -> None:
        view = memoryview(frame)
        while view:
            view = view[_pipe(process.stdin).write(view) :]

    def _read(self, process: subprocess.Popen[bytes], size: int) -> bytes:
        """So many bytes. Raises EOFError when the process ends, or says nothing for long (it may hang, not compute)."""
        parts, left = [], size
        stream = _pipe(process.stdout)
        while left:
            ready, _, _ = select.select([stream], [], [], 3.0 * self._limits.seconds + 10)
            part = stream.read(left) if ready else b""
            if not part:
                raise EOFError
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise EOFError
    return stream
