"""What the host and its workers say to each other: one line of JSON, then as many bytes as its `size` says.

    {"method": "POST", "path": "/", "content_type": "application/json", …, "size": 14}\n{"image": "…"}

The host writes calls to a worker's standard input, the worker answers on its standard output; its first answer says
that it is ready. Either side takes the end of the stream for the end of the other.
"""

from asyncio import StreamReader
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import orjson

HEAD_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request to a function; `fields` are its query's."""

    body: bytes = b""
    method: str = "POST"
    path: str = "/"
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A function's HTTP response."""

    body: bytes = b""
    status_code: int = 200
    content_type: str = "text/plain"
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status_code: int, error: str) -> Answer:
    """The host's own answer, where no handler gave one."""
    return Answer(orjson.dumps({"error": error}), status_code, "application/json")


def pack(message: Call | Answer) -> bytes:
    """A message as it goes over the pipe."""
    head = {name: getattr(message, name) for name in message.__slots__ if name != "body"}
    return orjson.dumps({**head, "size": len(message.body)}) + b"\n" + message.body


def read_call(stream: BinaryIO) -> Call | None:
    """The next call; None at the end of the stream."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    head, size = _head(line)
    body = stream.read(size)
    return Call(body=body, **head) if len(body) == size else None


async def fetch_answer(stream: StreamReader) -> Answer:
    """The next answer. Raises asyncio.IncompleteReadError at the end of the stream."""
    head, size = _head(await stream.readuntil(b"\n"))
    return Answer(body=await stream.readexactly(size), **head)


def _head(line: bytes) -> tuple[dict[str, Any], int]:
    head = orjson.loads(line)
    return head, head.pop("size")
