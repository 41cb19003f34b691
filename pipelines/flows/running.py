"""Prefect's server as the flows see it: finding it, starting runs, pausing and listing deployments."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.errors import BadInput, Unavailable
from pipelines.errors import ServiceFailed

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

DEPLOYMENT = "carloop"
"""What the deployment of each flow is called."""


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
    """Have a deployed flow run; the name of its run, which is the earlier one for the same key.

    Raises:
        BadInput: the flow is not deployed.
        Unavailable: Prefect's server does not answer.
    """
    from prefect.exceptions import ObjectNotFound

    with told_by_prefect(), _client() as client:
        try:
            deployment = client.read_deployment_by_name(f"{name}/{DEPLOYMENT}")
        except ObjectNotFound:
            raise BadInput(f"{name} is not deployed; run carloop flows serve, or carloop flows deploy") from None
        given = {one: str(value) if isinstance(value, Path) else value for one, value in parameters.items()}
        run = client.create_flow_run_from_deployment(deployment.id, parameters=given, idempotency_key=key)
        return str(run.name)


def read_deployments() -> "list[DeploymentResponse]":
    """The deployments of our flows, by name. Raises Unavailable."""
    with told_by_prefect(), _client() as client:
        found = [one for one in client.read_deployments() if one.name == DEPLOYMENT and "carloop" in one.tags]
    return sorted(found, key=lambda one: one.entrypoint or "")


def set_paused(name: str, *, paused: bool) -> None:
    """Pause a deployed flow's schedules, or let them go on. Raises BadInput and Unavailable."""
    from prefect.exceptions import ObjectNotFound

    with told_by_prefect(), _client() as client:
        try:
            deployment = client.read_deployment_by_name(f"{name}/{DEPLOYMENT}")
        except ObjectNotFound:
            raise BadInput(f"{name} is not deployed; run carloop flows serve, or carloop flows deploy") from None
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
