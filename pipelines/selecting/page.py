"""A page of the chosen images, each with its reasons; it needs nothing beside it."""

import base64
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from PIL import Image as PillowImage
from PIL import ImageOps

from datasets.errors import BadDataset
from datasets.store import open_image
from training.predictors import decode_image

_TILE = 240


def draw_page(images: Sequence[Mapping[str, Any]], store: Path, told: Mapping[str, Any]) -> bytes:
    """The page for images whose `file_name` lies in `store`."""
    shown = [{**image, "thumbnail": thumbnail((store / image["file_name"]).read_bytes())} for image in images]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = files("pipelines.selecting").joinpath("selection.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(images=shown, told=told).encode()


def thumbnail(content: bytes) -> str:
    """A small picture as an address that holds it. Raises UndecodableImage."""
    picture = _reduced(content) or PillowImage.fromarray(decode_image(content))
    picture.thumbnail((_TILE, _TILE))
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(target.getvalue()).decode()}"


def _reduced(content: bytes) -> PillowImage.Image | None:
    """A JPEG in colours, upright, decoded at a part of its size; None for any other image."""
    try:
        with open_image(content) as opened:
            if opened.format != "JPEG" or opened.mode != "RGB":
                return None
            opened.draft("RGB", (_TILE, _TILE))
            return ImageOps.exif_transpose(opened)
    except BadDataset:
        return None
