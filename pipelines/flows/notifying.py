"""Telling people how a flow ended, by a block of Prefect's: Slack, mail and whatever else Prefect knows."""

from typing import TYPE_CHECKING, Any

from datasets.errors import CarloopError
from pipelines.flows.running import told_by_prefect
from pipelines.flows.settings import FlowSettings

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun, State


def tell_end(flow: "Flow[Any, Any]", flow_run: "FlowRun", state: "State[Any]") -> None:
    """A state hook, which Prefect calls by these names: the block that the run's project file names is told.

    Never fails a run.
    """
    from pathlib import Path

    from prefect.logging.loggers import flow_run_logger

    from pipelines.project import read_project

    try:
        notify(
            read_project(Path(flow_run.parameters["project_path"])).flows,
            succeeded=state.is_completed(),
            subject=f"carloop {flow.name}: {state.name}",
            body=f"{flow_run.name}: {_reason(state)}",
        )
    except Exception as error:
        flow_run_logger(flow_run, flow).warning("nobody could be told how this ended: %s", error)


def _reason(state: "State[Any]") -> str:
    """The sentence of a known error, or what Prefect says of the state."""
    from prefect.exceptions import MissingResult

    try:
        error = None if state.is_completed() else state.result(raise_on_failure=False)
    except MissingResult:  # the process that failed is gone
        error = None
    return str(error) if isinstance(error, CarloopError) else state.message or str(state.name)


def notify(settings: FlowSettings, *, succeeded: bool, subject: str, body: str) -> bool:
    """Tell it where it is asked for; whether it was."""
    kind = "success" if succeeded else "failure"
    if settings.notify is None or kind not in settings.notify_of:
        return False
    from prefect.blocks.core import Block

    block: Any = Block.load(settings.notify)
    block.notify(body=body, subject=subject)
    return True


def why_untold(settings: FlowSettings) -> str | None:
    """Why nobody would be told of ends that somebody wants to be told of; None where all is well.

    Raises:
        Unavailable: Prefect's server does not answer.
    """
    if settings.notify is None:
        return None
    from prefect.blocks.abstract import NotificationBlock
    from prefect.blocks.core import Block, UnknownBlockType

    with told_by_prefect():
        try:
            block: Any = Block.load(settings.notify)
        except (KeyError, ValueError, UnknownBlockType):  # there is none, or its class is not installed here
            return f"flows: notify: {settings.notify} is no block that can be loaded here; {_known_blocks()}"
    if not isinstance(block, NotificationBlock):
        return f"flows: notify: {settings.notify} is a block that sends no messages; {_known_blocks()}"
    return None


def _known_blocks() -> str:
    from prefect import get_client

    with get_client(sync_client=True) as client:
        blocks = client.read_block_documents(include_secrets=False)
    known = sorted(f"{block.block_type.slug}/{block.name}" for block in blocks if block.block_type)
    return f"Prefect's server has {', '.join(known) or 'none yet'}; make it in Prefect's UI under Blocks"
