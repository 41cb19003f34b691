"""Deployments as they are declared, and what is told where no Prefect server answers."""

import importlib
from pathlib import Path

import pytest
from prefect.client.schemas.objects import ConcurrencyLimitStrategy

from pipelines.errors import RunBusy, ServiceFailed
from pipelines.flows.deployments import NAMES, make_deployments
from pipelines.flows.serving import find_server, only_server
from pipelines.flows.settings import FlowSettings

SETTINGS = FlowSettings.model_validate({"schedules": {"learn": {"every": "1d"}, "backup": {"cron": "0 3 * * *"}}})


def test_each_flow_is_declared_with_its_schedule_and_one_run_at_a_time(tmp_path: Path) -> None:
    found = make_deployments(SETTINGS, project_path=tmp_path / "carloop.yaml", home=tmp_path)
    assert [str(one.flow_name) for one in found] == list(NAMES)
    assert {str(one.flow_name): len(one.schedules or ()) for one in found if one.schedules} == {"learn": 1, "backup": 1}
    assert {one.concurrency_limit for one in found} == {1}
    queued = [
        str(one.flow_name)
        for one in found
        if one.concurrency_options and one.concurrency_options.collision_strategy is ConcurrencyLimitStrategy.ENQUEUE
    ]
    assert queued == ["learn"]


def test_a_worker_finds_each_flow_by_its_module(tmp_path: Path) -> None:
    for deployment in make_deployments(SETTINGS, project_path=tmp_path / "carloop.yaml", home=tmp_path):
        module, _, name = str(deployment.entrypoint).rpartition(".")
        assert getattr(importlib.import_module(module), name).name == deployment.flow_name
        assert deployment.parameters == {"project_path": str(tmp_path / "carloop.yaml"), "home": str(tmp_path)}


def test_homes_that_share_a_server_have_deployments_of_their_own(tmp_path: Path) -> None:
    names = [
        {one.name for one in make_deployments(SETTINGS, project_path=tmp_path / "carloop.yaml", home=tmp_path / home)}
        for home in ("a", "b")
    ]
    assert [len(found) for found in names] == [1, 1]
    assert names[0] != names[1]


def test_a_flow_that_somebody_paused_is_deployed_paused(tmp_path: Path) -> None:
    found = make_deployments(SETTINGS, project_path=tmp_path / "carloop.yaml", home=tmp_path, paused={"backup"})
    assert [str(one.flow_name) for one in found if one.paused] == ["backup"]


def test_a_home_is_served_by_one_process(tmp_path: Path) -> None:
    with only_server(tmp_path), pytest.raises(RunBusy, match="another carloop flows serve works on"):
        only_server(tmp_path).__enter__()
    with only_server(tmp_path):
        pass


def test_a_home_that_nobody_serves_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(ServiceFailed, match=r"no Prefect server serves .*; start carloop flows serve there"):
        find_server(tmp_path)
