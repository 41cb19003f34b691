"""Replies of APIs, checked against their documented shape."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from datasets.taxonomy import validation_problems
from scrapers.errors import RecipeFailed
from scrapers.fetching.answers import Answer
from scrapers.fetching.fetcher import Fetcher

Reply = TypeVar("Reply", bound=BaseModel)


def fetch_reply(
    fetcher: Fetcher,
    url: str,
    model: type[Reply],
    *,
    params: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """An API's reply.

    Raises:
        FetchFailed: there is none.
        RecipeFailed: it is not as documented.
    """
    return check_reply(fetcher.fetch_json(url, params=params, headers=headers or {}), model)


def check_reply(answer: Answer, model: type[Reply]) -> Reply:
    """An answer's JSON as its model. Raises FetchFailed or RecipeFailed."""
    try:
        return model.model_validate(answer.json())
    except ValidationError as error:
        address = answer.url.partition("?")[0]
        raise RecipeFailed(
            f"{address} answers otherwise than its documentation says: {'; '.join(validation_problems(error)[:3])}; "
            "its API may have changed"
        ) from None
