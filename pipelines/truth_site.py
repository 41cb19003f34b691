"""Ground truth published as a small listing site on loopback, so that its photographs can be scraped like any others.

Only photographs, families and licences are shown; labels stay with the simulated annotator.
"""

import html
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from datasets.importing import TruthImage
from scrapers.sources.settings import ListingRecipe

_PER_PAGE = 50
_ROBOTS = "User-agent: *\nDisallow: /private/\n"


@dataclass(frozen=True)
class Site:
    """A published site: the recipe that reads it, and its `host:port`."""

    recipe: ListingRecipe
    address: str
    listings: int


@contextmanager
def publish(images: Sequence[TruthImage]) -> Iterator[Site]:
    """Serve the photographs on a free loopback port until the block ends."""
    pages = _Pages(images)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(pages))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    address = f"127.0.0.1:{server.server_port}"
    recipe = ListingRecipe(
        name="truth",
        start_urls=(f"http://{address}/?page=1",),
        listing="ul.listings a",
        next_page="a[rel=next]",
        image="figure img",
        family="meta[name=listing-id]",
        license="a[rel=license]",
    )
    try:
        yield Site(recipe, address, listings=len(pages.listings))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Pages:
    """The site's content: one listing for each family and licence, and photographs by name."""

    def __init__(self, images: Sequence[TruthImage]) -> None:
        listings: dict[tuple[str, str], list[TruthImage]] = defaultdict(list)
        for image in sorted(images, key=lambda image: image.sha256):
            listings[image.family, image.license or ""].append(image)
        self.listings = {f"/listing/{number}": listings[key] for number, key in enumerate(sorted(listings))}
        self._photographs = {f"/photos/{self._photo_name(image)}": image.path for image in images}

    @staticmethod
    def _photo_name(image: TruthImage) -> str:
        return f"{image.path.stem}-{image.sha256[:8]}{image.path.suffix.lower()}"

    def photograph(self, path: str) -> Path | None:
        return self._photographs.get(path)

    def page(self, path: str, query: str) -> str | None:
        if path == "/":
            return self._index(int(query.removeprefix("page=") or 1))
        return self._listing(self.listings[path]) if path in self.listings else None

    def _index(self, number: int) -> str:
        paths = list(self.listings)
        shown = paths[(number - 1) * _PER_PAGE : number * _PER_PAGE]
        links = "".join(f'<li><a href="{path}">{html.escape(self.listings[path][0].family)}</a></li>' for path in shown)
        more = number * _PER_PAGE < len(paths)
        following = f'<a rel="next" href="/?page={number + 1}">next</a>' if more else ""
        return f'<!doctype html><title>Cars</title><ul class="listings">{links}</ul>{following}'

    def _listing(self, images: Sequence[TruthImage]) -> str:
        figures = "".join(f'<figure><img src="/photos/{quote(self._photo_name(image))}"></figure>' for image in images)
        family, license = images[0].family, images[0].license
        said = f'<a rel="license">{html.escape(license)}</a>' if license else ""
        name = html.escape(family, quote=True)
        return f'<!doctype html><title>{name}</title><meta name="listing-id" content="{name}">{figures}{said}'


def _handler(pages: _Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # with it, each reply waits 40 ms for the client's acknowledgement

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            path = unquote(parts.path)
            photograph = pages.photograph(path)
            if path == "/robots.txt":
                self._reply(_ROBOTS.encode(), "text/plain")
            elif photograph is not None:
                self._reply(photograph.read_bytes(), _CONTENT_TYPES.get(photograph.suffix.lower(), "image/jpeg"))
            elif (page := pages.page(path, parts.query)) is not None:
                self._reply(page.encode(), "text/html; charset=utf-8")
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _reply(self, content: bytes, content_type: str) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the scraper tells what it fetched."""

    return Handler


_CONTENT_TYPES: Mapping[str, str] = {".png": "image/png", ".webp": "image/webp"}
