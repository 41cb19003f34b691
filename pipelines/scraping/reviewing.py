"""What a person looks at and decides: quarantine, what was dropped, and whether provenance is complete."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from datasets.rights.tables import console, plain, table
from pipelines.errors import BadProject
from pipelines.output import show, write_json
from pipelines.project import Project
from pipelines.scraping.place import Scraped
from scrapers.catalog import Record, State
from scrapers.keeping import Places
from scrapers.licences import judge, licence_name

_REQUIRED = ("url", "license", "retrieved_at", "robots", "source", "recipe")
_WANTED = ("page_url", "author", "attribution", "title", "license_url")
_SHOWN = 40


def list_aside(scraped: Scraped, state: State, *, as_json: bool) -> None:
    """The images of one state, and why they are there."""
    with scraped.open_held() as places:
        records = places.catalog.records(state)
    if as_json:
        write_json([asdict(record) for record in records])
        return
    rows = [
        (r.sha256[:12], r.source or "", licence_name(r.license) or "not stated", r.reason or "", r.url or "")
        for r in records
    ]
    names = ("image", "source", "licence", "why", "address")
    console().print(table(f"{len(records):,} {state}", names, rows[:_SHOWN], texts=5))
    if len(rows) > _SHOWN:
        console().print(f"… and {len(rows) - _SHOWN:,} more; --json lists all.")


def accept(scraped: Scraped, images: Sequence[str], *, reason: str, as_json: bool) -> None:
    """Put images from quarantine into the store: a person says that they may be used."""
    with scraped.open_held() as places:
        chosen = _find(places, images, "quarantined")
        _put_into_store(places, chosen, reason)
    show({"accepted": len(chosen)}, as_json=as_json)


def restore(scraped: Scraped, project: Project, images: Sequence[str], *, as_json: bool) -> None:
    """Put dropped images into the store, or into quarantine where their licence is unknown."""
    with scraped.open_held() as places:
        chosen = _find(places, images, "dropped")
        usable = [r for r in chosen if judge((r.license, r.license_url), project.scrape.licences) == "allowed"]
        others = [record for record in chosen if record not in usable]
        _put_into_store(places, usable, "a person restored it")
        reason = "a person restored it, but its licence is unknown"
        places.catalog.move([record.sha256 for record in others], state="quarantined", reason=reason)
    show({"restored": len(usable), "quarantined": len(others)}, as_json=as_json)


def _put_into_store(places: Places, records: Sequence[Record], reason: str) -> None:
    for record in records:
        places.store.write_image(places.aside.path(record.file_name).read_bytes())
    places.catalog.move([record.sha256 for record in records], state="kept", reason=reason)
    _remove(places, records)


def reject(scraped: Scraped, images: Sequence[str], *, reason: str, as_json: bool) -> None:
    """Delete images from aside; they will not be taken again."""
    with scraped.open_held() as places:
        chosen = _find(places, images, "quarantined")
        places.catalog.move([record.sha256 for record in chosen], state="rejected", reason=reason)
        _remove(places, chosen)
    show({"rejected": len(chosen)}, as_json=as_json)


def _find(places: Places, images: Sequence[str], state: State) -> list[Record]:
    """The records whose SHA-256 begins so, whose licence or whose source is called so. Raises BadProject."""
    records = places.catalog.records(state)
    chosen = {record.sha256: record for wanted in images for record in records if _is_meant(record, wanted)}
    if unmet := [wanted for wanted in images if not any(_is_meant(record, wanted) for record in records)]:
        raise BadProject(f"nothing {state} is {unmet[0]!r}; name digits of an image, a licence or a source, or all")
    return list(chosen.values())


def _is_meant(record: Record, wanted: str) -> bool:
    is_digits = len(wanted) >= 6 and record.sha256.startswith(wanted.lower())
    return wanted == "all" or is_digits or wanted in (record.license or "not stated", record.source)


def _remove(places: Places, records: Sequence[Record]) -> None:
    for record in records:
        places.aside.path(record.file_name).unlink(missing_ok=True)


def audit(scraped: Scraped, *, as_json: bool) -> bool:
    """Whether every image that is kept has the provenance it needs, by one query; what is missing is told."""
    with scraped.open_held() as places:
        images, unsaid = places.catalog.unsaid()
        absent = [
            record.sha256
            for record in places.catalog.records("kept")
            if not places.store.path(record.file_name).exists()
        ]
    told: dict[str, Any] = {
        "images": images,
        "complete": images - max((unsaid[name] for name in _REQUIRED), default=0),
        "without": {name: unsaid[name] for name in _REQUIRED},
        "not_said": {name: unsaid[name] for name in _WANTED},
        "files_absent": absent,
    }
    show(told, as_json=as_json)
    return not absent and not any(unsaid[name] for name in _REQUIRED)


def list_sources(scraped: Scraped, project: Project, *, as_json: bool) -> None:
    """The sources, the project's and those met before, and how many addresses have which fate."""
    with scraped.open_held() as places:
        counts = places.catalog.fates()
    kinds = {source.name: source.kind for source in project.scrape.sources}
    rows = [
        {"source": name, "kind": kinds.get(name), "fates": counts.get(name, {})} for name in sorted({*kinds, *counts})
    ]
    if as_json:
        write_json(rows)
        return
    fates = sorted({fate for told in counts.values() for fate in told})
    cells = [
        (plain(row["source"]), row["kind"] or "", *(counts.get(str(row["source"]), {}).get(f, 0) for f in fates))
        for row in rows
    ]
    console().print(table("Sources", ("source", "kind", *fates), cells, texts=2))
