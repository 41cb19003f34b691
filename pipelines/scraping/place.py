"""Where scraping keeps things under a home folder.

scraped/catalog.sqlite   every image's provenance and every address's fate
scraped/aside/           images that wait for a person, or were dropped
scraped/archives/        what sources download whole
scraped/spool/           what has just arrived, while a run is under way
datasets/store/          the images that are kept, with those of datasets
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from datasets.rights import read_takedowns
from datasets.store import ImageStore
from pipelines.scraping.sharding import Shard
from pipelines.shelf import Shelf
from scrapers.catalog import Catalog
from scrapers.keeping import Places
from scrapers.sources.settings import SourceSettings

_NOWHERE = "sqlite://"  # in memory


class Scraped:
    """The scraped images under one home folder."""

    def __init__(self, home: Path) -> None:
        self.root = home / "scraped"
        self.shelf = Shelf(home)

    @property
    def _catalog(self) -> Path:
        return self.root / "catalog.sqlite"

    @property
    def catalog_url(self) -> str:
        """The catalogue's database, for SQLAlchemy."""
        return f"sqlite:///{self._catalog.absolute()}"

    @contextmanager
    def open(self) -> Iterator[Places]:
        """The places, the catalogue open until the block ends; made where they are missing."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self._opened(self.catalog_url) as places:
            yield places

    @contextmanager
    def open_held(self) -> Iterator[Places]:
        """What is held of them, likewise: nothing, and nothing is made, where nobody scraped yet."""
        with self._opened(self.catalog_url if self._catalog.exists() else _NOWHERE) as places:
            yield places

    @contextmanager
    def _opened(self, url: str) -> Iterator[Places]:
        with closing(Catalog(url)) as catalog:
            yield Places(catalog, self.shelf.store, ImageStore(self.root / "aside"))

    def archives(self, source: SourceSettings) -> Path:
        """Where a source, as its settings are now, keeps what it downloads."""
        return self.root / "archives" / f"{source.name}-{source.version}"

    def spool(self, source: SourceSettings, shard: Shard) -> Path:
        """Where one worker on a source has what has just arrived."""
        return self.root / "spool" / f"{source.name}-{shard.number}-of-{shard.of}"

    def withdrawn(self) -> set[str]:
        """The images whose right to be used was withdrawn."""
        return set(read_takedowns(self.shelf.takedowns).by_sha256)
