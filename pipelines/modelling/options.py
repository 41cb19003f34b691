"""Options that several `carloop model` commands share."""

from collections.abc import Callable
from typing import Any

import click


def resamples(fewest: int = 0) -> Callable[[Any], Any]:
    """--resamples; 0, where that may be, gives no intervals."""
    return click.option(
        "--resamples",
        type=click.IntRange(min=fewest),
        default=1000,
        show_default=True,
        help="Of the bootstrap over photo families that intervals are made from.",
    )
