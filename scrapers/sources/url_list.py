"""Addresses of images in a CSV or Parquet file, read piece by piece."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from scrapers.errors import RecipeFailed
from scrapers.found import FoundImage, Page
from scrapers.sources.settings import UrlListSource

_ROWS = 2_000


def find_in_url_list(source: UrlListSource) -> Iterator[Page]:
    """The addresses of the file, a page for every two thousand rows.

    Raises:
        RecipeFailed: the file is absent, unreadable, or lacks a column.
    """
    rows = _parquet_rows(source) if source.path.suffix.lower() == ".parquet" else _csv_rows(source)
    while batch := list(islice(rows, _ROWS)):
        yield Page(source.path.name, tuple(_found(row, source) for row in batch if row["url"]))


def _found(row: Mapping[str, str | None], source: UrlListSource) -> FoundImage:
    said = {key: value for key, value in row.items() if value}
    url, license = str(said.pop("url")), said.pop("license", None)
    family = said.pop("family", None) or said.get("listing_id") or said.get("page_url") or url
    stated = license or said.get("license_url") or source.license
    return FoundImage(url=url, family=family, license=stated, **{"author": source.author, **said})  # type: ignore[arg-type]


def _csv_rows(source: UrlListSource) -> Iterator[dict[str, str | None]]:
    try:
        with source.path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle)
            _check_columns(source, reader.fieldnames or ())
            for row in reader:
                yield {known: (row[name] or "").strip() or None for known, name in source.columns.items()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(source.path, error) from None


def _parquet_rows(source: UrlListSource) -> Iterator[dict[str, str | None]]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(source.path) as file:
            _check_columns(source, file.schema_arrow.names)
            for batch in file.iter_batches(_ROWS, columns=list(source.columns.values())):
                for row in batch.to_pylist():
                    yield {known: _text(row[name]) for known, name in source.columns.items()}
    except (OSError, pyarrow.ArrowException) as error:
        raise _unreadable(source.path, error) from None


def _text(value: Any) -> str | None:
    return None if value is None else str(value).strip() or None


def _check_columns(source: UrlListSource, names: Iterable[str]) -> None:
    there = list(names)
    if missing := [name for name in source.columns.values() if name not in there]:
        raise RecipeFailed(
            f"{source.path} has no column {missing[0]!r} but {', '.join(there) or 'none'}; mend columns:"
        )


def _unreadable(path: Path, error: Exception) -> RecipeFailed:
    return RecipeFailed(f"{path} cannot be read: {error}; give a CSV file with a header, or a Parquet file")
