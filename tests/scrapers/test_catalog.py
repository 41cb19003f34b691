"""The catalogue of images and addresses."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from datasets.errors import BadInput
from scrapers.catalog import Catalog, Entry, Known, Record
from scrapers.found import Refusal

RECORD = Record(
    sha256="1" * 64,
    file_name="images/11/1.jpg",
    width=64,
    height=48,
    family="car 7",
    page_url="https://a.example/7",
    url="https://a.example/7.jpg",
    author="Ann",
    license="CC0-1.0",
    license_url="https://creativecommons.org/publicdomain/zero/1.0/",
    attribution="a car by Ann",
    title="a car",
    price="5",
    listing_id="7",
    retrieved_at="2026-01-01T00:00:00",
    etag='"x"',
    last_modified="Thu, 01 Jan 2026 00:00:00 GMT",
    robots="allowed",
    source="cars",
    recipe="0123456789ab",
)
STORED = Entry(url=str(RECORD.url), fate="stored", source="cars", record=RECORD)
FAILED = Entry(url="https://a.example/9.jpg", fate="failed", source="cars", reason="answered 503")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/catalog.sqlite"


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    opened = Catalog(url)
    yield opened
    opened.close()


def test_an_image_comes_back_with_its_whole_provenance(catalog: Catalog) -> None:
    assert catalog.note([STORED]) == [STORED]
    assert catalog.records() == [RECORD]
    assert catalog.images() == [RECORD.image]
    assert RECORD.image.source.license == "CC0-1.0"


def test_an_image_met_again_keeps_its_first_provenance_and_its_other_address_is_a_duplicate(catalog: Catalog) -> None:
    again = replace(RECORD, family="car 8", url="https://b.example/x", author="Bob")
    catalog.note([STORED])
    (noted,) = catalog.note([Entry(url="https://b.example/x", fate="stored", source="cars", record=again)])
    assert noted.fate == "duplicate"
    assert catalog.records() == [RECORD]
    assert catalog.known([str(RECORD.url), "https://b.example/x", "https://c.example"]) == {
        str(RECORD.url): Known("stored", 1),
        "https://b.example/x": Known("duplicate", 1),
    }


def test_the_same_image_at_two_addresses_noted_together_is_stored_once(catalog: Catalog) -> None:
    other = replace(RECORD, url="https://b.example/x")
    noted = catalog.note([STORED, Entry(url="https://b.example/x", fate="stored", record=other)])
    assert [entry.fate for entry in noted] == ["stored", "duplicate"]


def test_tries_are_counted_and_a_success_settles_an_address(catalog: Catalog) -> None:
    for tries in (1, 2):
        catalog.note([FAILED])
        known = catalog.known([FAILED.url])[FAILED.url]
        assert known == Known("failed", tries)
    assert not known.is_settled(max_tries=3)
    assert known.is_settled(max_tries=2)
    catalog.note([replace(FAILED, fate="stored", reason=None, record=replace(RECORD, url=FAILED.url))])
    assert catalog.known([FAILED.url])[FAILED.url].is_settled(max_tries=9)
    assert catalog.refusals() == []


def test_a_refused_address_is_known_with_its_reason(catalog: Catalog) -> None:
    catalog.note([replace(FAILED, fate="refused", reason="not a whole image")])
    assert catalog.refusals() == [Refusal(FAILED.url, "not a whole image")]
    assert catalog.images() == []
    assert catalog.fates() == {"cars": {"refused": 1}}


def test_what_is_put_aside_is_no_image_of_the_catalogue(catalog: Catalog) -> None:
    catalog.note(
        [replace(STORED, fate="quarantined", record=replace(RECORD, state="quarantined", reason="no licence"))]
    )
    assert catalog.images() == []
    assert catalog.unusable() == {RECORD.sha256}
    catalog.move([RECORD.sha256], state="kept", reason="asked the seller")
    assert [record.reason for record in catalog.records("kept")] == ["asked the seller"]


def test_a_catalogue_opened_again_knows_what_it_knew(url: str, catalog: Catalog) -> None:
    catalog.note([STORED])
    again = Catalog(url)
    assert again.records() == [RECORD]
    again.close()


def test_a_catalogue_of_the_first_release_is_brought_up_to_date(tmp_path: Path, url: str) -> None:
    with sqlite3.connect(tmp_path / "catalog.sqlite") as old:
        old.executescript("""
            CREATE TABLE images (sha256 VARCHAR(64) PRIMARY KEY, file_name VARCHAR(255) NOT NULL,
                width INTEGER NOT NULL, height INTEGER NOT NULL,
                family VARCHAR(255) NOT NULL, page_url VARCHAR, url VARCHAR, author VARCHAR,
                license VARCHAR, retrieved_at VARCHAR, robots VARCHAR);
            CREATE TABLE addresses (url VARCHAR PRIMARY KEY, sha256 VARCHAR(64) REFERENCES images (sha256),
                refused VARCHAR);
            INSERT INTO images (sha256, file_name, width, height, family, url)
                VALUES ('a', 'images/a.jpg', 4, 3, 'car', 'https://a.example');
            INSERT INTO addresses VALUES ('https://a.example', 'a', NULL), ('https://b.example', NULL, 'no image');
        """)
    old.close()
    catalog = Catalog(url)
    assert [image.file_name for image in catalog.images()] == ["images/a.jpg"]
    assert catalog.known(["https://a.example", "https://b.example"]) == {
        "https://a.example": Known("stored", 1),
        "https://b.example": Known("refused", 1),
    }
    catalog.note([STORED])
    assert len(catalog.images()) == 2
    catalog.close()


def test_what_is_no_database_is_told_in_a_sentence(tmp_path: Path, url: str) -> None:
    (tmp_path / "catalog.sqlite").write_text("nothing of the kind, but long enough to be looked at")
    with pytest.raises(BadInput, match="cannot be used as a catalogue"):
        Catalog(url)


@pytest.mark.parametrize("kind", ["mysql", "postgresql+pg8000", "postgresql+asyncpg"])
def test_a_database_that_takes_other_statements_is_refused(kind: str) -> None:
    with pytest.raises(BadInput, match=r"use sqlite:// or postgresql\+psycopg://"):
        Catalog(f"{kind}://cars@127.0.0.1/catalog")


def test_parts_of_the_provenance_that_nobody_said_are_counted_by_one_query(catalog: Catalog) -> None:
    other = replace(RECORD, sha256="2" * 64, url="https://b.example/x", author=None)
    catalog.note([STORED, Entry(url="https://b.example/x", fate="stored", record=other)])
    images, unsaid = catalog.unsaid()
    assert images == 2
    assert (unsaid["author"], unsaid["license"]) == (1, 0)
