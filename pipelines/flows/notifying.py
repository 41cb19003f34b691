"""Telling people how a flow ended, by a block of Prefect's: Slack, mail and whatever else Prefect knows."""

from typing import TYPE_CHECKING, Any

from pipelines.flows.settings import FlowSettings

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun, State


def tell_end(flow: "Flow[Any, Any]", run: "FlowRun", state: "State[Any]") -> None:
    """A state hook: the block that the project file of the run names is told. Never fails a run."""
    from pathlib import Path

    from prefect.logging import get_run_logger

    from pipelines.project import read_project

    try:
        settings = read_project(Path(run.parameters["project_path"])).flows
        notify(
            settings,
            succeeded=state.is_completed(),
            subject=f"carloop {flow.name}: {state.name}",
            body=_body(run, state),
        )
    except Exception as error:
        get_run_logger().warning("nobody could be told how this ended: %s", error)


def _body(run: "FlowRun", state: "State[Any]") -> str:
    return f"{run.name}: {state.message or state.name}"


def notify(settings: FlowSettings, *, succeeded: bool, subject: str, body: str) -> bool:
    """Tell it where it is asked for; whether it was."""
    kind = "success" if succeeded else "failure"
    if settings.notify is None or kind not in settings.notify_of:
        return False
    from prefect.blocks.core import Block

    block: Any = Block.load(settings.notify)
    block.notify(body=body, subject=subject)
    return True
