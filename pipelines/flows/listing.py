"""The deployed flows, as a table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datasets.rights.tables import console, table
from pipelines.flows.running import read_deployments, told_by_prefect


@dataclass(frozen=True)
class DeployedFlow:
    """A deployed flow; `last` is how its newest run stands, `next_at` when the next one starts (ISO 8601)."""

    name: str
    schedules: tuple[str, ...]
    paused: bool
    pool: str | None
    last: str | None
    last_at: str | None
    next_at: str | None

    def told(self) -> dict[str, Any]:
        return asdict(self)


def read_flows(home: Path) -> list[DeployedFlow]:
    """The deployed flows of a home, by name. Raises Unavailable."""
    from prefect import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
    from prefect.client.schemas.sorting import FlowRunSort

    found = []
    with told_by_prefect(), get_client(sync_client=True) as client:
        for deployment in read_deployments(home):
            ours = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
            runs = client.read_flow_runs(deployment_filter=ours, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=50)
            begun = [run for run in runs if run.state_name != "Scheduled"]
            waiting = [run for run in runs if run.state_name == "Scheduled"]
            flow = client.read_flow(deployment.flow_id)
            found.append(
                DeployedFlow(
                    name=flow.name,
                    schedules=tuple(str(_plan(one.schedule)) for one in deployment.schedules),
                    paused=deployment.paused,
                    pool=deployment.work_pool_name,
                    last=begun[0].state_name if begun else None,
                    last_at=_iso(begun[0].start_time or begun[0].expected_start_time) if begun else None,
                    next_at=_iso(waiting[-1].expected_start_time) if waiting and not deployment.paused else None,
                )
            )
    return sorted(found, key=lambda one: one.name)


def _plan(schedule: Any) -> str:
    return (
        f"cron {schedule.cron}"
        if getattr(schedule, "cron", None)
        else f"every {schedule.interval}".removesuffix(", 0:00:00")
    )


def _iso(moment: Any) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def print_flows(found: Sequence[DeployedFlow]) -> None:
    """A table on stdout."""
    names = ("flow", "schedule", "next", "last run", "at", "pool")
    rows = [
        (
            one.name,
            ", ".join(one.schedules) or "none",
            "paused" if one.paused else _short(one.next_at),
            one.last or "never",
            _short(one.last_at),
            one.pool or "here",
        )
        for one in found
    ]
    console().print(table("Flows", names, rows, texts=len(names)))


def _short(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else ""
