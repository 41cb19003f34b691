"""What a run shows: a table on the terminal, `report.json`, and `report.html`, which needs nothing beside it."""

import base64
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from math import fsum
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, StrictUndefined
from rich import box
from rich.console import Console
from rich.table import Table

from datasets.comparison import VERDICTS
from datasets.files import write_bytes, write_json
from datasets.ledger import FateRow, Ledger
from datasets.split import unit_hash
from datasets.versions import read_manifest, read_version
from pipelines.plots import COLOURS, draw_frame, draw_quality, draw_work
from pipelines.results import RoundResult
from pipelines.runs import Run
from pipelines.services import MONGODB_VARIABLE, without_login
from scrapers.catalog import Catalog

FRAMES_SHOWN = 12
_METRICS = (
    ("damage_detector", "map50", "mAP50"),
    ("damage_detector", "map50_95", "mAP50-95"),
    ("cleanliness_classifier", "macro_f1", "cleanliness F1"),
)


def write_report(run: Run, results: Sequence[RoundResult]) -> Path:
    """Write `report.json` and `report.html` into the run's folder; returns the latter's path."""
    write_json(run.folder / "report.json", to_json(results))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["data_url"] = _data_url
    template = environment.from_string(files("pipelines").joinpath("report.html.j2").read_text(encoding="utf-8"))
    page = template.render(
        run=run,
        project=run.project,
        rows=[table_row(result) for result in results],
        results=results,
        verdicts=VERDICTS,
        colours=COLOURS,
        steps=list({step: None for result in results for step in result.seconds}),
        quality=draw_quality(results),
        work=draw_work(results),
        frames=_frames(run, results),
        test_set=read_manifest(run.versions, results[-1].test_set),
        dataset=read_manifest(run.versions, results[-1].dataset),
        fiftyone=_fiftyone_command(run),
        classes=run.project.taxonomy.names("rectangle"),
    )
    path = run.folder / "report.html"
    write_bytes(path, page.encode())
    return path


def _fiftyone_command(run: Run) -> str:
    """What opens the labels in FiftyOne's App."""
    if uri := os.environ.get(MONGODB_VARIABLE):
        return f"{MONGODB_VARIABLE}={without_login(uri)} fiftyone app launch {run.review_name}"
    return f"FIFTYONE_DATABASE_DIR={run.review.absolute()} fiftyone app launch {run.review_name}"


def _data_url(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _frames(run: Run, results: Sequence[RoundResult]) -> list[dict[str, Any]]:
    """Frames of the last round, those with pre-labelled boxes first, then by hash, with what became of them."""
    ledger, catalog = Ledger(run.ledger_url), Catalog(run.catalog_url)
    by_image: dict[str, list[FateRow]] = defaultdict(list)
    for row in ledger.read_fates():
        by_image[row.sha256].append(row)
    images = {image.sha256: image for image in catalog.images()}
    ledger.close()
    catalog.close()
    earlier, last = (_sha256s(run, result.dataset) for result in (results[-2], results[-1]))
    chosen = sorted(last - earlier, key=lambda sha256: (not _has_boxes(by_image[sha256]), unit_hash(sha256, seed=0)))
    return [
        {
            "picture": draw_frame(run.store / images[sha256].file_name, by_image[sha256]),
            "family": images[sha256].family,
            "tags": [_told(row) for row in by_image[sha256] if _is_tag(row)],
        }
        for sha256 in chosen[:FRAMES_SHOWN]
    ]


def _sha256s(run: Run, version: str) -> set[str]:
    return set(read_version(run.versions, version, run.project.taxonomy).by_sha256)


def _has_boxes(rows: Sequence[FateRow]) -> bool:
    return any(row.fate.before and row.fate.before.bbox_xyxy for row in rows)


def _is_tag(row: FateRow) -> bool:
    shown = row.fate.after or row.fate.before
    return shown is not None and shown.is_tag


def _told(row: FateRow) -> str:
    before, after = row.fate.before, row.fate.after
    if before and after and before.category != after.category:
        return f"{before.category} → {after.category}"
    shown = after or before
    return f"{shown.category if shown else ''} ({row.fate.verdict})"


def table_row(result: RoundResult) -> dict[str, Any]:
    """One round in numbers: images, pre-labels, fates, work per image, scores, seconds."""
    return {
        "round": result.number,
        "images": result.images,
        "labelled_images": result.labelled_images,
        "prelabels": result.prelabels,
        **{verdict: sum(fates[verdict] for fates in result.fates.values()) for verdict in VERDICTS},
        "corrections_per_image": round(result.corrections / max(result.images, 1), 2),
        **{f"{model}.{metric}": result.models[model].scores.get(metric) for model, metric, _ in _METRICS},
        "seconds": round(fsum(result.seconds.values()), 1),
    }


def to_json(results: Sequence[RoundResult]) -> dict[str, Any]:
    """The table's numbers and each round's whole result."""
    return {
        "table": [table_row(result) for result in results],
        "rounds": [result.model_dump(mode="json") for result in results],
    }


def show_results(results: Sequence[RoundResult], report: Path, *, as_json: bool) -> None:
    """Print the table, or the same numbers as JSON, on stdout."""
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(to_json(results), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return
    rows = [table_row(result) for result in results]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="What the loop gained")
    table.add_column("round")
    for row in rows:
        table.add_column(str(row["round"]), justify="right")
    for key, title, shown in _shown():
        table.add_row(title, *(shown(row[key]) for row in rows))
    console = Console()
    console.print(table)
    console.print(f"Report: {report}", highlight=False, soft_wrap=True)


def _shown() -> Iterator[tuple[str, str, Callable[[Any], str]]]:
    """The table's lines: key, title, and how a value is written."""
    yield "images", "images labelled", str
    yield "prelabels", "pre-labels", str
    yield from ((verdict, f"  {verdict}", str) for verdict in VERDICTS)
    yield "corrections_per_image", "corrections per image", "{:.2f}".format
    yield from ((f"{model}.{metric}", title, format_score) for model, metric, title in _METRICS)
    yield "seconds", "seconds", "{:.0f}".format


def format_score(score: float | None) -> str:
    return "n/a" if score is None else f"{score:.3f}"
