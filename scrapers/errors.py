"""What can go wrong while scraping.

datasets.errors.CarloopError
└── ScrapeError
    ├── FetchFailed           one address could not be read; the rest goes on
    └── RecipeFailed          a whole site gave nothing that its recipe can read
"""

from datasets.errors import CarloopError


class ScrapeError(CarloopError):
    """Scraping went wrong."""


class FetchFailed(ScrapeError):
    """One address could not be read."""


class RecipeFailed(ScrapeError):
    """A site's pages do not fit its recipe."""
