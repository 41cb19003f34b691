"""Sitemaps with images, as the protocol and Google's extension of it are documented."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scrapers.errors import RecipeFailed
from scrapers.fetching.fetcher import Fetcher
from scrapers.found import FoundImage, Page, Refusal
from scrapers.sources.settings import SitemapSource
from scrapers.sources.sitemap import find_in_sitemap

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
SPACES = (
    'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
)


def _pages(*numbers: int) -> str:
    entries = "".join(
        f"<url><loc>https://cars.example/car/{number}</loc>"
        f"<image:image><image:loc>https://cdn.example/{number}a.jpg</image:loc><image:title>Car {number}</image:title>"
        f"<image:license>https://creativecommons.org/licenses/by/4.0/</image:license></image:image>"
        f"<image:image><image:loc> https://cdn.example/{number}b.jpg </image:loc></image:image></url>"
        for number in numbers
    )
    return f"{HEAD}<urlset {SPACES}>{entries}<url><loc>https://cars.example/about</loc></url></urlset>"


def _index(*urls: str) -> str:
    return f"{HEAD}<sitemapindex {SPACES}>{''.join(f'<sitemap><loc>{u}</loc></sitemap>' for u in urls)}</sitemapindex>"


@pytest.fixture
def find(site: Any, fetcher: Fetcher, tmp_path: Path) -> Callable[..., list[Page | Refusal]]:
    def run(**settings: Any) -> list[Page | Refusal]:
        source = SitemapSource(name="cars", url=site.url("/sitemap.xml"), **settings)
        return list(find_in_sitemap(source, fetcher, tmp_path / "sitemaps"))

    return run


def test_images_come_with_their_page_title_and_licence(find: Any, site: Any) -> None:
    site.publish("/sitemap.xml", _pages(7), content_type="application/xml")
    (page,) = find(author="Cars Ltd", license="contract 7")
    first, second = page.images
    assert first == FoundImage(
        url="https://cdn.example/7a.jpg",
        page_url="https://cars.example/car/7",
        family="https://cars.example/car/7",
        title="Car 7",
        license="https://creativecommons.org/licenses/by/4.0/",
        license_url="https://creativecommons.org/licenses/by/4.0/",
        author="Cars Ltd",
    )
    assert (second.url, second.license, second.license_url) == ("https://cdn.example/7b.jpg", "contract 7", None)


def test_an_index_leads_to_all_its_sitemaps_gzipped_or_not_each_once(find: Any, site: Any) -> None:
    one = site.publish("/one.xml", _pages(1))
    two = site.publish("/two.xml.gz", gzip.compress(_pages(2).encode()), content_type="application/gzip")
    site.publish("/sitemap.xml", _index(one, two, one, site.url("/sitemap.xml"), site.url("/gone.xml")))
    told = find()
    assert [len(page.images) for page in told if isinstance(page, Page)] == [0, 2, 2]
    assert [refusal.url for refusal in told if isinstance(refusal, Refusal)] == [site.url("/gone.xml")]
    assert site.asked().count("/one.xml") == 1


def test_only_pages_that_match_are_looked_at(find: Any, site: Any) -> None:
    site.publish("/sitemap.xml", _pages(1, 22))
    (page,) = find(pages=r"/car/\d\d$")
    assert {image.page_url for image in page.images} == {"https://cars.example/car/22"}


def test_a_sitemap_larger_than_any_page_may_be_comes_in_pieces_and_leaves_nothing_behind(
    find: Any, site: Any, tmp_path: Path
) -> None:
    entries = _pages(*range(1_200)).replace("</urlset>", f"<!--{' ' * 12_000_000}--></urlset>")
    site.publish("/sitemap.xml", entries)
    assert [len(page.images) for page in find()] == [1_000, 1_000, 400]
    assert list((tmp_path / "sitemaps").iterdir()) == []


def test_what_was_read_before_a_sitemap_breaks_off_is_taken(find: Any, site: Any) -> None:
    whole = _pages(*range(600))
    site.publish("/sitemap.xml", whole[: len(whole) - 200])
    first, broken = find()
    assert len(first.images) == 1_000
    assert "is no sitemap" in broken.reason


@pytest.mark.parametrize(
    "content",
    [
        "<html><body>Not here</body>",
        '<!DOCTYPE x [<!ENTITY a "b">]><urlset>&a;</urlset>',
        b"\x1f\x8bbroken",
        gzip.compress(b"<urlset>" + b" " * 60_000_000, 9),
    ],
    ids=["a page", "entities", "broken gzip", "a gzip bomb"],
)
def test_what_is_no_sitemap_is_told(find: Any, site: Any, content: str | bytes) -> None:
    site.publish("/sitemap.xml", content)
    with pytest.raises(RecipeFailed, match=r"sitemap\.xml"):
        find()
