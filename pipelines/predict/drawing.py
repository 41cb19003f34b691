"""Pictures with what was seen on them: one by one, and some on a grid. Boxes are xyxy pixels of the picture."""

import io
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from datasets.seeing.labels import place_labels
from pipelines.predict.records import Found, Seen
from training.predicting.pictures import Pixels

COLOURS = ("#e0443e", "#2f6fde", "#2e9e5b", "#e08a00", "#a347ba", "#0f9aa8", "#d6438a", "#7a8b00")
SIDE = 1280
_SMALLEST = 480
_TILE, _GAP, _STRIP = 320, 8, 26
_DARK, _PALE = "#22262b", "#f2f4f6"


def draw_seen(pixels: Pixels, seen: Seen, class_names: Sequence[str], *, remark: str | None) -> bytes:
    """A picture with its sure objects outlined and named, and a line below on the whole of it, as JPEG.

    Its longer side is at most 1280 pixels, and at least 480, so that names can be read.
    """
    height, width = pixels.shape[:2]
    gain = min(SIDE, max(_SMALLEST, height, width)) / max(height, width)
    picture = PillowImage.fromarray(pixels)
    if gain != 1:
        picture = picture.resize((max(round(width * gain), 1), max(round(height * gain), 1)))
    _draw_objects(picture, seen.sure, class_names, gain)
    return _jpeg(_with_strip(picture, _whole(seen, remark)))


def _draw_objects(
    picture: PillowImage.Image, objects: Sequence[Found], class_names: Sequence[str], gain: float
) -> None:
    canvas = ImageDraw.Draw(picture)
    line = max(2, round(max(picture.size) / 400))
    scaled = [tuple(value * gain for value in found.bbox_xyxy) for found in objects]
    for found, (left, top, right, bottom) in reversed(list(zip(objects, scaled, strict=True))):
        canvas.rectangle((left, top, right, bottom), outline=_colour(found, class_names), width=line)
    named = [
        (f"{found.class_name} {found.score:.2f}", (left, top, right - left, bottom - top))
        for found, (left, top, right, bottom) in zip(objects, scaled, strict=True)
    ]
    for found, label in zip(objects, place_labels(named, width=picture.width, height=picture.height), strict=True):
        font = _font(round(max(picture.size) / 32))
        left, top, right, bottom = canvas.textbbox((label.x, label.y), label.text, font=font, anchor="ls")
        x = max(0.0, min(left, picture.width - (right - left) - 4)) - left
        canvas.rectangle((left + x - 3, top - 3, right + x + 3, bottom + 3), fill=_colour(found, class_names))
        canvas.text((label.x + x, label.y), label.text, fill="white", font=font, anchor="ls")


def _colour(found: Found, class_names: Sequence[str]) -> str:
    return COLOURS[class_names.index(found.class_name) % len(COLOURS)]


def _whole(seen: Seen, remark: str | None) -> str:
    tag = f"{seen.best_class} {seen.scores[seen.best_class]:.2f}" if seen.best_class else ""
    return "   ".join(filter(None, (remark, tag)))


def _with_strip(picture: PillowImage.Image, text: str) -> PillowImage.Image:
    """The picture over a strip with the text; itself without one."""
    if not text:
        return picture
    size = round(max(picture.size) / 28)
    font, height = _font(size), 2 * size
    sheet = PillowImage.new("RGB", (picture.width, picture.height + height), _DARK)
    sheet.paste(picture, (0, 0))
    canvas = ImageDraw.Draw(sheet)
    canvas.text(
        (size / 2, picture.height + height / 2), _shortened(text, font, picture.width - size), "white", font, "lm"
    )
    return sheet


def draw_grid(tiles: Iterable[tuple[Path, str, str]], *, columns: int = 4) -> bytes:
    """Drawn pictures as tiles, each with a line below and a colour beside it, as PNG: (file, text, colour)."""
    drawn = [_tile(*tile) for tile in tiles]
    columns = max(1, min(columns, len(drawn)))
    rows = -(-len(drawn) // columns)
    step_x, step_y = _TILE + _GAP, _TILE + _STRIP + _GAP
    sheet = PillowImage.new("RGB", (columns * step_x + _GAP, max(rows, 1) * step_y + _GAP), "white")
    for number, tile in enumerate(drawn):
        sheet.paste(tile, (_GAP + number % columns * step_x, _GAP + number // columns * step_y))
    target = io.BytesIO()
    sheet.save(target, "PNG")
    return target.getvalue()


def _tile(path: Path, text: str, colour: str) -> PillowImage.Image:
    tile = PillowImage.new("RGB", (_TILE, _TILE + _STRIP), _PALE)
    with PillowImage.open(path) as opened:
        opened.draft("RGB", (2 * _TILE, 2 * _TILE))
        picture = opened.convert("RGB")
    picture.thumbnail((_TILE, _TILE))
    tile.paste(picture, ((_TILE - picture.width) // 2, (_TILE - picture.height) // 2))
    canvas = ImageDraw.Draw(tile)
    canvas.rectangle((0, _TILE, 9, _TILE + _STRIP), fill=colour)
    font = _font(14)
    canvas.text((16, _TILE + _STRIP / 2), _shortened(text, font, _TILE - 22), _DARK, font, "lm")
    return tile


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _jpeg(picture: PillowImage.Image) -> bytes:
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=88)
    return target.getvalue()
