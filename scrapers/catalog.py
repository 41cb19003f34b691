"""The catalogue: every image in the store with its provenance, and the fate of every address that was asked for."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ForeignKey, Integer, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from datasets.coco import Image, Provenance
from datasets.database import open_database


class _Base(DeclarativeBase):
    pass


class _Image(_Base):
    __tablename__ = "images"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    file_name: Mapped[str] = mapped_column(String(255))
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    family: Mapped[str] = mapped_column(String(255), index=True)
    page_url: Mapped[str | None] = mapped_column(String)
    url: Mapped[str | None] = mapped_column(String)
    author: Mapped[str | None] = mapped_column(String)
    license: Mapped[str | None] = mapped_column(String)
    retrieved_at: Mapped[str | None] = mapped_column(String)
    robots: Mapped[str | None] = mapped_column(String)


class _Address(_Base):
    __tablename__ = "addresses"

    url: Mapped[str] = mapped_column(String, primary_key=True)
    sha256: Mapped[str | None] = mapped_column(ForeignKey("images.sha256"))
    refused: Mapped[str | None] = mapped_column(String)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An address that gave no image, and why."""

    url: str
    reason: str


class Catalog:
    """The catalogue behind one SQLAlchemy URL. An image keeps the provenance it was first found with."""

    def __init__(self, url: str) -> None:
        self._engine = open_database(url, _Base.metadata)

    def known(self, urls: Iterable[str]) -> set[str]:
        """Those of the addresses that were asked for before."""
        with Session(self._engine) as session:
            return set(session.scalars(select(_Address.url).where(_Address.url.in_(list(urls)))))

    def add_image(self, image: Image) -> None:
        """Note an image that is in the store; one met again keeps its first provenance."""
        source = image.source
        with Session(self._engine) as session, session.begin():
            if session.get(_Image, image.sha256) is None:
                session.add(
                    _Image(
                        sha256=image.sha256,
                        file_name=image.file_name,
                        width=image.width,
                        height=image.height,
                        family=image.family,
                        page_url=source.page_url,
                        url=source.url,
                        author=source.author,
                        license=source.license,
                        retrieved_at=source.retrieved_at,
                        robots=source.robots,
                    )
                )
                session.flush()
            session.merge(_Address(url=source.url, sha256=image.sha256))

    def add_refusal(self, refusal: Refusal) -> None:
        """Note an address that answered, but with nothing to keep."""
        with Session(self._engine) as session, session.begin():
            session.merge(_Address(url=refusal.url, refused=refusal.reason))

    def images(self) -> list[Image]:
        """All images, by SHA-256."""
        with Session(self._engine) as session:
            return [_image(row) for row in session.scalars(select(_Image).order_by(_Image.sha256))]

    def refusals(self) -> list[Refusal]:
        """All addresses that gave no image."""
        query = select(_Address.url, _Address.refused).where(_Address.refused.is_not(None)).order_by(_Address.url)
        with Session(self._engine) as session:
            return [Refusal(url, reason or "") for url, reason in session.execute(query)]

    def close(self) -> None:
        self._engine.dispose()


def _image(row: _Image) -> Image:
    return Image(
        sha256=row.sha256,
        file_name=row.file_name,
        width=row.width,
        height=row.height,
        family=row.family,
        source=Provenance(
            page_url=row.page_url,
            url=row.url,
            author=row.author,
            license=row.license,
            retrieved_at=row.retrieved_at,
            robots=row.robots,
        ),
    )
