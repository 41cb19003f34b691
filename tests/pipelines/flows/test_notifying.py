"""Ends of flows are told by a block of Prefect's, here to a real server; what it tells of itself is checked before."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.blocks.core import Block, UnknownBlockType
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import State
from prefect.states import Completed, Crashed, Failed

from datasets.errors import BadInput
from pipelines.flows import notifying
from pipelines.flows.entries import drift
from pipelines.flows.notifying import tell_end, why_untold
from pipelines.flows.settings import FlowSettings

TOLD = FlowSettings(notify="custom-webhook/team")


class Team:
    """Where messages arrive: an HTTP server and the bodies of what it was sent."""

    def __init__(self) -> None:
        bodies = self.bodies = list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["content-length"])).decode())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.block = CustomWebhookNotificationBlock(
            name="team", url=f"http://127.0.0.1:{self.server.server_port}", json_data={"text": "{{subject}}|{{body}}"}
        )


@pytest.fixture
def team(monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    team = Team()
    thread = threading.Thread(target=team.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(Block, "load", lambda name: team.block)  # in place of Prefect's database
    yield team
    team.server.shutdown()
    thread.join()
    team.server.server_close()


@pytest.fixture
def run(tmp_path: Path) -> Any:
    (tmp_path / "carloop.yaml").write_text("flows: {notify: custom-webhook/team}")
    return SimpleNamespace(name="keen-owl", id=None, parameters={"project_path": str(tmp_path / "carloop.yaml")})


def failed(error: Exception) -> State[Any]:
    return Failed(message=f"Flow run encountered an exception: {type(error).__name__}: {error}", data=error)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (failed(BadInput("nothing was learnt yet")), "Failed|keen-owl: nothing was learnt yet"),
        (failed(KeyError("a")), "Failed|keen-owl: Flow run encountered an exception: KeyError: 'a'"),
        (Crashed(message="its process was gone"), "Crashed|keen-owl: its process was gone"),
    ],
)
def test_a_failure_is_told_once_with_the_flow_and_the_reason(
    team: Team, run: Any, state: State[Any], reason: str
) -> None:
    tell_end(flow=drift, flow_run=run, state=state)
    assert team.bodies == [f'{{"text":"carloop drift: {reason}"}}']


def test_a_success_is_told_only_where_that_is_asked_for(team: Team, run: Any, tmp_path: Path) -> None:
    tell_end(drift, run, Completed())
    assert not team.bodies
    (tmp_path / "carloop.yaml").write_text("flows: {notify: custom-webhook/team, notify_of: [success]}")
    tell_end(drift, run, Completed(message="all is well"))
    assert team.bodies == ['{"text":"carloop drift: Completed|keen-owl: all is well"}']


@pytest.mark.parametrize("error", [ValueError, UnknownBlockType])
def test_a_block_that_cannot_be_loaded_is_told_with_those_that_can(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str) -> Block:
        raise error(f"Unable to load {name}")

    monkeypatch.setattr(Block, "load", load)
    monkeypatch.setattr(notifying, "_known_blocks", lambda: "there are none")
    assert why_untold(TOLD) == (
        "flows: notify: custom-webhook/team is no block that can be loaded here; there are none"
    )
    monkeypatch.setattr(Block, "load", lambda name: Secret(value="quiet"))
    assert "is a block that sends no messages" in str(why_untold(TOLD))


def test_who_asks_for_no_messages_needs_no_block(team: Team) -> None:
    assert why_untold(FlowSettings()) is None
    assert why_untold(TOLD) is None
