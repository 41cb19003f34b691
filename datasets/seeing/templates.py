"""Pages that need nothing beside them: no network, no script."""

import base64
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined


def render(name: str, content: Mapping[str, Any], **filters: Any) -> bytes:
    """A template of this folder, filled in; text from outside is escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_source)
    )
    environment.filters.update(filters)
    return environment.get_template(name).render(content).encode(errors="replace")


def _source(name: str) -> str:
    return files("datasets.seeing").joinpath(name).read_text(encoding="utf-8")


def data_url(content: bytes, media_type: str) -> str:
    """Bytes as an address that holds them."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
