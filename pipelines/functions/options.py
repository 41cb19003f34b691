"""Options that several `carloop function` commands share, and what they stand for."""

import os
from collections.abc import Iterable
from pathlib import Path

import click

FUNCTIONS = click.option(
    "--functions", type=click.Path(path_type=Path), help="Folder of function folders [default: Carloop's own]."
)
DASHBOARD = click.option(
    "--dashboard",
    default="http://127.0.0.1:8070",
    envvar="CARLOOP_NUCLIO_URL",
    show_default=True,
    show_envvar=True,
    help="Nuclio's dashboard.",
)


def folder_of(functions: Path | None) -> Path:
    """The folder that is named, or Carloop's own functions."""
    import nuclio_functions

    return (functions or Path(nuclio_functions.__file__).parent).absolute()


def pairs_of(context: click.Context, parameter: click.Parameter, texts: Iterable[str]) -> dict[str, str]:
    """KEY=VALUE texts as a mapping."""
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{text!r} is not like KEY=VALUE")
        pairs[key] = value
    return pairs


def our_variables() -> dict[str, str]:
    """Carloop's own variables of this process."""
    return {name: value for name, value in os.environ.items() if name.startswith("CARLOOP_")}
