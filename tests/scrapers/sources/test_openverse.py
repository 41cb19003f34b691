"""Openverse, by replies as its API's documentation shows them."""

from collections.abc import Callable
from typing import Any

import pytest

from scrapers.errors import FetchFailed
from scrapers.fetching.fetcher import Fetcher
from scrapers.found import FoundImage, Page, Refusal
from scrapers.licences import licence_name
from scrapers.sources.openverse import find_on_openverse
from scrapers.sources.settings import OpenverseSource

PAGES = 3


def _result(name: str, license: str = "by-sa") -> dict[str, Any]:
    return {
        "id": name,
        "title": "A dented car",
        "foreign_landing_url": f"https://photos.example/{name}",
        "url": f"https://photos.example/{name}.jpg",
        "creator": "Ann",
        "creator_url": "https://photos.example/ann",
        "license": license,
        "license_version": "2.0",
        "license_url": f"https://creativecommons.org/licenses/{license}/2.0/",
        "provider": "photos",
        "source": "photos",
        "attribution": '"A dented car" by Ann is licensed under CC BY-SA 2.0.',
        "filesize": None,
        "tags": [],
    }


def _reply(query: dict[str, str]) -> tuple[int, object]:
    page = int(query["page"])
    results = [_result(f"{page}-{number}") for number in range(2)]
    return 200, {"result_count": 6, "page_count": PAGES, "page_size": 2, "page": page, "results": results}


@pytest.fixture
def find(site: Any, make_fetcher: Callable[..., Fetcher]) -> Callable[..., list[Page | Refusal]]:
    def run(**settings: Any) -> list[Page | Refusal]:
        source = OpenverseSource(name="openverse", query="dented car", api=site.url("/v1/images/"), **settings)
        return list(find_on_openverse(source, make_fetcher(attempts=1)))

    return run


def test_every_page_is_read_with_the_licences_that_may_be_used(find: Any, answer: Any, questions: Any) -> None:
    answer(_reply)
    assert [len(page.images) for page in find()] == [2] * PAGES
    assert [asked["page"] for asked in questions()] == ["1", "2", "3"]
    assert questions()[0] == {"q": "dented car", "page": "1", "page_size": "20", "license": "cc0,pdm,by,by-sa"}


def test_an_image_comes_with_all_that_openverse_knows(find: Any, answer: Any) -> None:
    answer(_reply)
    assert find()[0].images[0] == FoundImage(
        url="https://photos.example/1-0.jpg",
        page_url="https://photos.example/1-0",
        family="openverse/1-0",
        listing_id="1-0",
        title="A dented car",
        author="Ann",
        license="CC by-sa 2.0",
        license_url="https://creativecommons.org/licenses/by-sa/2.0/",
        attribution='"A dented car" by Ann is licensed under CC BY-SA 2.0.',
    )


@pytest.mark.parametrize(
    ("code", "name"), [("by", "CC-BY-2.0"), ("by-nc-nd", "CC-BY-NC-ND-2.0"), ("cc0", "CC0-1.0"), ("pdm", "CC-PDM-1.0")]
)
def test_licence_codes_have_their_names(find: Any, answer: Any, code: str, name: str) -> None:
    answer(lambda query: (200, {"page_count": 1, "results": [_result("1", code)]}))
    assert licence_name(find()[0].images[0].license) == name


def test_a_token_is_sent_from_the_environment(
    find: Any, answer: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(_reply)
    find()
    assert site.headers[-1].get("Authorization") is None
    monkeypatch.setenv("OPENVERSE_TOKEN", "secret")
    find()
    assert site.headers[-1]["Authorization"] == "Bearer secret"


def test_a_quota_that_ends_leaves_the_rest_to_another_run(find: Any, answer: Any) -> None:
    detail = {"detail": "Request was throttled. Expected available in 86400 seconds."}
    answer(lambda query: (429, detail) if query["page"] == "2" else _reply(query))
    page, refusal = find()
    assert len(page.images) == 2
    assert "page 2 and later ones are for another run" in refusal.reason
    assert "429" in refusal.reason


def test_a_page_size_that_needs_a_token_is_told(find: Any, answer: Any) -> None:
    answer(lambda query: (401, {"detail": "Ensure this value is less than or equal to 20."}))
    with pytest.raises(FetchFailed, match="401"):
        find(page_size=500)
