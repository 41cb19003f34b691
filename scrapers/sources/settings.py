"""What may stand under `sources:` in a project file, or alone in a recipe file: one model for each kind of source.

`name` is the source's own in the catalogue. Keys of APIs are never in a file: a setting names the environment variable
that holds one.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from datasets.files import digest
from datasets.taxonomy import Settings


class SourceSettings(Settings):
    """What every kind of source has."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")

    @property
    def address(self) -> str | None:
        """Where its pages are on the network; None for what lies on this machine."""
        return None

    @property
    def version(self) -> str:
        """Twelve hex digits that change with any of the source's settings."""
        return digest(self.model_dump(mode="json"))[:12]


class StatedSettings(SourceSettings):
    """A source of which the project may say what nobody else does: the licence and author of all its images."""

    license: str | None = None
    author: str | None = None


class CommonsSource(SourceSettings):
    """Files of Wikimedia Commons, in a category (without its subcategories) or by a search.

    `width` asks for a rendition at most so wide, in pixels, in place of the original.
    """

    kind: Literal["commons"] = "commons"
    category: str | None = None
    search: str | None = None
    width: int | None = Field(default=None, gt=0)
    page_size: int = Field(default=50, gt=0, le=500)
    api: str = "https://commons.wikimedia.org/w/api.php"

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.category is None) == (self.search is None):
            raise ValueError("give either category: or search:")
        return self

    @property
    def address(self) -> str:
        return self.api


class OpenverseSource(SourceSettings):
    """Images that Openverse finds. Without a token its API gives 20 results a page, and few pages."""

    kind: Literal["openverse"] = "openverse"
    query: str
    licenses: tuple[str, ...] = ("cc0", "pdm", "by", "by-sa")
    page_size: int = Field(default=20, gt=0, le=500)
    token_env: str = "OPENVERSE_TOKEN"
    api: str = "https://api.openverse.org/v1/images/"

    @property
    def address(self) -> str:
        return self.api


class RoboflowSource(StatedSettings):
    """One version of a Roboflow Universe dataset, as its COCO export."""

    kind: Literal["roboflow"] = "roboflow"
    workspace: str = Field(pattern=r"^[\w-]+$")
    project: str = Field(pattern=r"^[\w-]+$")
    dataset_version: int = Field(gt=0)
    key_env: str = "ROBOFLOW_API_KEY"
    api: str = "https://api.roboflow.com"
    max_bytes: int = Field(default=20_000_000_000, gt=0)

    @property
    def address(self) -> str:
        return self.api


class ListingRecipe(SourceSettings):
    """Where a listing site has what Carloop keeps.

    Selectors are CSS; `selector@attribute` takes that attribute (of a `srcset` the largest). Without one a link is its
    `href`, an image its `src`, and what is said the element's `content` or `href`, or else its text.

    `listing` finds links to listings on an index page, `next_page` the link to the next one; without `listing` the
    index pages show the photographs themselves. On a page `item` finds what has photographs and facts of its own
    (without it, the whole page), `image` the photographs therein, and the rest what is said about them.
    """

    kind: Literal["listing"] = "listing"
    start_urls: tuple[str, ...] = Field(min_length=1)
    listing: str | None = None
    next_page: str = "a[rel=next]"
    item: str | None = None
    image: str = "img"
    family: str | None = None
    listing_id: str | None = None
    title: str | None = None
    price: str | None = None
    license: str | None = None
    author: str | None = None
    max_pages: int = Field(default=10_000, gt=0)

    @property
    def address(self) -> str:
        return self.start_urls[0]


class SitemapSource(StatedSettings):
    """The images that a site's sitemap, or sitemap index, names; `pages` is a regular expression over pages."""

    kind: Literal["sitemap"] = "sitemap"
    url: str
    pages: str = ""

    @property
    def address(self) -> str:
        return self.url


class UrlListSource(StatedSettings):
    """Addresses in a CSV or Parquet file; `columns` gives what we know by the name of the file's column for it."""

    kind: Literal["url-list"] = "url-list"
    path: Path
    columns: dict[
        Literal["url", "page_url", "family", "listing_id", "title", "price", "license", "license_url", "author"], str
    ] = Field(default={"url": "url"})

    @model_validator(mode="after")
    def _has_url(self) -> Self:
        if "url" not in self.columns:
            raise ValueError("columns: has to name the column of the addresses, as url:")
        return self


class LocalSource(StatedSettings):
    """Images in a folder or an archive (.zip, .tar, .tar.gz) on this machine.

    `family` is a regular expression over names; its first group is the family. Without one a subfolder is a family.
    """

    kind: Literal["local"] = "local"
    path: Path
    page_url: str | None = None
    family: str | None = None


class CocoSource(StatedSettings):
    """A COCO dataset by URL: an archive with images, or an `annotations.json` whose images have addresses.

    `images_url` is what names of images are put after where the file gives no addresses of its own.
    """

    kind: Literal["coco"] = "coco"
    url: str
    images_url: str | None = None
    page_url: str | None = None
    max_bytes: int = Field(default=20_000_000_000, gt=0)

    @property
    def address(self) -> str:
        return self.url


Source = Annotated[
    CommonsSource
    | OpenverseSource
    | RoboflowSource
    | ListingRecipe
    | SitemapSource
    | UrlListSource
    | LocalSource
    | CocoSource,
    Field(discriminator="kind"),
]
