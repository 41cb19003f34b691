"""A selection as a table that spreadsheets open."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any


def to_csv(images: Sequence[Mapping[str, Any]]) -> bytes:
    """One row per chosen image: what it is, by which strategy and why, each signal and its rank."""
    signals = sorted({name for image in images for name in image["signals"]})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ranks = [f"{name} rank" for name in signals]
    writer.writerow(["place", "sha256", "file_name", "family", "by", "reason", "distance", *signals, *ranks])
    for place, image in enumerate(images, start=1):
        row = [place, *(image[name] for name in ("sha256", "file_name", "family", "by", "reason", "distance"))]
        row += [image[part].get(name) for part in ("signals", "above") for name in signals]
        writer.writerow([_safe(cell) for cell in row])
    return text.getvalue().encode()


def _safe(cell: object) -> object:
    """A text that a spreadsheet would take for a formula, as the text that it is."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell else cell
