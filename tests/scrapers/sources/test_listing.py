"""Listing pages, read by recipe."""

import pytest
from bs4 import BeautifulSoup

from scrapers.found import FoundImage
from scrapers.sources.listing import read_page
from scrapers.sources.settings import ListingRecipe

RECIPE = ListingRecipe(
    name="cars",
    start_urls=("https://cars.example/",),
    listing="a.car",
    image="figure img",
    family="meta[name=car]",
    license="a[rel=license]",
    author=".seller",
)
PAGE = "https://cars.example/listing/7?lang=de"


def read(html: str, *, page_url: str = PAGE, **changes: str) -> list[FoundImage]:
    return read_page(page_url, BeautifulSoup(html, "html.parser"), RECIPE.model_copy(update=changes))


def urls(html: str, **changes: str) -> list[str]:
    return [image.url for image in read(html, **changes)]


def test_a_photograph_comes_with_all_that_its_page_says() -> None:
    html = """
    <meta name="car" content="VIN 17"><p class="seller"> Frau Müller </p>
    <a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC BY</a>
    <figure><img src="/photos/1.jpg"></figure>
    """
    assert read(html) == [
        FoundImage(
            url="https://cars.example/photos/1.jpg",
            page_url=PAGE,
            family="VIN 17",
            license="https://creativecommons.org/licenses/by/4.0/",
            license_url="https://creativecommons.org/licenses/by/4.0/",
            author="Frau Müller",
        )
    ]


def test_what_a_page_does_not_say_is_unknown() -> None:
    (image,) = read('<figure><img src="1.jpg"></figure>')
    assert (image.license, image.author) == (None, None)


@pytest.mark.parametrize(
    ("page_url", "family"),
    [
        ("https://cars.example/listing/7/", "listing/7"),
        ("https://cars.example/show.php?id=7", "show.php?id=7"),
        ("https://cars.example/?id=7", "?id=7"),
    ],
)
def test_a_car_without_a_name_is_named_by_its_address(page_url: str, family: str) -> None:
    (image,) = read('<figure><img src="1.jpg"></figure>', page_url=page_url)
    assert image.family == family


def test_addresses_are_resolved_against_the_page() -> None:
    html = "".join(f'<figure><img src="{src}"></figure>' for src in ("1.jpg", "//cdn.example/2.jpg", "?3", " /4.jpg "))
    assert urls(html) == [
        "https://cars.example/listing/1.jpg",
        "https://cdn.example/2.jpg",
        "https://cars.example/listing/7?3",
        "https://cars.example/4.jpg",
    ]


def test_a_photograph_shown_twice_is_found_once() -> None:
    assert urls('<figure><img src="/1.jpg"><img src="/1.jpg#large"></figure>') == ["https://cars.example/1.jpg"]


@pytest.mark.parametrize(
    "src", ["", "data:image/gif;base64,R0lGOD", "blob:x", "http://[::1/1.jpg", "javascript:void(0)"]
)
def test_what_leads_to_no_web_address_is_passed_over(src: str) -> None:
    assert urls(f'<figure><img src="{src}"><img><img src="/1.jpg"></figure>') == ["https://cars.example/1.jpg"]


def test_images_outside_the_recipe_are_passed_over() -> None:
    assert urls('<img src="/logo.png"><figure><img src="/1.jpg"></figure>') == ["https://cars.example/1.jpg"]


@pytest.mark.parametrize(
    ("html", "image"),
    [
        ('<figure><img src="blank.gif" data-src="/1.jpg"></figure>', "figure img@data-src"),
        ('<figure><a href="/1.jpg"><img src="/small.jpg"></a></figure>', "figure a@href"),
        ('<img srcset="/s.jpg 320w, /1.jpg 1280w, /m.jpg 640w">', "img@srcset"),
        ('<img srcset="/s.jpg, /1.jpg 2x">', "img@srcset"),
    ],
)
def test_a_selector_may_name_the_attribute_that_has_the_address(html: str, image: str) -> None:
    assert urls(html, image=image) == ["https://cars.example/1.jpg"]


def test_each_of_several_items_on_a_page_has_facts_of_its_own() -> None:
    html = """
    <li data-id="7"><img src="/7.jpg"><b>Dented van</b><i>5,000 EUR</i><u>Ann</u><a rel="license">CC0</a></li>
    <li data-id="8"><img src="/8.jpg"><b>Clean van</b></li>
    """
    found = read(html, item="li", image="img", listing_id=":self@data-id", title="b", price="i", author="u")
    assert [(one.url, one.listing_id, one.title, one.price, one.author, one.license) for one in found] == [
        ("https://cars.example/7.jpg", "7", "Dented van", "5,000 EUR", "Ann", "CC0"),
        ("https://cars.example/8.jpg", "8", "Clean van", None, None, None),
    ]
    assert [one.family for one in found] == ["7", "8"]
