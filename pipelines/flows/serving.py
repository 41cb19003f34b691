"""What `carloop flows serve` runs: Prefect's server where none is named, the deployments, and CVAT's webhook.

<home>/prefect/           the server's database      <home>/prefect/logs/   its log
<home>/prefect/address    where its API answers, while it does
"""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from datasets.files import write_bytes
from pipelines.children import GUARD, ROOT, listens, start_child
from pipelines.errors import RunBusy, ServiceFailed
from pipelines.flows.running import forget_others, read_deployments, told_by_prefect
from pipelines.progress import Progress
from pipelines.services import PREFECT_VARIABLE

_TIMEOUT_SECONDS = 5


def point_at_own(home: Path, *, port: int) -> bool:
    """Let this process use a server of this home on that port, unless PREFECT_API_URL names one; whether it does.

    Everything that imports Prefect has to come after, for Prefect reads its settings then.
    """
    if os.environ.get(PREFECT_VARIABLE):
        return False
    os.environ |= _environment(home / "prefect", f"http://127.0.0.1:{port}/api")
    return True


@contextmanager
def only_server(home: Path) -> Iterator[None]:
    """Within the block no other process serves this home's flows. Raises RunBusy."""
    path = home / "prefect" / "serving.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunBusy(f"another carloop flows serve works on {home}; end that one first") from None
        yield


@contextmanager
def own_server(home: Path, progress: Progress, *, port: int) -> Iterator[None]:
    """Prefect's server of this home, which ends with the block; what a killed one left is put in order there.

    Raises:
        ServiceFailed: the port is taken, or it does not come up.
    """
    if listens(port):
        raise ServiceFailed(f"something listens on port {port} already; choose another --port for Prefect's server")
    folder, url = home / "prefect", os.environ[PREFECT_VARIABLE]
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    server = [GUARD, sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    remedy = "choose another --port, or name a running server in PREFECT_API_URL"
    with start_child("Prefect's server", server, log=folder / "logs" / "server.log", remedy=remedy) as child:
        with progress.step("start Prefect's server"):
            child.wait(lambda: _answers(url))
        write_bytes(folder / "address", url.encode())
        try:
            forget_others(home)
            if left := end_orphans(home):
                progress.say(f"{left} runs had been cut short")
            yield
        finally:
            (folder / "address").unlink(missing_ok=True)


def require_named() -> None:
    """Raises ServiceFailed when the server of PREFECT_API_URL does not answer."""
    if not _answers(named := os.environ[PREFECT_VARIABLE]):
        raise ServiceFailed(f"no Prefect server answers at {named}; start it, or unset {PREFECT_VARIABLE}")


def _environment(folder: Path, url: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {
        PREFECT_VARIABLE: url,
        "PREFECT_HOME": str(folder.absolute()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": path,
    }


def find_server(home: Path) -> None:
    """Let this process use the server of PREFECT_API_URL, or the one that serves this home. Raises ServiceFailed."""
    if os.environ.get(PREFECT_VARIABLE):
        return
    folder = home / "prefect"
    url = (folder / "address").read_text() if (folder / "address").exists() else None
    if url is None or not _answers(url):
        raise ServiceFailed(
            f"no Prefect server serves {home}; start carloop flows serve there, or name one in {PREFECT_VARIABLE}"
        )
    os.environ |= _environment(folder, url)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=_TIMEOUT_SECONDS).ok
    except requests.RequestException:
        return False


def end_orphans(home: Path) -> int:
    """A home's runs that a killed server or runner left as running are none; gives how many were told so."""
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType
    from prefect.states import Crashed

    running = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
    ours = {deployment.id for deployment in read_deployments(home)}
    with told_by_prefect(), get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=running)))
        left = [run for run in found if run.deployment_id in ours]
        for run in left:
            client.set_flow_run_state(run.id, Crashed(message="its process was gone"), force=True)
    return len(left)
