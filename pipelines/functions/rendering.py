"""The functions' folders of a project: which of their files are out of date, and writing them."""

from collections.abc import Sequence
from pathlib import Path

import click
import yaml

import nuclio_functions
from datasets.files import write_bytes
from datasets.taxonomy import Taxonomy
from nuclio_functions.checking import require_sound
from nuclio_functions.spec import functions_of, render_function_yamls, write_function_yamls
from pipelines.output import write_json

PACKAGED = Path(nuclio_functions.__file__).parent
MAIN = "main.py"


def find_stale(out: Path, taxonomy: Taxonomy) -> list[Path]:
    """The files under `out` that are missing or not those of these classes."""
    return [out / path for path, text in render_function_yamls(taxonomy) if not _holds(out / path, text)]


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def render_functions(out: Path, taxonomy: Taxonomy) -> None:
    """Write the functions' folders. Raises BadFunction, before it writes anything, for what CVAT could not list."""
    require_sound({PACKAGED / path: yaml.safe_load(text) for path, text in render_function_yamls(taxonomy)})
    write_function_yamls(out, taxonomy)
    for function in functions_of(taxonomy):
        main = out / function.folder / MAIN
        if not main.exists():
            write_bytes(main, (PACKAGED / function.folder / MAIN).read_bytes())


def tell(stale: Sequence[Path], *, check: bool, as_json: bool) -> None:
    """What was out of date, and so was written unless this was but a check."""
    if as_json:
        write_json({"stale" if check else "written": [str(path) for path in stale]})
        return
    for path in stale:
        click.echo(f"{path} {'is out of date' if check else 'is written'}")
    if not stale:
        click.echo("every function file is up to date")
