"""Which ledger a command means, and which of the projects in it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from datasets.comparison import VERDICTS, Verdict
from datasets.errors import BadInput
from datasets.ledger import Ledger, read_scopes
from pipelines.annotation.desk import LEDGER_VARIABLE
from pipelines.project import read_project

_FILE = "ledger.sqlite"


def ledger_url(url: str | None, run: Path | None, home: Path) -> str:
    """The address of the ledger that is named, of a run, or of the home.

    Raises:
        BadInput: both a ledger and a run are named, or there is no such file.
    """
    if url and run:
        raise BadInput("--ledger and --run name two ledgers; give one of them")
    folder = run or home
    found = url or (None if run else os.environ.get(LEDGER_VARIABLE)) or f"sqlite:///{folder.absolute() / _FILE}"
    path = _sqlite_file(found)
    if path is not None and not path.is_file():
        raise BadInput(f"there is no ledger at {path}; push and pull first, or name one by --ledger or --run")
    return found


def _sqlite_file(url: str) -> Path | None:
    """The file behind an SQLite address; None for any other, which opening judges."""
    try:
        address = make_url(url)
    except ArgumentError:
        return None
    is_file = address.get_backend_name() == "sqlite" and address.database
    return Path(str(address.database)) if is_file else None


def find_scope(url: str, *, scope: str | None, project_path: Path | None) -> str:
    """The one scope of a ledger that fits. Raises BadInput when none does, or several do."""
    scopes = read_scopes(url)
    project = read_project(project_path).cvat.project if project_path else None
    fitting = [
        name for name in scopes if scope in (None, name) and (project is None or name.partition(" ")[2] == project)
    ]
    if len(fitting) == 1:
        return fitting[0]
    told = "; ".join(name or "a run of the loop" for name in scopes) or "nothing yet"
    wanted = scope or project
    if not fitting:
        raise BadInput(f"the ledger has nothing of {wanted or 'any project'}; it has: {told}")
    raise BadInput(f"the ledger has several projects, choose one by --project or --scope: {told}")


@contextmanager
def opened(url: str, scope: str) -> Iterator[Ledger]:
    """A ledger for the block."""
    ledger = Ledger(url, scope=scope)
    try:
        yield ledger
    finally:
        ledger.close()


def parse_costs(costs: Sequence[str]) -> dict[Verdict, float]:
    """Seconds by fate, from `FATE=SECONDS`. Raises BadInput for anything else."""
    parsed: dict[Verdict, float] = {}
    for text in costs:
        fate, _, seconds = text.partition("=")
        if fate not in VERDICTS or not _is_positive(seconds):
            raise BadInput(f"--cost {text} is not FATE=SECONDS; a fate is {', '.join(VERDICTS[:-1])} or {VERDICTS[-1]}")
        parsed[fate] = float(seconds)
    return parsed


def _is_positive(text: str) -> bool:
    try:
        return 0 <= float(text) < float("inf")
    except ValueError:
        return False
