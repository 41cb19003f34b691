"""The deployments, declared: each flow with its parameters, the project file's schedule, and one run at a time."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pipelines.flows.running import TAG, deployment_of
from pipelines.flows.schedules import to_prefect
from pipelines.flows.settings import FlowName, FlowSettings

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

NAMES: tuple[FlowName, ...] = get_args(FlowName)
_QUEUED = ("learn",)
"""Whose second run waits for the first; a second one of the others is let go, as the first does its work."""


def make_deployments(
    settings: FlowSettings, *, project_path: Path, home: Path, paused: Collection[str] = (), **choices: Any
) -> "list[RunnerDeployment]":
    """A deployment of each flow; those of `paused` stay so. `choices` are `to_deployment`'s own, as a pool's name."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.types.entrypoint import EntrypointType

    from pipelines.flows import entries

    parameters = {"project_path": str(project_path.absolute()), "home": str(home.absolute())}
    return [
        getattr(entries, name).to_deployment(
            name=deployment_of(home),
            parameters=parameters,
            paused=name in paused,
            schedules=[to_prefect(settings.schedules[name])] if name in settings.schedules else [],
            concurrency_limit=ConcurrencyLimitConfig(
                limit=1,
                collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
                if name in _QUEUED
                else ConcurrencyLimitStrategy.CANCEL_NEW,
            ),
            tags=[TAG],
            entrypoint_type=EntrypointType.MODULE_PATH,
            **choices,
        )
        for name in NAMES
    ]
