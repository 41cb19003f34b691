"""`carloop doctor`: every part is tried for real on this machine, and what doesn't work comes with a remedy."""

import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cvat.settings import CVAT_VARIABLE
from datasets.errors import BadInput
from datasets.files import free_bytes
from pipelines.doctor_servers import SERVERS, named_servers
from pipelines.project import Project
from pipelines.runs import Run, make_run
from pipelines.services import (
    FUNCTION,
    MONGODB_VARIABLE,
    PREFECT_VARIABLE,
    start_mongodb,
    start_services,
    without_login,
)

_MIN_FREE_GIBIBYTES = 5
_MIN_MEMORY_GIBIBYTES = 4

Part = tuple[str, Callable[[], str], str]
"""A part's name, how it is tried, and what to do if it fails."""


@dataclass(frozen=True)
class Check:
    """One part: whether it works, what was found, and what to do if it doesn't."""

    name: str
    works: bool
    found: str
    remedy: str = ""


def report_health(home: Path, *, only: Collection[str] = (), as_json: bool) -> bool:
    """Try every part, or those in `only`, print what was found, and say whether all works.

    Raises:
        BadInput: there is no part of a name in `only`.
    """
    console = Console(stderr=True)
    checks = []
    for name, check, remedy in _chosen(list(_checks(home)), only):
        with console.status(f"trying {name}"):
            checks.append(_try(name, check, remedy))
    if as_json:
        sys.stdout.buffer.write(orjson.dumps([asdict(check) for check in checks], option=orjson.OPT_INDENT_2))
        sys.stdout.write("\n")
    else:
        _print(checks)
    return all(check.works for check in checks)


def _chosen(parts: Sequence[Part], only: Collection[str]) -> list[Part]:
    names = [name for name, _, _ in parts]
    unknown = sorted(set(only) - set(names))
    for server in SERVERS:
        if server.name in unknown:
            raise BadInput(f"{server.name} is not named; set {server.variable} to have it tried")
    if unknown:
        raise BadInput(f"there is no part {unknown[0]!r} to try; there are {', '.join(names)}")
    return [part for part in parts if not only or part[0] in only]


def _checks(home: Path) -> Iterator[Part]:
    yield "Python", _python, "install Python 3.11 or newer, then remove .venv and run make demo again"
    room = f"at least {_MIN_FREE_GIBIBYTES} GiB free in a folder that you may write to"
    yield "disk", lambda: _disk(home), f"have {room}, or set CARLOOP_HOME to such a one"
    yield "memory", _memory, "close other programs; the demo needs about 4 GiB"
    yield "torch", _torch, "remove .venv and run make demo again: torch and torchvision must be a matched pair"
    yield "FiftyOne", _fiftyone, "free memory and disk, or name a running MongoDB in FIFTYONE_DATABASE_URI"
    yield "MLflow", _mlflow, "remove .venv and run make demo again"
    yield "servers", _servers, _remedy_of_servers()
    for server, address in named_servers():
        yield server.name, partial(server.ask, address), server.remedy


def _try(name: str, check: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(name, True, _without_logins(check()))
    except Exception as error:  # whatever a part fails with is what the doctor is there to tell
        return Check(name, False, _without_logins(" ".join(str(error).split())), remedy)


def _without_logins(text: str) -> str:
    """A text whose addresses have no users and passwords."""
    return re.sub(r"://[^/@\s]+@", "://", text)


def _print(checks: list[Check]) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    for check in checks:
        table.add_row("[green]works[/]" if check.works else "[red]fails[/]", check.name, escape(check.found))
        if not check.works:
            table.add_row("", "", f"[bold]{check.remedy}[/]")
    Console().print(table)


def _python() -> str:
    return f"{platform.python_version()} at {sys.executable}"


def _disk(home: Path) -> str:
    _require_writable(home)
    free = free_bytes(home) / 2**30
    if free < _MIN_FREE_GIBIBYTES:
        raise RuntimeError(f"{home} has {free:.1f} GiB free")
    return f"{free:.0f} GiB free for {home}"


def _require_writable(home: Path) -> None:
    """Writes into the home, or into the folder that it would be made in; nothing stays."""
    place = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".carloop-doctor-") as file:
            file.write(b"carloop")
            file.flush()
    except OSError as error:
        raise RuntimeError(f"nothing can be written into {place}: {error.strerror}") from None


def _memory() -> str:
    import psutil

    available = psutil.virtual_memory().available / 2**30
    if available < _MIN_MEMORY_GIBIBYTES:
        raise RuntimeError(f"{available:.1f} GiB are available")
    return f"{available:.0f} GiB available, {os.cpu_count()} cores"


def _torch() -> str:
    import torch
    import torchvision

    torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return f"{torch.__version__} with torchvision {torchvision.__version__} on {device}"


def _fiftyone() -> str:
    from datasets.curating import open_fiftyone

    with _scratch_run() as run, start_mongodb(run) as uri, open_fiftyone(uri) as fo:
        return f"{fo.__version__}, {len(fo.list_datasets())} datasets in MongoDB at {without_login(uri)}"


def _mlflow() -> str:
    from training.registry import Registry

    with tempfile.TemporaryDirectory(prefix="carloop-doctor-") as folder:
        Registry(f"sqlite:///{folder}/mlflow.sqlite", Path(folder)).champion("damage_detector")
    return "a registry on SQLite works"


def _servers() -> str:
    with _scratch_run() as run, start_services(run):
        return f"embedded CVAT, Prefect, MongoDB and the function {FUNCTION} start and answer"


def _remedy_of_servers() -> str:
    """What it says above names the server; its log is gone with the scratch folder."""
    named = [name for name in (CVAT_VARIABLE, PREFECT_VARIABLE, MONGODB_VARIABLE) if os.environ.get(name)]
    if not named:
        return "free some memory and disk, and close programs that use the same ports, then try again"
    return f"if it is one that {' or '.join(named)} names, start it, or unset that to have an embedded one tried"


@contextmanager
def _scratch_run() -> Iterator[Run]:
    with tempfile.TemporaryDirectory(prefix="carloop-doctor-") as folder:
        yield make_run(Path(folder), Project(), key="doctor")
