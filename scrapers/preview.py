"""What a source would give, looked at without keeping any of it: a sample of pages and small pictures."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined
from PIL import ImageOps

from datasets.errors import CarloopError
from datasets.files import write_bytes
from datasets.seeing.templates import data_url
from datasets.store import open_image
from scrapers.catalog import Catalog
from scrapers.fetching.answers import Arrived, Wanted
from scrapers.fetching.bulk import transfer
from scrapers.fetching.fetcher import Fetcher
from scrapers.fetching.images import describe
from scrapers.fetching.robots import product_token
from scrapers.fetching.settings import FetchSettings
from scrapers.found import FoundImage, Page, Refusal
from scrapers.licences import Verdict, judge, licence_name
from scrapers.observing import Observation, Observer
from scrapers.settings import LicencePolicy
from scrapers.sources.finding import find_pages
from scrapers.sources.settings import Source

_SIDE = 240


@dataclass(frozen=True, slots=True)
class Sample:
    """The first pages of a source: their images, those that are settled already, and what could not be read."""

    seen: Observation
    images: tuple[FoundImage, ...]
    known: frozenset[str]
    troubles: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """One image on a contact sheet; `picture` is a data URL, None where the image could not be had, and `why` not."""

    image: FoundImage
    verdict: Verdict
    is_known: bool
    picture: str | None = None
    size: str | None = None
    why: str | None = None


def fetch_sample(
    source: Source, fetcher: Fetcher, catalog: Catalog, folder: Path, *, fetch: FetchSettings, pages: int
) -> Sample:
    """The first so many pages that can be read. Raises FetchFailed or RecipeFailed where none can."""
    observer, images, troubles = Observer(), dict[str, FoundImage](), list[Refusal]()
    found = find_pages(source, fetcher, folder, agent=product_token(fetch.user_agent))
    for page in _first_pages(found, pages, troubles):
        observer.see(page)
        images.update({image.url: image for image in page.images})
    known = frozenset(url for url, one in catalog.known(images).items() if one.is_settled(max_tries=1))
    return Sample(observer.seen, tuple(images.values()), known, tuple(troubles))


def _first_pages(found: Iterable[Page | Refusal], pages: int, troubles: list[Refusal]) -> Iterator[Page]:
    for page in found:
        if isinstance(page, Refusal):
            troubles.append(page)
        else:
            yield page
            pages -= 1
        if not pages:
            return


def fetch_cards(sample: Sample, *, policy: LicencePolicy, fetch: FetchSettings, number: int) -> list[Card]:
    """The sample's first images as cards, each with a small picture of it unless its licence is refused."""
    cards = {image.url: _card(image, sample, policy) for image in islice(sample.images, number)}

    def show(image: FoundImage, content: bytes, width: int, height: int) -> None:
        card = cards[image.url]
        cards[image.url] = Card(image, card.verdict, card.is_known, _picture(content), f"{width} × {height}")

    def fail(image: FoundImage, why: str) -> None:
        cards[image.url] = Card(image, cards[image.url].verdict, cards[image.url].is_known, why=why)

    def arrived(one: Arrived) -> None:
        show(one.wanted.tag, one.read(), one.image.width, one.image.height)

    wanted = [card.image for card in cards.values() if card.verdict != "refused"]
    for image in wanted:
        if image.path is not None:
            try:
                content = image.path.read_bytes()
                found = describe(content, url=image.url, max_pixels=fetch.max_image_pixels)
                show(image, content, found.width, found.height)
            except CarloopError as error:
                fail(image, str(error))
    remote = [Wanted(image.url, tag=image) for image in wanted if image.path is None]
    for fate in transfer(remote, arrived, settings=fetch):
        if fate.reason:
            fail(fate.wanted.tag, fate.reason)
    return list(cards.values())


def _card(image: FoundImage, sample: Sample, policy: LicencePolicy) -> Card:
    return Card(image, judge((image.license, image.license_url), policy), image.url in sample.known)


def _picture(content: bytes) -> str:
    """A small picture as a data URL. Raises BadDataset when there is none in the content."""
    small = io.BytesIO()
    with open_image(content) as picture:
        picture.draft("RGB", (2 * _SIDE, 2 * _SIDE))
        upright = ImageOps.exif_transpose(picture).convert("RGB")
        upright.thumbnail((_SIDE, _SIDE))
        upright.save(small, "JPEG", quality=80)
    return data_url(small.getvalue(), "image/jpeg")


def write_contact_sheet(source: Source, sample: Sample, cards: list[Card], stale: list[str], path: Path) -> None:
    """Write the cards as one HTML file that needs nothing beside it."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_template),
    )
    environment.filters["licence"] = licence_name
    page = environment.get_template("preview.html.j2").render(source=source, sample=sample, cards=cards, stale=stale)
    write_bytes(path, page.encode(errors="replace"))


def _template(name: str) -> str:
    package = "datasets.seeing" if name == "page.html.j2" else "scrapers"
    return files(package).joinpath(name).read_text(encoding="utf-8")
