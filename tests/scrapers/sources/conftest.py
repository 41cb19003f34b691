"""An API on a real server, whose replies a test writes down as their documentation shows them."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.scrapers.conftest import Answer

Replies = Callable[[dict[str, str]], tuple[int, object]]


@pytest.fixture
def answer(site: Any) -> Callable[[Replies], None]:
    """Answer every path by the parameters of its query: a function of these gives status and JSON."""

    def answer_by(replies: Replies) -> None:
        def one(path: str) -> Answer | None:
            if path == "/robots.txt":
                return None
            status, content = replies(dict(parse_qsl(urlsplit(path).query)))
            return Answer(json.dumps(content).encode(), status=status, content_type="application/json")

        site.answered_by = one

    return answer_by


@pytest.fixture
def questions(site: Any) -> Callable[[], list[dict[str, str]]]:
    """The parameters of the queries that were asked, in order."""
    return lambda: [dict(parse_qsl(urlsplit(path).query)) for path in site.asked()]
