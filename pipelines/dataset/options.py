"""Options that several `carloop dataset` commands share, and what they stand for."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.names import is_name

if TYPE_CHECKING:
    from pipelines.project import Project
    from pipelines.shelf import Shelf


def check_name(context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    if name is not None and not is_name(name):
        raise click.BadParameter(
            f"{name!r} is no name: take up to 80 letters, digits, '.', '_' and '-', a letter or digit first, and not "
            "only hexadecimal digits, which look like a digest"
        )
    return name


NAME = click.option("--name", callback=check_name, help="Name by which other commands find the version.")
PROJECT = click.option(
    "--project",
    "project_path",
    type=click.Path(path_type=Path),
    help="Project file with the classes and their aliases [default: carloop.yaml where it is there].",
)
VERSION = click.argument("version")


def seed(decides: str) -> Callable[[Any], Any]:
    """--seed, with what it decides as its help."""
    return click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help=decides)


def options(*several: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options at once."""

    def decorate(command: Any) -> Any:
        for option in reversed(several):
            command = option(command)
        return command

    return decorate


def open_shelf(home: Path) -> "Shelf":
    """The datasets under a home."""
    from pipelines.shelf import Shelf

    return Shelf(home)


def find_project(project_path: Path | None) -> "Project | None":
    """The project that is named, or carloop.yaml here; None where there is neither."""
    from pipelines.project import read_project

    path = project_path or Path("carloop.yaml")
    return read_project(path) if project_path or path.exists() else None
