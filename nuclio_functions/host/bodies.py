"""Request bodies up to a function's limit. A larger one is refused as soon as that is known, and never kept.

Nuclio's own server answers such a request with 400 and `Error when parsing request`; here it is HTTP's 413, and the
limit is told. Source: `defaultErrorHandler` in server.go of https://github.com/valyala/fasthttp.
"""

import asyncio
from contextlib import suppress

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from nuclio_functions.host.protocol import refusal

LINGER_SECONDS = 5
LINGER_BYTES = 2**28
"""How long, and for how much, a refused client is heard out: one that is cut off while it sends may miss the answer."""


class BodyTooLarge(Exception):
    """A request with more bytes than its function takes."""


async def fetch_body(request: Request, *, limit: int) -> bytes:
    """The body of a request, of at most `limit` bytes. Raises BodyTooLarge, and ClientDisconnect."""
    if int(request.headers.get("content-length", 0)) > limit:
        raise BodyTooLarge
    body = bytearray()  # one block: many small ones, freed at once, would leave the process large
    async for chunk in request.stream():
        if len(body) + len(chunk) > limit:
            raise BodyTooLarge
        body += chunk
    return bytes(body)


class TooLarge(Response):
    """413; the rest of the body is read and forgotten, then the connection is closed."""

    def __init__(self, function: str, *, limit: int) -> None:
        answer = refusal(413, f"{function} takes bodies of up to {limit:,} bytes; send a smaller image")
        headers = {"connection": "close"}
        super().__init__(answer.body, answer.status_code, headers, media_type=answer.content_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await _forget(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _forget(receive: Receive) -> None:
    left = LINGER_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body"):
            return
