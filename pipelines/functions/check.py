"""`carloop function check`: whether a CVAT can use the functions, as CVAT itself sees them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.annotation.options import PROJECT
from pipelines.functions.options import FUNCTIONS, folder_of, our_variables
from pipelines.options import AS_JSON

if TYPE_CHECKING:
    from cvat_sdk import Client

    from pipelines.functions.lambdas import Checked
    from pipelines.project import Project


@click.command("check")
@click.argument("names", nargs=-1)
@click.option("--cvat", "url", envvar="CARLOOP_CVAT_URL", show_envvar=True, help="CVAT [default: the project file's].")
@PROJECT
@FUNCTIONS
@AS_JSON
@click.pass_context
def check_command(
    context: click.Context,
    names: tuple[str, ...],
    url: str | None,
    project_path: Path,
    functions: Path | None,
    as_json: bool,
) -> None:
    """Ask a CVAT for its functions: is each listed, do its labels fit the project's, does one frame come back.

    The frame is the first of the project's first task; nothing is stored. NAMES are as in Nuclio; without any, all
    of Carloop's are checked that have what they need. Anything wrong is told in a sentence, and the exit code is 1.
    """
    from pipelines.functions.lambdas import check_functions
    from pipelines.output import write_json
    from pipelines.project import read_project

    project = read_project(project_path)
    wanted = list(names) or _available_names(folder_of(functions))
    with _log_in(project, url) as client:
        checked = check_functions(client, project.cvat.project, wanted)
    if as_json:
        write_json([each.told() for each in checked])
    else:
        _write_lines(checked)
    context.exit(1 if any(each.problems for each in checked) else 0)


def _available_names(functions: Path) -> list[str]:
    from nuclio_functions.host.folders import read_functions

    return [function.name for function in read_functions(functions, our_variables())]


@contextmanager
def _log_in(project: "Project", named: str | None) -> "Iterator[Client]":
    """Raises BadProject where no server or no user is named."""
    import os

    from cvat.client import Credentials, connect
    from cvat.embedded.settings import PASSWORD_VARIABLE, USER_VARIABLE
    from pipelines.errors import BadProject

    url = named or project.cvat.url
    user, password = os.environ.get(USER_VARIABLE), os.environ.get(PASSWORD_VARIABLE)
    if not url:
        raise BadProject("no CVAT is named; give --cvat, or set url: under cvat: in the project file")
    if not user or not password:
        raise BadProject(f"CVAT is named to be at {url}; set {USER_VARIABLE} and {PASSWORD_VARIABLE} to log in there")
    with connect(url, Credentials(user, password)) as client:
        yield client


def _write_lines(checked: "list[Checked]") -> None:
    for each in checked:
        told: dict[str, Any] = each.told()
        found = "" if told["found"] is None else f", {told['found']} found in {told['seconds']:.2f} s"
        click.echo(f"{each.name}: {'wrong' if each.problems else 'well'}{found}")
        for problem in each.problems:
            click.echo(f"  {problem}")
        if each.note:
            click.echo(f"  {each.note}")
