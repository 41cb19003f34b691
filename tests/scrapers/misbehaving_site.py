"""A web server that misbehaves on purpose: each way of doing so has a port, and so a pace, of its own."""

import asyncio
import gzip
import io
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from PIL import Image as PillowImage

Writer = asyncio.StreamWriter
Way = Callable[["Asked", Writer], Awaitable[None]]


def photograph(shade: int = 0) -> bytes:
    """A small JPEG; another shade is another photograph."""
    content = io.BytesIO()
    PillowImage.new("RGB", (32, 24), (shade, 0, 0)).save(content, "JPEG")
    return content.getvalue()


@dataclass(frozen=True)
class Asked:
    """One request: which way of misbehaving, path, when, its headers, and how often this path was asked for before."""

    way: str
    path: str
    at: float
    headers: dict[str, str]
    before: int
    site: "MisbehavingSite"


@dataclass
class MisbehavingSite:
    """Where each way listens, and everything that was asked for."""

    ports: dict[str, int] = field(default_factory=dict)
    log: list[Asked] = field(default_factory=list)
    robots: dict[str, bytes] = field(default_factory=dict)
    loop: asyncio.AbstractEventLoop = field(init=False)

    def host(self, way: str) -> str:
        return f"127.0.0.1:{self.ports[way]}"

    def url(self, way: str, path: str = "/car.jpg") -> str:
        return f"http://{self.host(way)}{path}"

    def asked(self, way: str) -> list[Asked]:
        """Requests for anything but robots.txt."""
        return [asked for asked in self.log if asked.way == way and asked.path != "/robots.txt"]


def head(status: str = "200 OK", *fields: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", *fields]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def answer(status: str = "200 OK", *fields: str, body: bytes = b"") -> Way:
    async def send(asked: Asked, writer: Writer) -> None:
        writer.write(head(status, *fields, length=len(body)) + body)

    return send


def redirect(where: Callable[[Asked], str], *fields: str) -> Way:
    async def send(asked: Asked, writer: Writer) -> None:
        writer.write(head("302 Found", f"Location: {where(asked)}", *fields, length=0))

    return send


def raw(content: bytes) -> Way:
    """Send these bytes, then hang up."""

    async def send(asked: Asked, writer: Writer) -> None:
        writer.write(content)
        writer.close()

    return send


def endless(first: bytes, again: bytes, *, pause_s: float) -> Way:
    async def send(asked: Asked, writer: Writer) -> None:
        writer.write(first)
        while True:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return send


def busy(times: int, *fields: str) -> Way:
    async def send(asked: Asked, writer: Writer) -> None:
        way = answer("429 Too Many Requests", *fields) if asked.before < times else answer(body=photograph())
        await way(asked, writer)

    return send


async def silence(asked: Asked, writer: Writer) -> None:
    await asyncio.sleep(3600)


CHUNK = b"10000\r\n" + bytes(0x10000) + b"\r\n"
BOMB = gzip.compress(bytes(50_000_000))
WAYS: dict[str, Way] = {
    "well": answer(body=photograph()),
    "secret": answer(body=photograph(1)),
    "slow drip": endless(head(length=1_000_000), b"x", pause_s=0.02),
    "slow head": endless(b"HTTP/1.1 200 OK\r\n", b"X-More: x\r\n", pause_s=0.02),
    "silence": silence,
    "endless body": endless(head("200 OK", "Transfer-Encoding: chunked"), CHUNK, pause_s=0),
    "too large": answer(body=bytes(2_000_000)),
    "cut short": raw(head(length=10_000) + photograph()),
    "longer than said": raw(head(length=len(photograph())) + photograph() + b"HTTP/1.1 200 OK\r\n\r\nmore"),
    "hangs up": raw(b""),
    "no http": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "circle": redirect(lambda asked: asked.path),
    "far": redirect(lambda asked: f"{asked.path}x"),
    "to loopback": redirect(lambda asked: asked.site.url("secret")),
    "to metadata": redirect(lambda asked: "http://169.254.169.254/latest/meta-data/"),
    "to a file": redirect(lambda asked: "file:///etc/passwd"),
    "cookies": redirect(lambda asked: asked.path, "Set-Cookie: seen=1"),
    "busy": busy(1_000),
    "busy for a second": busy(1, "Retry-After: 1"),
    "busy for a day": busy(1_000, "Retry-After: 86400"),
    "gzip bomb": answer("200 OK", "Content-Encoding: gzip", body=BOMB),
    "unknown encoding": answer("200 OK", "Content-Encoding: br", body=photograph()),
    "half a gzip": answer("200 OK", "Content-Encoding: gzip", body=gzip.compress(photograph())[:-20]),
    "page": answer("200 OK", "Content-Type: image/jpeg", body=b"<!doctype html><html>Sign in</html>"),
    "svg": answer("200 OK", "Content-Type: image/svg+xml", body=b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    "one byte": answer(body=b"\xff"),
    "nothing": answer(body=b""),
    "half an image": answer(body=photograph()[:-30]),
    "said to be text": answer("200 OK", "Content-Type: text/plain", body=photograph(2)),
    "names going up": answer(
        "200 OK", 'Content-Disposition: attachment; filename="../../../tmp/x.jpg"', body=photograph(3)
    ),
    "noai": answer("200 OK", "X-Robots-Tag: noindex", "X-Robots-Tag: noai", body=photograph()),
    "no robots": answer(body=photograph()),
    "robots in trouble": answer(body=photograph()),
    "robots in a circle": answer(body=photograph()),
    "gone": answer("410 Gone"),
    "unchanged": answer("304 Not Modified"),
}
ROBOTS: dict[str, Way] = {
    "robots in trouble": answer("503 Service Unavailable"),
    "robots in a circle": redirect(lambda asked: "/robots.txt"),
}


async def _serve_one(site: MisbehavingSite, way: str, reader: asyncio.StreamReader, writer: Writer) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while not writer.is_closing():
            first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest if line)}
            path = first.split()[1]
            before = sum(asked.way == way and asked.path == path for asked in site.log)
            asked = Asked(way, path, time.monotonic(), headers, before, site)
            site.log.append(asked)
            if path == "/robots.txt":
                robots = site.robots.get(way, b"user-agent: *\ndisallow: /forbidden\n")
                await ROBOTS.get(way, answer(body=robots))(asked, writer)
            else:
                await WAYS[way](asked, writer)
            await writer.drain()
    writer.transport.abort()


@contextmanager
def misbehaving_site() -> Iterator[MisbehavingSite]:
    """The server, in a thread of its own."""
    site = MisbehavingSite()
    ends = asyncio.Event()
    listens = threading.Event()

    async def listen() -> None:
        async with AsyncExitStack() as stack:
            for way in WAYS:
                server = await asyncio.start_server(lambda r, w, way=way: _serve_one(site, way, r, w), "127.0.0.1", 0)
                await stack.enter_async_context(server)
                site.ports[way] = server.sockets[0].getsockname()[1]
            site.loop = asyncio.get_running_loop()
            listens.set()
            await ends.wait()

    thread = threading.Thread(target=asyncio.run, args=[listen()])
    thread.start()
    listens.wait()
    try:
        yield site
    finally:
        site.loop.call_soon_threadsafe(ends.set)
        thread.join()
