"""What the `carloop cvat` commands share: the project file, the shelf, the ledger and a CVAT that is logged in to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cvat_sdk import Client

from cvat.client import Credentials, connect
from cvat.embedded.settings import PASSWORD_VARIABLE, USER_VARIABLE
from cvat.settings import CVAT_VARIABLE
from datasets.ledger import Ledger
from pipelines.annotation.shown import ShownFrames
from pipelines.errors import BadProject
from pipelines.progress import Progress
from pipelines.project import Project, read_project
from pipelines.shelf import Shelf

LEDGER_VARIABLE = "CARLOOP_LEDGER_URL"


@dataclass(frozen=True)
class Desk:
    """One project on one server."""

    project: Project
    shelf: Shelf
    ledger: Ledger
    client: Client
    progress: Progress


@contextmanager
def open_desk(project_path: Path, home: Path, progress: Progress) -> Iterator[Desk]:
    """Log in to the CVAT that the project file or CARLOOP_CVAT_URL names.

    Raises:
        BadProject: no server or no user is named.
        CvatError: the server does not answer, or does not let the user in.
    """
    project = read_project(project_path)
    url, credentials = read_login(project, project_path)
    with connect(url, credentials) as client, open_ledger(project, home, url) as ledger:
        yield Desk(project, Shelf(home), ledger, client, progress)


def read_login(project: Project, project_path: Path) -> tuple[str, Credentials]:
    """Where CVAT is, and who logs in there. Raises BadProject where no server or no user is named."""
    url = _server(project)
    if not url:
        raise BadProject(f"no CVAT is named; set url: under cvat: in {project_path}, or {CVAT_VARIABLE}")
    user, password = os.environ.get(USER_VARIABLE), os.environ.get(PASSWORD_VARIABLE)
    if not user or not password:
        raise BadProject(f"CVAT is named to be at {url}; set {USER_VARIABLE} and {PASSWORD_VARIABLE} to log in there")
    return url, Credentials(user, password)


@contextmanager
def open_ledger(project: Project, home: Path, url: str) -> Iterator[Ledger]:
    """The ledger of a project on a server: in the home folder, or where CARLOOP_LEDGER_URL says."""
    home.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(ledger_address(home), scope=_scope(project, url))
    try:
        yield ledger
    finally:
        ledger.close()


def shown_frames(project: Project, home: Path) -> ShownFrames:
    """What is noted beside that ledger of frames that challengers were shown on."""
    return ShownFrames(ledger_address(home), _scope(project, _server(project) or ""))


def _server(project: Project) -> str | None:
    return os.environ.get(CVAT_VARIABLE) or project.cvat.url


def ledger_address(home: Path) -> str:
    """The SQLAlchemy URL of a home's ledger, or the one that CARLOOP_LEDGER_URL names."""
    return os.environ.get(LEDGER_VARIABLE) or f"sqlite:///{home.absolute() / 'ledger.sqlite'}"


def _scope(project: Project, url: str) -> str:
    return f"{url.rstrip('/')} {project.cvat.project}"
