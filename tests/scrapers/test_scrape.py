"""A whole site into the store, once."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage
from PIL import ImageStat

from datasets.coco import Provenance
from scrapers.errors import FetchFailed, RecipeFailed
from scrapers.keeping import Places
from scrapers.relevance import Relevance
from scrapers.scrape import ScrapeReport
from scrapers.settings import LicencePolicy, RelevanceSettings
from scrapers.sources.settings import ListingRecipe, LocalSource

Scrape = Callable[..., ScrapeReport]


@pytest.fixture
def recipe(site: Any) -> ListingRecipe:
    return ListingRecipe(
        name="cars", start_urls=(site.url("/"),), listing="a.car", family="h1", license="a[rel=license]", author=".by"
    )


@pytest.fixture
def scrape(visit: Scrape, recipe: ListingRecipe) -> Scrape:
    """One run over `site`, with a new client each time."""
    return lambda **choices: visit(recipe, **choices)


@pytest.fixture
def cars(site: Any, photograph: Callable[[int], bytes]) -> None:
    """Two index pages, three cars, four photographs."""
    site.publish("/", '<a class="car" href="/car/1"></a><a class="car" href="/car/2"></a><a rel="next" href="?page=2">')
    site.publish("/?page=2", '<a class="car" href="/car/3"></a><a class="car" href="/car/1#photos"></a>')
    for number, photographs in {1: ["1a", "1b"], 2: ["2a"], 3: ["3a"]}.items():
        images = "".join(f'<img src="/photos/{name}.jpg">' for name in photographs)
        site.publish(f"/car/{number}", _car(number, images))
        for name in photographs:
            site.publish(f"/photos/{name}.jpg", photograph(int(name, 16)), content_type="image/jpeg")


def _car(number: int, images: str, license: str = "CC0-1.0") -> str:
    return f'<h1>Car {number}</h1><a rel="license">{license}</a><i class="by">Ann</i>{images}'


@pytest.mark.usefixtures("cars")
def test_every_photograph_of_every_page_is_kept(scrape: Scrape, places: Places) -> None:
    report = scrape()
    assert (report.pages, report.found, report.fates, report.troubles) == (3, 4, {"stored": 4}, ())
    assert sorted(image.family for image in places.catalog.images()) == ["Car 1", "Car 1", "Car 2", "Car 3"]


@pytest.mark.usefixtures("cars")
def test_a_photograph_keeps_its_bytes_and_where_it_came_from(
    scrape: Scrape, recipe: ListingRecipe, places: Places, site: Any, photograph: Callable[[int], bytes]
) -> None:
    scrape()
    content = photograph(0x2A)
    (record,) = (record for record in places.catalog.records() if record.family == "Car 2")
    assert record.sha256 == hashlib.sha256(content).hexdigest()
    assert places.store.path(record.file_name).read_bytes() == content
    assert record.image.source == Provenance(
        page_url=site.url("/car/2"),
        url=site.url("/photos/2a.jpg"),
        author="Ann",
        license="CC0-1.0",
        retrieved_at="2026-05-01T12:00:00+00:00",
        robots="allowed",
    )
    assert (record.source, record.recipe) == ("cars", recipe.version)
    assert record.attribution == f"by Ann, {site.url('/car/2')}, CC0-1.0"


@pytest.mark.usefixtures("cars")
def test_no_address_is_asked_for_twice_in_a_run(scrape: Scrape, site: Any) -> None:
    site.publish("/car/3", _car(3, '<img src="/photos/none.jpg"><img src="/photos/1a.jpg">' * 2))
    site.answers["/car/3"] = site.answers["/car/3"][-1:]
    scrape()
    assert len(site.asked()) == len(set(site.asked()))


@pytest.mark.usefixtures("cars")
def test_running_again_fetches_nothing_new(scrape: Scrape, site: Any, places: Places) -> None:
    scrape()
    before = places.catalog.images()
    site.requests.clear()
    report = scrape()
    assert (report.found, report.known, report.fates) == (4, 4, {})
    assert site.asked("/photos/") == []
    assert places.catalog.images() == before


@pytest.mark.usefixtures("cars")
def test_running_again_fetches_what_is_new(scrape: Scrape, site: Any, photograph: Callable[[int], bytes]) -> None:
    scrape()
    site.publish("/car/2", _car(2, '<img src="/photos/2a.jpg"><img src="/photos/2b.jpg">'))
    site.publish("/photos/2b.jpg", photograph(0x2B))
    assert scrape().stored == 1
    assert site.asked("/photos/2").count("/photos/2a.jpg") == 1


@pytest.mark.usefixtures("cars")
def test_a_limit_is_kept_and_the_next_run_goes_on(scrape: Scrape, site: Any) -> None:
    assert scrape(limit=1).fates == {"stored": 1}
    assert len(site.asked("/photos/")) == 1
    assert scrape(limit=9).fates == {"stored": 3}


@pytest.mark.usefixtures("cars")
def test_a_dry_run_reads_pages_only_and_keeps_nothing(scrape: Scrape, site: Any, places: Places) -> None:
    assert scrape(dry=True).fates == {"asked": 4}
    assert site.asked("/photos/") == []
    assert places.catalog.fates() == {}
    assert scrape().stored == 4


@pytest.mark.usefixtures("cars")
def test_the_same_photograph_at_two_addresses_is_one_image(
    scrape: Scrape, site: Any, places: Places, photograph: Callable[[int], bytes]
) -> None:
    site.answers.pop("/photos/3a.jpg")
    site.publish("/photos/3a.jpg", photograph(0x1A))
    assert scrape().fates == {"duplicate": 1, "stored": 3}
    assert len(places.catalog.images()) == 3
    assert scrape().fates == {}


@pytest.mark.usefixtures("cars")
def test_a_page_sent_as_an_image_is_refused_and_not_asked_for_again(scrape: Scrape, site: Any, places: Places) -> None:
    site.answers.pop("/photos/2a.jpg")
    url = site.publish("/photos/2a.jpg", "<html>Please log in</html>", content_type="image/jpeg")
    (trouble,) = scrape().troubles
    assert trouble.url == url
    assert "is no image that is" in trouble.reason
    assert places.catalog.refusals() == [trouble]
    assert scrape().troubles == ()
    assert site.asked("/photos/2a").count("/photos/2a.jpg") == 1
    assert len(list(places.store.root.glob("images/*/*"))) == 3


@pytest.mark.usefixtures("cars")
def test_a_photograph_that_could_not_be_read_is_asked_for_by_the_next_run(
    scrape: Scrape, site: Any, photograph: Callable[[int], bytes]
) -> None:
    site.answers["/photos/1b.jpg"].clear()
    site.publish("/photos/1b.jpg", status=500)
    site.publish("/photos/1b.jpg", photograph(0x1B))
    report = scrape()
    assert report.fates == {"failed": 1, "stored": 3}
    assert [trouble.url for trouble in report.troubles] == [site.url("/photos/1b.jpg")]
    assert scrape().fates == {"stored": 1}


@pytest.mark.usefixtures("cars")
def test_a_photograph_that_fails_run_after_run_is_given_up(scrape: Scrape, site: Any, places: Places) -> None:
    site.answers["/photos/1b.jpg"].clear()
    url = site.publish("/photos/1b.jpg", status=500)
    for _ in range(3):
        scrape()
    assert site.asked("/photos/1b").count("/photos/1b.jpg") == 2
    assert places.catalog.known([url])[url].tries == 2


@pytest.mark.usefixtures("cars")
def test_a_listing_that_fails_does_not_stop_the_rest(scrape: Scrape, site: Any) -> None:
    site.answers.pop("/car/1")
    report = scrape()
    assert (report.found, report.stored) == (2, 2)
    assert [trouble.url for trouble in report.troubles] == [site.url("/car/1")]


@pytest.mark.usefixtures("cars")
def test_an_index_page_that_fails_does_not_undo_the_rest(scrape: Scrape, site: Any) -> None:
    site.answers.pop("/?page=2")
    report = scrape()
    assert (report.found, report.stored) == (3, 3)
    assert [trouble.url for trouble in report.troubles] == [site.url("/?page=2")]


@pytest.mark.usefixtures("cars")
def test_what_robots_txt_disallows_is_told_left_and_taken_when_it_is_allowed(scrape: Scrape, site: Any) -> None:
    site.publish("/robots.txt", "User-agent: *\nDisallow: /photos/1\n")
    report = scrape()
    assert report.fates == {"disallowed": 2, "stored": 2}
    assert all("robots" in trouble.reason for trouble in report.troubles)
    assert site.asked("/photos/1") == []
    site.answers.pop("/robots.txt")
    assert scrape().fates == {"stored": 2}


@pytest.mark.usefixtures("cars")
def test_photographs_on_a_page_that_forbids_keeping_them_are_left(scrape: Scrape, site: Any) -> None:
    site.answers.pop("/car/1")
    url = site.publish("/car/1", '<meta name="robots" content="noimageai">' + _car(1, '<img src="/photos/1a.jpg">'))
    report = scrape()
    assert report.stored == 2
    assert [(trouble.url, trouble.reason) for trouble in report.troubles] == [(url, "its robots meta says noimageai")]


@pytest.mark.usefixtures("cars")
def test_a_refused_licence_is_not_even_asked_for_until_the_policy_changes(scrape: Scrape, site: Any) -> None:
    site.answers.pop("/car/1")
    site.publish("/car/1", _car(1, '<img src="/photos/1a.jpg"><img src="/photos/1b.jpg">', "CC BY-NC 4.0"))
    assert scrape(dry=True).fates == {"asked": 2, "unlicensed": 2}
    assert scrape().fates == {"stored": 2, "unlicensed": 2}
    assert site.asked("/photos/1") == []
    assert scrape(policy=LicencePolicy(allowed=("*",), refused=())).fates == {"stored": 2}


@pytest.mark.usefixtures("cars")
def test_an_unknown_licence_waits_aside(scrape: Scrape, site: Any, places: Places) -> None:
    site.answers.pop("/car/2")
    site.publish("/car/2", _car(2, '<img src="/photos/2a.jpg">', "ask me"))
    assert scrape().fates == {"quarantined": 1, "stored": 3}
    (record,) = places.catalog.records("quarantined")
    assert record.reason == "its licence is ask me"
    assert places.aside.path(record.file_name).exists()
    assert not places.store.path(record.file_name).exists()
    assert scrape().fates == {}


@pytest.mark.usefixtures("cars")
def test_what_was_withdrawn_does_not_come_back(
    scrape: Scrape, places: Places, photograph: Callable[[int], bytes]
) -> None:
    sha256 = hashlib.sha256(photograph(0x2A)).hexdigest()
    assert scrape(withdrawn={sha256}).fates == {"refused": 1, "stored": 3}
    assert not list(places.store.root.glob(f"images/*/{sha256}*"))


def test_what_is_irrelevant_is_dropped_with_its_reason_and_kept_aside(
    visit: Scrape, places: Places, tmp_path: Path
) -> None:
    car = PillowImage.effect_noise((15, 10), 200).resize((300, 200)).convert("RGB")
    pictures = {
        "a car": car,
        "b car again": car.resize((150, 100)),
        "a wide car": car.resize((900, 150)),
        "an icon": car.resize((32, 32)),
        "the night": PillowImage.new("RGB", (300, 200)),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / f"{name}.jpg")
    source = LocalSource(name="photos", path=tmp_path, license="CC0-1.0")
    settings = RelevanceSettings(min_side=100, max_aspect=4, min_score=0.1)
    assert visit(source, relevance=Relevance(settings, score=_brightness)).fates == {"dropped": 4, "stored": 1}
    dropped = {record.title: record for record in places.catalog.records("dropped")}
    reasons = {name: str(record.reason) for name, record in dropped.items()}
    assert reasons["b car again"] == "shows the same as another photograph; relevance: same_below"
    assert reasons["a wide car"] == "900x150 pixels; relevance: max_aspect is 4"
    assert reasons["an icon"] == "32x32 pixels; relevance: min_side is 100"
    assert reasons["the night"] == "scores 0.00; relevance: min_score is 0.1"
    assert all(places.aside.path(record.file_name).exists() for record in dropped.values())


def _brightness(content: bytes) -> float:
    return ImageStat.Stat(PillowImage.open(io.BytesIO(content)).convert("L")).mean[0] / 255


def test_links_that_lead_nowhere_are_passed_over(scrape: Scrape, site: Any) -> None:
    site.publish("/", '<a class="car"></a><a class="car" href="http://[::1"></a><a class="car" href="/car/1"></a>')
    site.publish("/car/1", "<h1>Car 1</h1>")
    report = scrape()
    assert (report.pages, report.found, report.troubles) == (1, 0, ())
    assert report.stale == ("1 pages were read and no image was found",)
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
    with pytest.raises(FetchFailed, match=site.url("/")):
        scrape()


@pytest.mark.usefixtures("cars")
def test_a_run_in_which_half_is_gone_tells_what_fell(scrape: Scrape, site: Any) -> None:
    scrape()
    for number in (1, 2, 3):
        site.answers.pop(f"/car/{number}")
        site.publish(f"/car/{number}", '<h1>Car</h1><img src="/photos/2a.jpg">' if number == 1 else "<h1>Sold</h1>")
    told = "; ".join(scrape().stale)
    assert "0.3 images a page, where there were 1.3" in told
    assert "license: 'a[rel=license]' finds nothing; author: '.by' finds nothing" in told
    assert "2 of 3 pages have no image" in told
