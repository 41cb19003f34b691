"""Wikimedia Commons, by replies as MediaWiki's documentation shows them."""

from collections.abc import Callable
from typing import Any

import pytest

from scrapers.errors import FetchFailed, RecipeFailed
from scrapers.fetching.fetcher import Fetcher
from scrapers.found import FoundImage, Page, Refusal
from scrapers.sources.commons import find_on_commons
from scrapers.sources.settings import CommonsSource

Answers = Callable[[dict[str, str]], tuple[int, object]]


def _file(pageid: int, *, mime: str = "image/jpeg", **facts: str) -> dict[str, Any]:
    info = {
        "url": f"https://upload.example/{pageid}.jpg",
        "descriptionurl": f"https://commons.example/wiki/File:{pageid}.jpg",
        "descriptionshorturl": f"https://commons.example/w/index.php?curid={pageid}",
        "mime": mime,
        "extmetadata": {name: {"value": value, "source": "commons-desc-page"} for name, value in facts.items()},
    }
    return {"pageid": pageid, "ns": 6, "title": f"File:{pageid}.jpg", "imagerepository": "local", "imageinfo": [info]}


@pytest.fixture
def find(site: Any, fetcher: Fetcher) -> Callable[..., list[Page | Refusal]]:
    def run(**settings: Any) -> list[Page | Refusal]:
        asked = {"category": "Damaged cars", **settings}
        return list(find_on_commons(CommonsSource(name="commons", api=site.url("/w/api.php"), **asked), fetcher))

    return run


def test_a_file_comes_with_author_licence_and_attribution_as_text(find: Any, answer: Any) -> None:
    file = _file(
        7,
        Artist='<a href="//commons.example/wiki/User:Ann">Ann</a> &amp; Bob',
        LicenseShortName="CC BY-SA 4.0",
        LicenseUrl="https://creativecommons.org/licenses/by-sa/4.0",
        ObjectName="A dented car",
        Credit="<span>Own work</span>",
    )
    answer(lambda query: (200, {"batchcomplete": True, "query": {"pages": [file]}}))
    (page,) = find()
    assert page.images == (
        FoundImage(
            url="https://upload.example/7.jpg",
            page_url="https://commons.example/wiki/File:7.jpg",
            family="commons/7",
            listing_id="7",
            title="A dented car",
            author="Ann & Bob",
            license="CC BY-SA 4.0",
            license_url="https://creativecommons.org/licenses/by-sa/4.0",
            attribution="Own work",
        ),
    )


def test_pages_are_followed_by_what_continue_says(find: Any, answer: Any, questions: Any) -> None:
    def two_pages(query: dict[str, str]) -> tuple[int, object]:
        if "gcmcontinue" in query:
            return 200, {"batchcomplete": True, "query": {"pages": [_file(2)]}}
        return 200, {
            "continue": {"gcmcontinue": "file|44|2", "continue": "gcmcontinue||"},
            "query": {"pages": [_file(1), {"pageid": 9, "ns": 6, "title": "File:9.jpg"}]},
        }

    answer(two_pages)
    assert [[image.listing_id for image in page.images] for page in find()] == [["1"], ["2"]]
    first, second = questions()
    assert (first["generator"], first["gcmtitle"], first["gcmtype"]) == (
        "categorymembers",
        "Category:Damaged cars",
        "file",
    )
    assert second == {**first, "gcmcontinue": "file|44|2", "continue": "gcmcontinue||"}


def test_a_search_is_asked_for_files_only(find: Any, answer: Any, questions: Any) -> None:
    answer(lambda query: (200, {"batchcomplete": True, "query": {"pages": []}}))
    find(category=None, search="dented car", width=1280)
    (asked,) = questions()
    assert (asked["generator"], asked["gsrsearch"], asked["gsrnamespace"], asked["iiurlwidth"]) == (
        "search",
        "dented car",
        "6",
        "1280",
    )


def test_what_is_no_photograph_is_passed_over(find: Any, answer: Any) -> None:
    files = [_file(1, mime="image/svg+xml"), _file(2, mime="application/pdf"), _file(3)]
    answer(lambda query: (200, {"batchcomplete": True, "query": {"pages": files}}))
    assert [image.listing_id for page in find() for image in page.images] == ["3"]


def test_an_empty_category_gives_nothing(find: Any, answer: Any) -> None:
    answer(lambda query: (200, {"batchcomplete": True}))
    assert [page.images for page in find()] == [()]


def test_a_question_that_is_refused_is_told_with_the_code(find: Any, answer: Any) -> None:
    answer(lambda query: (200, {"error": {"code": "invalidtitle", "info": 'Bad title "Category:".'}, "docref": "…"}))
    with pytest.raises(RecipeFailed, match=r"source 'commons': invalidtitle: Bad title"):
        find()


def test_a_reply_of_another_shape_is_told(find: Any, answer: Any) -> None:
    answer(lambda query: (200, {"query": {"pages": {"7": {}}}}))
    with pytest.raises(RecipeFailed, match="answers otherwise than its documentation says"):
        find()


def test_trouble_on_a_later_page_leaves_the_rest_to_another_run(find: Any, answer: Any) -> None:
    def fails_later(query: dict[str, str]) -> tuple[int, object]:
        if "gcmcontinue" in query:
            return 500, {}
        return 200, {"continue": {"gcmcontinue": "x"}, "query": {"pages": [_file(1)]}}

    answer(fails_later)
    page, refusal = find()
    assert len(page.images) == 1
    assert "the rest is for another run" in refusal.reason


def test_a_server_that_lags_is_asked_by_another_run(find: Any, answer: Any) -> None:
    answer(
        lambda query: (200, {"error": {"code": "maxlag", "info": "Waiting for a database server: 7 seconds lagged."}})
    )
    with pytest.raises(FetchFailed, match="maxlag"):
        find()


def test_an_api_that_does_not_answer_is_told(find: Any, answer: Any) -> None:
    answer(lambda query: (500, {}))
    with pytest.raises(FetchFailed, match="500"):
        find()


def test_category_and_search_exclude_each_other() -> None:
    for settings in ({}, {"category": "a", "search": "b"}):
        with pytest.raises(ValueError, match="either category: or search:"):
            CommonsSource(name="commons", **settings)
