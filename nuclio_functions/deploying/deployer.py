"""Deploy functions to Nuclio: nothing where the same is deployed already, and never a wait without an end."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nuclio_functions.deploying.config import DIGEST, Placement, make_config, read_config
from nuclio_functions.deploying.dashboard import Dashboard, Deployed, LogLine
from nuclio_functions.errors import BadFunction, DeployFailed

READY = "ready"
FAILED = ("error", "unhealthy")
SETTLED = (READY, *FAILED, "scaledToZero", "imported")
"""States in which Nuclio is not at work on a function; only then it can be replaced or deleted."""
POLL_SECONDS = 1.0
_LINES = 20

Outcome = Literal["created", "replaced", "unchanged"]
Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a function: its port on the machine that Nuclio runs it on, and the configuration's digest."""

    name: str
    outcome: Outcome
    digest: str
    port: int | None


@dataclass(frozen=True, slots=True)
class Wait:
    """How many seconds to wait for a function, and whom to tell of its state and its build's log."""

    seconds: float
    tell: Tell


def find_folder(functions: Path, name: str) -> Path:
    """The folder of a function that is named as its folder or as in Nuclio. Raises BadFunction."""
    folders = {path.parent.name: path.parent for path in sorted(functions.glob("*/function.yaml"))}
    folder = folders.get(name.removeprefix("carloop-").replace("-", "_")) or folders.get(name)
    if folder is None:
        raise BadFunction(f"there is no function {name} in {functions}; there are {', '.join(folders) or 'none'}")
    return folder


def config_of(folder: Path, placement: Placement) -> dict[str, Any]:
    """What Nuclio is sent for a function folder. Raises BadFunction."""
    content = read_config(folder, gpu=placement.gpu)
    try:
        module = content["spec"]["handler"].partition(":")[0]
        return make_config(content, (folder / f"{module}.py").read_bytes(), placement)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadFunction(f"{folder} has a function.yaml without name or handler ({error}); render it again") from error
    except OSError as error:
        raise BadFunction(f"{folder}: {error.filename}: {error.strerror}; restore the file") from error


def deploy(dashboard: Dashboard, config: Mapping[str, Any], *, project: str, wait: Wait, force: bool = False) -> Result:
    """Let Nuclio run a function as `config` has it, and wait until it does.

    One that is ready, or being built, with the same digest is left alone, unless it is forced.

    Raises:
        DeployFailed: Nuclio refused it, or it cannot be built or started; the message has Nuclio's own reason.
        DashboardUnavailable: no dashboard answers.
    """
    name, wanted = config["metadata"]["name"], config["metadata"]["annotations"][DIGEST]
    deadline = time.monotonic() + wait.seconds
    there = dashboard.find(name)
    if there and there.status.state not in SETTLED:
        wait.tell(f"{name} is {there.status.state} already")
        there = _settled(dashboard, name, deadline, wait, fail=False)
    if there and _is_same(there, wanted) and not force:
        return Result(name, "unchanged", wanted, there.status.port)
    dashboard.push(config, project)
    ready = _settled(dashboard, name, deadline, wait, fail=True)
    return Result(name, "replaced" if there else "created", wanted, ready.status.port)


def _is_same(there: Deployed, wanted: str) -> bool:
    return there.metadata.annotations.get(DIGEST) == wanted and there.status.state not in FAILED


def _settled(dashboard: Dashboard, name: str, deadline: float, wait: Wait, *, fail: bool) -> Deployed:
    """The function once Nuclio has stopped working on it. Raises DeployFailed: too late, or `fail` and it failed."""
    state, log = "", []
    while True:
        found = dashboard.find(name)
        if found is None:
            raise DeployFailed(f"{name} went away while it was awaited; somebody deleted it at {dashboard.url}")
        log += _tell_news(found, state, wait.tell)
        state = found.status.state
        if state in SETTLED:
            break
        if time.monotonic() > deadline:
            raise DeployFailed(
                f"{name} is still {state} after {wait.seconds:g} s{_told(log)}; the same command waits on, with a "
                "larger --timeout for longer"
            )
        time.sleep(POLL_SECONDS)
    if fail and state in FAILED:
        raise DeployFailed(f"Nuclio could not deploy {name}, it is {state}: {found.status.message.strip()}{_told(log)}")
    return found


def _tell_news(found: Deployed, state: str, tell: Tell) -> list[LogLine]:
    if found.status.state != state:
        tell(f"{found.metadata.name} is {found.status.state}")
    for line in found.status.logs:
        tell(f"  {line.message}")
    return list(found.status.logs)


def _told(log: list[LogLine]) -> str:
    """The end of a build's log, for a message."""
    return "".join(f"\n  {line.level} {line.message}" for line in log[-_LINES:])
