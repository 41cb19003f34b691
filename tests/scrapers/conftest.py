"""A real web server whose every answer a test decides, and a client that may visit it."""

import io
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

from datasets.store import ImageStore
from scrapers.catalog import Catalog
from scrapers.fetching.fetcher import Fetcher
from scrapers.fetching.settings import FetchSettings
from scrapers.keeping import Places, Rules, open_keeper
from scrapers.scrape import ScrapeReport, Visit
from scrapers.settings import LicencePolicy
from scrapers.sources.settings import Source


@dataclass(frozen=True)
class Answer:
    """One reply; `hangs_up` closes the connection in its place, `owed` bytes are announced and never sent."""

    body: bytes
    status: int = 200
    content_type: str = "text/html"
    location: str | None = None
    hangs_up: bool = False
    owed: int = 0


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that refuse what is sent hang up."""


@dataclass
class Site:
    """What is published by path, and who asked for what: (path, seconds, User-Agent)."""

    address: str
    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    requests: list[tuple[str, float, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answered_by: Callable[[str], Answer | None] = lambda path: None

    def url(self, path: str) -> str:
        return f"http://{self.address}{path}"

    def publish(self, path: str, body: bytes | str = b"", **answer: Any) -> str:
        """Answer a path, the second time with the second answer, and from then on with the last; returns its URL."""
        self.answers[path].append(Answer(body.encode() if isinstance(body, str) else body, **answer))
        return self.url(path)

    def asked(self, prefix: str = "/") -> list[str]:
        return [path for path, _, _ in self.requests if path.startswith(prefix) and path != "/robots.txt"]

    def next_answer(self, path: str) -> Answer | None:
        if (answer := self.answered_by(path)) is not None:
            return answer
        times = sum(path == asked for asked, _, _ in self.requests)
        return self.answers[path][min(times, len(self.answers[path])) - 1] if self.answers.get(path) else None


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            site.requests.append((self.path, time.monotonic(), self.headers["User-Agent"]))
            site.headers.append(dict(self.headers))
            answer = site.next_answer(self.path) or Answer(b"not here", status=404)
            if answer.hangs_up:
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body) + answer.owed))
            if answer.location is not None:
                self.send_header("Location", answer.location)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the site keeps its own list."""

    return Handler


@contextmanager
def _serve() -> Iterator[Site]:
    site = Site("")
    server = _Server(("127.0.0.1", 0), _handler(site))
    site.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def make_site() -> Iterator[Callable[[], Site]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(_serve())


@pytest.fixture
def site(make_site: Callable[[], Site]) -> Site:
    return make_site()


@pytest.fixture
def make_fetcher(site: Site) -> Callable[..., Fetcher]:
    """A client that may visit `site`, and no other private address."""

    def make(**settings: Any) -> Fetcher:
        return Fetcher(FetchSettings(**{"attempts": 2, "timeout_s": 5, "allow_private": (site.address,), **settings}))

    return make


@pytest.fixture
def fetcher(make_fetcher: Callable[..., Fetcher]) -> Fetcher:
    return make_fetcher()


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    catalog = Catalog(f"sqlite:///{tmp_path}/catalog.sqlite")
    yield Places(catalog, ImageStore(tmp_path / "store"), ImageStore(tmp_path / "aside"))
    catalog.close()


@pytest.fixture
def visit(site: Site, places: Places, tmp_path: Path) -> Callable[..., ScrapeReport]:
    """One visit to a source, which may visit `site`, with a new client each time."""

    def run(source: Source, *, limit: int | None = None, dry: bool = False, **rules: Any) -> ScrapeReport:
        fetch = FetchSettings(attempts=1, timeout_s=5, allow_private=(site.address,))
        rules.setdefault("policy", LicencePolicy())
        with open_keeper(places, Rules(**rules), now=lambda: datetime(2026, 5, 1, 12, tzinfo=UTC)) as keeper:
            visit = Visit(
                source=source,
                folder=tmp_path / "archives",
                fetch=fetch,
                fetcher=Fetcher(fetch),
                keeper=keeper,
                catalog=places.catalog,
                policy=rules["policy"],
                max_tries=2,
            )
            return visit.look(limit=limit) if dry else visit.run(limit=limit)

    return run


@pytest.fixture(scope="session")
def photograph() -> Callable[[int], bytes]:
    """A picture's file; another shade is another picture."""

    def make(shade: int) -> bytes:
        content = io.BytesIO()
        PillowImage.new("RGB", (32, 24), (shade, 0, 0)).save(content, "PNG")
        return content.getvalue()

    return make
