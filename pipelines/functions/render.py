"""`carloop function render`: the functions' files made from the project's classes."""

import sys
from pathlib import Path

import click

from pipelines.options import AS_JSON


@click.command("render")
@click.option(
    "--project",
    "project_path",
    type=click.Path(path_type=Path),
    default=Path("carloop.yaml"),
    show_default=True,
    help="The project file; examples/ has some.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the function folders."
)
@click.option("--check", is_flag=True, help="Write nothing; tell which files are out of date, with exit code 1.")
@AS_JSON
def render(project_path: Path, out: Path, check: bool, as_json: bool) -> None:
    """Write every function's function.yaml and function-gpu.yaml for the classes of a project.

    Each folder can then be deployed, or run by `carloop function serve --functions`: where one has no main.py it gets
    Carloop's own. Files that people changed by hand are written anew, main.py is not. A function that has nothing to
    say of the project's classes is left out.
    """
    from pipelines.functions.rendering import find_stale, render_functions, tell
    from pipelines.project import read_project

    taxonomy = read_project(project_path).taxonomy
    stale = find_stale(out, taxonomy)
    if not check:
        render_functions(out, taxonomy)
    tell(stale, check=check, as_json=as_json)
    sys.exit(1 if check and stale else 0)
