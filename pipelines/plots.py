"""The report's pictures: quality against labelled images, and frames with pre-labels and corrections drawn."""

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont, ImageOps

from datasets.comparison import Verdict
from datasets.labelled import BboxXyxy, LabelledObject
from datasets.ledger import FateRow
from pipelines.results import RoundResult

COLOURS: dict[Verdict, str] = {
    "accepted": "#2e9e5b",
    "moved": "#2f6fde",
    "reclassed": "#a347ba",
    "deleted": "#d43d3d",
    "added": "#e08a00",
}
_TILE = 260
_LINE = 3


def draw_quality(results: Sequence[RoundResult]) -> bytes:
    """mAP50, mAP50-95 and macro F1 of the model in use, against labelled images, as PNG."""
    figure = Figure(figsize=(7, 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    labelled = [result.labelled_images for result in results]
    for model, metric, name, colour in (
        ("damage_detector", "map50", "damage mAP50", "#2f6fde"),
        ("damage_detector", "map50_95", "damage mAP50-95", "#7fa7ee"),
        ("cleanliness_classifier", "macro_f1", "cleanliness F1", "#2e9e5b"),
    ):
        scores = [result.models[model].scores.get(metric) for result in results]
        points = [(x, y) for x, y in zip(labelled, scores, strict=True) if y is not None]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=name, color=colour)
    axes.set(xlabel="labelled images", ylabel="score on the frozen test set")
    axes.set_ylim(0, min(1.02, max(0.1, 1.2 * axes.dataLim.y1)))
    axes.set_xticks(labelled)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return _png(figure)


def draw_work(results: Sequence[RoundResult]) -> bytes:
    """What became of each object, per image and round, stacked by verdict, as PNG."""
    figure = Figure(figsize=(7, 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    rounds = [f"round {result.number}\n{result.images} images" for result in results]
    bottom = [0.0] * len(results)
    for verdict, colour in COLOURS.items():
        heights = [sum(f[verdict] for f in r.fates.values()) / max(r.images, 1) for r in results]
        axes.bar(rounds, heights, bottom=bottom, label=verdict, color=colour, width=0.6)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_ylabel("objects per image")
    axes.legend(frameon=False, ncols=5, loc="upper center", bbox_to_anchor=(0.5, 1.14))
    return _png(figure)


def _png(figure: Figure) -> bytes:
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()


def draw_frame(photograph: Path, rows: Sequence[FateRow]) -> bytes:
    """One frame as JPEG: pre-labels that were wrong are dashed, what people left is drawn through, by verdict."""
    with PillowImage.open(photograph) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    scale = _TILE / max(picture.size)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    canvas = ImageDraw.Draw(picture)
    for row in rows:
        colour = COLOURS[row.fate.verdict]
        if row.fate.before and row.fate.verdict != "accepted":
            _draw_box(canvas, row.fate.before, scale, colour, dashed=True, named=row.fate.after is None)
        if row.fate.after:
            _draw_box(canvas, row.fate.after, scale, colour, dashed=False, named=True)
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=85)
    return target.getvalue()


def _draw_box(
    canvas: ImageDraw.ImageDraw, labelled: LabelledObject, scale: float, colour: str, *, dashed: bool, named: bool
) -> None:
    if labelled.bbox_xyxy is None:
        return
    left, top, right, bottom = (value * scale for value in labelled.bbox_xyxy)
    if dashed:
        _draw_dashes(canvas, (left, top, right, bottom), colour)
    else:
        canvas.rectangle((left, top, right, bottom), outline=colour, width=_LINE - 1)
    if named:
        font = ImageFont.load_default(size=11)
        overhang = max(0.0, left + canvas.textlength(labelled.category, font=font) - _TILE)
        place = (left - overhang, max(0.0, top - 14))
        canvas.rectangle(canvas.textbbox(place, labelled.category, font=font), fill=colour)
        canvas.text(place, labelled.category, fill="white", font=font)


def _draw_dashes(canvas: ImageDraw.ImageDraw, box: BboxXyxy, colour: str, length: int = 6) -> None:
    left, top, right, bottom = (round(value) for value in box)
    for x in range(left, right, 2 * length):
        for y in (top, bottom):
            canvas.line((x, y, min(x + length, right), y), fill=colour, width=_LINE - 1)
    for y in range(top, bottom, 2 * length):
        for x in (left, right):
            canvas.line((x, y, x, min(y + length, bottom)), fill=colour, width=_LINE - 1)
