"""Listing pages, read by recipe."""

import pytest

from scrapers.listing import FoundImage, read_listing
from scrapers.settings import ListingRecipe

RECIPE = ListingRecipe(
    start_url="https://cars.example/",
    listing="a.car",
    image="figure img",
    family="meta[name=car]",
    license="a[rel=license]",
    author=".seller",
)
PAGE = "https://cars.example/listing/7?lang=de"


def urls(html: str) -> list[str]:
    return [image.url for image in read_listing(PAGE, html, RECIPE)]


def test_a_photograph_comes_with_all_that_its_page_says() -> None:
    html = """
    <meta name="car" content="VIN 17"><p class="seller"> Frau Müller </p>
    <a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC BY</a>
    <figure><img src="/photos/1.jpg"></figure>
    """
    assert read_listing(PAGE, html, RECIPE) == [
        FoundImage(
            url="https://cars.example/photos/1.jpg",
            page_url=PAGE,
            family="VIN 17",
            license="https://creativecommons.org/licenses/by/4.0/",
            author="Frau Müller",
        )
    ]


def test_what_a_page_does_not_say_is_unknown() -> None:
    (image,) = read_listing(PAGE, '<figure><img src="1.jpg"></figure>', RECIPE)
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
    (image,) = read_listing(page_url, '<figure><img src="1.jpg"></figure>', RECIPE)
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
