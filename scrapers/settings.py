"""The scraping part of the project file: how to fetch, and one recipe per listing site."""

from pydantic import Field

from datasets.taxonomy import Settings


class FetchSettings(Settings):
    """Manners and limits of the client. `allow_private` names, as `host:port`, what may be on a private network."""

    user_agent: str = "carloop/0.1 (+https://example.invalid/carloop; contact: set fetch: user_agent)"
    timeout_s: float = Field(default=20.0, gt=0)
    max_image_bytes: int = Field(default=30_000_000, gt=0)
    attempts: int = Field(default=3, ge=1)
    allow_private: tuple[str, ...] = ()


class ListingRecipe(Settings):
    """Where a listing site has what Carloop keeps; selectors are CSS.

    `listing` finds links to listings on an index page, `next_page` the link to the next one. On a listing's page
    `image` finds the photographs, and `family`, `license` and `author` what is said about all of them (the element's
    `content` or `href`, or else its text).
    """

    start_url: str
    listing: str
    next_page: str = "a[rel=next]"
    image: str = "img"
    family: str | None = None
    license: str | None = None
    author: str | None = None
