"""A page of the chosen images, each with its reasons; it needs nothing beside it."""

import base64
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from PIL import Image as PillowImage

from training.predictors import decode_image

_TILE = 240


def draw_page(images: Sequence[Mapping[str, Any]], store: Path, told: Mapping[str, Any]) -> bytes:
    """The page for images whose `file_name` lies in `store`."""
    shown = [{**image, "thumbnail": thumbnail((store / image["file_name"]).read_bytes())} for image in images]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = files("pipelines.selecting").joinpath("selection.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(images=shown, told=told).encode()


def thumbnail(content: bytes) -> str:
    """A small picture as an address that holds it."""
    picture = PillowImage.fromarray(decode_image(content))
    picture.thumbnail((_TILE, _TILE))
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(target.getvalue()).decode()}"
