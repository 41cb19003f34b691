"""A whole site into the store, once."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from datasets.coco import Provenance
from datasets.store import ImageStore
from scrapers.catalog import Catalog
from scrapers.errors import FetchFailed, RecipeFailed
from scrapers.fetch import Fetcher
from scrapers.scrape import ScrapeReport, fetch_site
from scrapers.settings import ListingRecipe

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
Scrape = Callable[[], ScrapeReport]


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(f"sqlite:///{tmp_path}/catalog.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def scrape(site: Any, make_fetcher: Callable[..., Fetcher], store: ImageStore, catalog: Catalog) -> Scrape:
    """One run over `site`, with a new client each time."""
    recipe = ListingRecipe(
        start_url=site.url("/"), listing="a.car", family="h1", license="a[rel=license]", author=".by"
    )
    return lambda: fetch_site(recipe, fetcher=make_fetcher(attempts=1), store=store, catalog=catalog, now=lambda: NOW)


@pytest.fixture
def cars(site: Any, photograph: Callable[[int], bytes]) -> None:
    """Two index pages, three cars, four photographs."""
    site.publish("/", '<a class="car" href="/car/1"></a><a class="car" href="/car/2"></a><a rel="next" href="?page=2">')
    site.publish("/?page=2", '<a class="car" href="/car/3"></a><a class="car" href="/car/1#photos"></a>')
    for number, photographs in {1: ["1a", "1b"], 2: ["2a"], 3: ["3a"]}.items():
        images = "".join(f'<img src="/photos/{name}.jpg">' for name in photographs)
        site.publish(
            f"/car/{number}", f'<h1>Car {number}</h1><a rel="license">CC0-1.0</a><i class="by">Ann</i>{images}'
        )
        for name in photographs:
            site.publish(f"/photos/{name}.jpg", photograph(int(name, 16)), content_type="image/jpeg")


@pytest.mark.usefixtures("cars")
def test_every_photograph_of_every_page_is_kept(scrape: Scrape, catalog: Catalog) -> None:
    assert scrape() == ScrapeReport(found=4, fetched=4, refused=())
    assert sorted(image.family for image in catalog.images()) == ["Car 1", "Car 1", "Car 2", "Car 3"]


@pytest.mark.usefixtures("cars")
def test_a_photograph_keeps_its_bytes_and_where_it_came_from(
    scrape: Scrape, catalog: Catalog, store: ImageStore, site: Any, photograph: Callable[[int], bytes]
) -> None:
    scrape()
    content = photograph(0x2A)
    (image,) = (image for image in catalog.images() if image.family == "Car 2")
    assert image.sha256 == hashlib.sha256(content).hexdigest()
    assert store.path(image.file_name).read_bytes() == content
    assert image.source == Provenance(
        page_url=site.url("/car/2"),
        url=site.url("/photos/2a.jpg"),
        author="Ann",
        license="CC0-1.0",
        retrieved_at="2026-05-01T12:00:00+00:00",
        robots="allowed",
    )


@pytest.mark.usefixtures("cars")
def test_no_address_is_asked_for_twice_in_a_run(scrape: Scrape, site: Any) -> None:
    site.publish("/car/3", "<h1>Car 3</h1>" + '<img src="/photos/none.jpg"><img src="/photos/1a.jpg">' * 2)
    site.answers["/car/3"] = site.answers["/car/3"][-1:]
    scrape()
    assert len(site.asked()) == len(set(site.asked()))


@pytest.mark.usefixtures("cars")
def test_running_again_fetches_nothing_new(scrape: Scrape, site: Any, catalog: Catalog) -> None:
    scrape()
    before = catalog.images()
    site.requests.clear()
    assert scrape() == ScrapeReport(found=4, fetched=0, refused=())
    assert site.asked("/photos/") == []
    assert catalog.images() == before


@pytest.mark.usefixtures("cars")
def test_running_again_fetches_what_is_new(scrape: Scrape, site: Any, photograph: Callable[[int], bytes]) -> None:
    scrape()
    site.publish("/car/2", '<h1>Car 2</h1><img src="/photos/2a.jpg"><img src="/photos/2b.jpg">')
    site.publish("/photos/2b.jpg", photograph(0x2B))
    assert scrape().fetched == 1
    assert site.asked("/photos/2").count("/photos/2a.jpg") == 1


@pytest.mark.usefixtures("cars")
def test_the_same_photograph_at_two_addresses_is_one_image(
    scrape: Scrape, site: Any, catalog: Catalog, photograph: Callable[[int], bytes]
) -> None:
    site.answers.pop("/photos/3a.jpg")
    site.publish("/photos/3a.jpg", photograph(0x1A))
    scrape()
    assert len(catalog.images()) == 3
    assert scrape().fetched == 0


@pytest.mark.usefixtures("cars")
def test_a_page_sent_as_an_image_is_refused_and_not_asked_for_again(
    scrape: Scrape, site: Any, catalog: Catalog, store: ImageStore
) -> None:
    site.answers.pop("/photos/2a.jpg")
    url = site.publish("/photos/2a.jpg", "<html>Please log in</html>", content_type="image/jpeg")
    (refused,) = scrape().refused
    assert (refused.url, refused.reason) == (url, "no image that is JPEG, PNG, WEBP, BMP, TIFF")
    assert catalog.refusals() == [refused]
    assert scrape().refused == ()
    assert site.asked("/photos/2a").count("/photos/2a.jpg") == 1
    assert len(list(store.root.glob("images/*/*"))) == 3


@pytest.mark.usefixtures("cars")
def test_a_photograph_that_could_not_be_read_is_asked_for_by_the_next_run(
    scrape: Scrape, site: Any, photograph: Callable[[int], bytes]
) -> None:
    site.answers["/photos/1b.jpg"].clear()
    site.publish("/photos/1b.jpg", status=500)
    site.publish("/photos/1b.jpg", photograph(0x1B))
    assert [refusal.url for refusal in scrape().refused] == [site.url("/photos/1b.jpg")]
    assert scrape() == ScrapeReport(found=4, fetched=1, refused=())


@pytest.mark.usefixtures("cars")
def test_a_listing_that_fails_does_not_stop_the_rest(scrape: Scrape, site: Any) -> None:
    site.answers.pop("/car/1")
    report = scrape()
    assert (report.found, report.fetched) == (2, 2)
    (refused,) = report.refused
    assert (refused.url, refused.reason) == (site.url("/car/1"), f"{site.url('/car/1')} answered 404 Not Found")


@pytest.mark.usefixtures("cars")
def test_an_index_page_that_fails_does_not_undo_the_rest(scrape: Scrape, site: Any) -> None:
    site.answers.pop("/?page=2")
    report = scrape()
    assert (report.found, report.fetched) == (3, 3)
    assert [refusal.url for refusal in report.refused] == [site.url("/?page=2")]


@pytest.mark.usefixtures("cars")
def test_what_robots_txt_disallows_is_told_and_left(scrape: Scrape, site: Any) -> None:
    site.publish("/robots.txt", "User-agent: *\nDisallow: /photos/1\n")
    report = scrape()
    assert report.fetched == 2
    assert all("is not for robots" in refusal.reason for refusal in report.refused)
    assert site.asked("/photos/1") == []


def test_links_that_lead_nowhere_are_passed_over(scrape: Scrape, site: Any) -> None:
    site.publish("/", '<a class="car"></a><a class="car" href="http://[::1"></a><a class="car" href="/car/1"></a>')
    site.publish("/car/1", "<h1>Car 1</h1>")
    assert scrape() == ScrapeReport(found=0, fetched=0, refused=())
    assert site.asked() == ["/", "/car/1"]


def test_index_pages_that_lead_in_a_circle_are_read_once(scrape: Scrape, site: Any) -> None:
    site.publish("/", '<a class="car" href="/car/1"></a><a rel="next" href="/#top"></a>')
    site.publish("/car/1", "<h1>Car 1</h1>")
    scrape()
    assert site.asked() == ["/", "/car/1"]


def test_a_site_without_listings_is_told_with_its_recipe(scrape: Scrape, site: Any) -> None:
    site.publish("/", "<p>We moved</p>")
    with pytest.raises(RecipeFailed, match=r"has no listings at 'a\.car'; does the recipe still fit the site\?"):
        scrape()


def test_a_site_that_does_not_answer_is_told(scrape: Scrape, site: Any) -> None:
    site.publish("/", status=503)
    with pytest.raises(FetchFailed, match=f"{site.url('/')} answered 503"):
        scrape()
