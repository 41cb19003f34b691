"""What can go wrong while scraping.

datasets.errors.CarloopError
└── ScrapeError
    ├── FetchFailed           one address could not be read; the rest goes on
    │   └── FetchRefused      … and never will be: robots.txt, the rules for addresses, or the content forbid it
    ├── ArchiveRefused        an archive would leave its folder or exceed its limits
    └── RecipeFailed          a whole site gave nothing that its recipe can read
"""

from datasets.errors import CarloopError


class ScrapeError(CarloopError):
    """Scraping went wrong."""


class FetchFailed(ScrapeError):
    """One address could not be read.

    `status` is the last answer's, if there was one, and `retry_after_s` how long the server asked to be left alone.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after_s: float | None = None, tries: int = 0
    ) -> None:
        super().__init__(message)
        self.status, self.retry_after_s, self.tries = status, retry_after_s, tries


class FetchRefused(FetchFailed):
    """An address, or what it gave, is not to be had: asking again is no use."""


class ArchiveRefused(ScrapeError):
    """An archive would leave its folder or exceed its limits."""


class RecipeFailed(ScrapeError):
    """A site's pages do not fit its recipe."""
