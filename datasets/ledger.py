"""The ledger: which pre-labels were stored, and what became of each in accepted jobs.

SQLAlchemy; SQLite by default, any SQLAlchemy URL at scale. Rows are keyed by job, and writing those of a job again
replaces them, so that a flow can be rerun at any moment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from sqlalchemy import JSON, Float, Integer, String, delete, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from datasets.comparison import Fate, LabelledObject, Verdict
from datasets.database import open_database


class _Base(DeclarativeBase):
    pass


class _Prelabel(_Base):
    __tablename__ = "prelabels"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    job_id: Mapped[int] = mapped_column(Integer, index=True)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    model: Mapped[str] = mapped_column(String(255))
    stored: Mapped[dict[str, Any]] = mapped_column(JSON)


class _Fate(_Base):
    __tablename__ = "fates"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    job_id: Mapped[int] = mapped_column(Integer, index=True)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    model: Mapped[str | None] = mapped_column(String(255))
    verdict: Mapped[str] = mapped_column(String(16), index=True)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    iou: Mapped[float | None] = mapped_column(Float)


@dataclass(frozen=True, slots=True)
class Prelabel:
    """A prediction as it was stored in CVAT: on which image, by which model (`name@version`)."""

    sha256: str
    model: str
    stored: LabelledObject


@dataclass(frozen=True, slots=True)
class FateRow:
    """The fate of one object of an accepted job."""

    sha256: str
    model: str | None
    fate: Fate


class Ledger:
    """The store of pre-labels and fates behind one SQLAlchemy URL."""

    def __init__(self, url: str) -> None:
        self._engine = open_database(url, _Base.metadata)

    def write_prelabels(self, job_id: int, prelabels: Iterable[Prelabel]) -> None:
        """Replace what is known of a job's pre-labels."""
        with Session(self._engine) as session, session.begin():
            session.execute(delete(_Prelabel).where(_Prelabel.job_id == job_id))
            session.add_all(
                _Prelabel(job_id=job_id, sha256=p.sha256, model=p.model, stored=asdict(p.stored)) for p in prelabels
            )

    def read_prelabels(self, job_id: int) -> list[Prelabel]:
        """A job's pre-labels in the order they were stored."""
        query = select(_Prelabel).where(_Prelabel.job_id == job_id).order_by(_Prelabel.id)
        with Session(self._engine) as session:
            return [Prelabel(row.sha256, row.model, _labelled(row.stored)) for row in session.scalars(query)]

    def write_fates(self, job_id: int, rows: Iterable[FateRow]) -> None:
        """Replace what is known of the fates in a job."""
        with Session(self._engine) as session, session.begin():
            session.execute(delete(_Fate).where(_Fate.job_id == job_id))
            session.add_all(
                _Fate(job_id=job_id, sha256=row.sha256, model=row.model, **asdict(row.fate)) for row in rows
            )

    def read_fates(self) -> list[FateRow]:
        """Every fate, by job."""
        with Session(self._engine) as session:
            return [
                FateRow(
                    row.sha256,
                    row.model,
                    Fate(
                        cast(Verdict, row.verdict),
                        _labelled(row.before) if row.before else None,
                        _labelled(row.after) if row.after else None,
                        row.iou,
                    ),
                )
                for row in session.scalars(select(_Fate).order_by(_Fate.job_id, _Fate.id))
            ]

    def close(self) -> None:
        self._engine.dispose()


def _labelled(stored: Mapping[str, Any]) -> LabelledObject:
    bbox_xyxy = stored["bbox_xyxy"]
    return LabelledObject(**{**stored, "bbox_xyxy": tuple(bbox_xyxy) if bbox_xyxy else None})
