"""Small values of foreign files as we keep them: attributes as text, sizes as whole pixels."""

import json
import math
from collections.abc import Mapping
from typing import Any

_MOST_PIXELS = 1_000_000


def attribute_texts(attributes: Mapping[Any, Any]) -> dict[str, str]:
    """Attributes as text: `true`, `3`, `0.5`, what is nested as JSON; those without a value are left out."""
    return {str(name): attribute_text(value) for name, value in attributes.items() if value is not None and value != ""}


def attribute_text(value: Any) -> str:
    """One attribute's value as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    return json.dumps(value, sort_keys=True, default=str)


def declared_size(width: float | str | None, height: float | str | None) -> tuple[int, int] | None:
    """(width, height) in pixels; None when they are not given or no size that an image could have."""
    try:
        size = (float(width or 0), float(height or 0))
    except ValueError:
        return None
    if not all(math.isfinite(side) and 1 <= side <= _MOST_PIXELS for side in size):
        return None
    return (round(size[0]), round(size[1]))
