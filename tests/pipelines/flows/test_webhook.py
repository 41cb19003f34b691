"""Hearing from CVAT: what is away, or not there yet, is waited for; what can never be is told at once."""

from pathlib import Path

import pytest

from cvat.events import _find
from cvat.project import push_project
from datasets.taxonomy import DEFAULT_TAXONOMY
from pipelines.errors import BadProject
from pipelines.flows import webhook
from pipelines.flows.webhook import serve_webhook
from tests.cvat.conftest import CvatServer
from tests.cvat.played import directly
from tests.nuclio_functions.conftest import wait_until


@pytest.fixture
def project_path(server: CvatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project file whose project is not in CVAT yet."""
    monkeypatch.setenv("CARLOOP_CVAT_USER", server.user)
    monkeypatch.setenv("CARLOOP_CVAT_PASSWORD", server.password)
    monkeypatch.setenv("CARLOOP_WEBHOOK_SECRET", "a secret")
    monkeypatch.setattr(webhook, "AGAIN_SECONDS", 0.05)
    path = tmp_path / "carloop.yaml"
    path.write_text(f"cvat: {{url: '{server.url}', project: later}}\n")
    return path


def test_a_project_that_the_first_push_makes_is_waited_for(
    project_path: Path,
    server: CvatServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with (
        serve_webhook(project_path, tmp_path, host="127.0.0.1", port=0, address=None) as url,
        directly(server) as client,
    ):
        told = ""

        def is_told() -> bool:
            nonlocal told
            told += capsys.readouterr().err
            return "has no project 'later'" in told

        wait_until(is_told)
        project_id = push_project(client, "later", DEFAULT_TAXONOMY)
        wait_until(lambda: _find(client, project_id, url))
    assert "learn does not start by itself yet" in told


def test_without_a_secret_or_a_server_nothing_is_waited_for(
    project_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve() -> None:
        with serve_webhook(project_path, tmp_path, host="127.0.0.1", port=0, address=None):
            pass

    project_path.write_text("name: cars")
    with pytest.raises(BadProject, match="no CVAT is named"):
        serve()
    monkeypatch.delenv("CARLOOP_WEBHOOK_SECRET")
    with pytest.raises(BadProject, match="set CARLOOP_WEBHOOK_SECRET"):
        serve()
