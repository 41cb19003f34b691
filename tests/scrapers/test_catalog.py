"""The catalogue of images and addresses."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from datasets.coco import Image, Provenance
from scrapers.catalog import Catalog, Refusal

SOURCE = Provenance(
    "https://a.example/7", "https://a.example/7.jpg", "Ann", "CC0-1.0", "2026-01-01T00:00:00", "allowed"
)
IMAGE = Image("1" * 64, "images/11/1.jpg", 64, 48, family="car 7", source=SOURCE)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/catalog.sqlite"


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    opened = Catalog(url)
    yield opened
    opened.close()


def test_an_image_comes_back_with_its_provenance(catalog: Catalog) -> None:
    catalog.add_image(IMAGE)
    assert catalog.images() == [IMAGE]


def test_an_image_met_again_keeps_its_first_provenance_and_both_addresses(catalog: Catalog) -> None:
    catalog.add_image(IMAGE)
    catalog.add_image(replace(IMAGE, family="car 8", source=replace(SOURCE, url="https://b.example/x", author="Bob")))
    assert catalog.images() == [IMAGE]
    assert catalog.known(["https://a.example/7.jpg", "https://b.example/x", "https://c.example"]) == {
        "https://a.example/7.jpg",
        "https://b.example/x",
    }


def test_a_refused_address_is_known_with_its_reason(catalog: Catalog) -> None:
    refusal = Refusal("https://a.example/8.jpg", "not a whole image")
    for _ in range(2):
        catalog.add_refusal(refusal)
    assert catalog.refusals() == [refusal]
    assert catalog.known([refusal.url]) == {refusal.url}
    assert catalog.images() == []


def test_a_catalogue_opened_again_knows_what_it_knew(url: str, catalog: Catalog) -> None:
    catalog.add_image(IMAGE)
    again = Catalog(url)
    assert again.images() == [IMAGE]
    again.close()
