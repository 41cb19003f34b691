"""Prefect's server as the flows see it: finding it, starting runs, pausing and listing deployments."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.errors import BadInput, Unavailable
from datasets.files import digest
from pipelines.errors import ServiceFailed

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

TAG = "carloop"
"""What all our deployments are tagged with."""


def deployment_of(home: Path) -> str:
    """What the deployments of a home are called: homes that share a server of Prefect's have their own."""
    return f"carloop-{digest(str(home.absolute()))[:8]}"


@contextmanager
def told_by_prefect() -> Iterator[None]:
    """Prefect's own errors in a sentence. Raises Unavailable."""
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        yield
    except PrefectHTTPStatusError as error:
        raise Unavailable(f"Prefect's server refuses: {' '.join(str(error).split())[:200]}") from error
    except (httpx.HTTPError, RuntimeError) as error:
        raise ServiceFailed(
            f"Prefect's server does not answer ({' '.join(str(error).split())[:120]}); start carloop flows serve, or "
            "name a server in PREFECT_API_URL"
        ) from error


def start_run(name: str, parameters: Mapping[str, Any], *, key: str) -> str:
    """Have a flow run that is deployed for the home among the parameters; the name of its run, which is the earlier one
    for the same key.

    Raises:
        BadInput: the flow is not deployed.
        Unavailable: Prefect's server does not answer.
    """
    from prefect.exceptions import ObjectNotFound

    with told_by_prefect(), _client() as client:
        try:
            deployment = client.read_deployment_by_name(f"{name}/{deployment_of(Path(parameters['home']))}")
        except ObjectNotFound:
            raise _undeployed(name, Path(parameters["home"])) from None
        given = {one: str(value) if isinstance(value, Path) else value for one, value in parameters.items()}
        run = client.create_flow_run_from_deployment(deployment.id, parameters=given, idempotency_key=key)
        return str(run.name)


def _undeployed(name: str, home: Path) -> BadInput:
    return BadInput(f"{name} is not deployed for {home.absolute()}; run carloop flows serve, or carloop flows deploy")


def read_deployments(home: Path) -> "list[DeploymentResponse]":
    """The deployments of a home's flows, by name. Raises Unavailable."""
    with told_by_prefect(), _client() as client:
        found = [one for one in client.read_deployments() if one.name == deployment_of(home) and TAG in one.tags]
    return sorted(found, key=lambda one: one.entrypoint or "")


def read_paused(home: Path) -> set[str]:
    """The names of a home's flows that somebody paused. Raises Unavailable."""
    return {str(one.entrypoint).rpartition(".")[2] for one in read_deployments(home) if one.paused}


def forget_others(home: Path) -> None:
    """On a home's own server: what was deployed when the home lay elsewhere is deployed no more. Raises Unavailable."""
    with told_by_prefect(), _client() as client:
        for one in client.read_deployments():
            if TAG in one.tags and one.name != deployment_of(home):
                client.delete_deployment(one.id)


def set_paused(name: str, home: Path, *, paused: bool) -> None:
    """Pause a deployed flow's schedules, or let them go on. Raises BadInput and Unavailable."""
    from prefect.exceptions import ObjectNotFound

    with told_by_prefect(), _client() as client:
        try:
            deployment = client.read_deployment_by_name(f"{name}/{deployment_of(home)}")
        except ObjectNotFound:
            raise _undeployed(name, home) from None
        (client.pause_deployment if paused else client.resume_deployment)(deployment.id)


def _client() -> "SyncPrefectClient":
    from prefect import get_client

    return get_client(sync_client=True)


def require_pool(name: str) -> None:
    """Raises BadInput when the server has no such work pool."""
    from prefect.exceptions import ObjectNotFound

    with told_by_prefect(), _client() as client:
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            known = ", ".join(sorted(pool.name for pool in client.read_work_pools())) or "none"
            raise BadInput(
                f"Prefect's server has no work pool {name!r}; there are {known}; make one by prefect work-pool create"
            ) from None
