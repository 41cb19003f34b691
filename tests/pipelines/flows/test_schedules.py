"""Schedules in the project file: which are taken, and which are refused in a sentence."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.errors import BadProject
from pipelines.flows.schedules import check_schedules, to_prefect
from pipelines.flows.settings import FlowSettings, ScheduleSettings
from pipelines.project import parse_project

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def check(**schedules: Any) -> None:
    check_schedules(FlowSettings.model_validate({"schedules": schedules}), now=NOW)


def test_flows_that_do_not_meet_are_taken() -> None:
    check(ingest={"every": "6h"}, learn={"cron": "0 3 * * *"}, backup={"cron": "30 4 * * 0"})


def test_flows_that_do_not_wait_for_each_other_may_start_together() -> None:
    check(drift={"cron": "0 3 * * *"}, backup={"cron": "0 3 * * *"})


def test_flows_that_wait_for_each_other_are_told_where_they_meet() -> None:
    with pytest.raises(BadProject, match=r"ingest \(every 6h\) and learn \(cron 15 12 \* \* 1\) overlap.*Monday 12:00"):
        check(ingest={"every": "6h"}, learn={"cron": "15 12 * * 1"})


def test_schedules_of_other_time_zones_meet_by_the_moment() -> None:
    with pytest.raises(BadProject, match="overlap"):
        check(backup={"cron": "0 2 * * *"}, learn={"cron": "0 3 * * *", "timezone": "Europe/Berlin"})


def test_what_is_no_cron_is_told_with_the_flow() -> None:
    with pytest.raises(BadProject, match=r"learn: cron 0 25 .* is no schedule"):
        check(learn={"cron": "0 25 * * *"})


@pytest.mark.parametrize("cron", ["0 0 31 2 *", "0 0 30 2 1#5"])
def test_a_cron_of_a_day_that_never_comes_is_told_with_the_flow(cron: str) -> None:
    with pytest.raises(BadProject, match=rf"learn: cron {re.escape(cron)} is no schedule .*a moment that comes"):
        check(learn={"cron": cron})


@pytest.mark.parametrize(
    "settings",
    [
        {"apart_minutes": float("inf")},
        {"apart_minutes": 1e300},
        {"learn": {"after_hours": float("inf")}},
        {"learn": {"look_minutes": float("inf")}},
    ],
)
def test_times_without_end_are_refused_with_the_project_file(settings: dict[str, Any]) -> None:
    with pytest.raises(BadProject, match="less than or equal to"):
        parse_project({"flows": settings}, where="carloop.yaml")


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ({}, "either cron: or every:"),
        ({"cron": "0 3 * * *", "every": "1d"}, "either cron: or every:"),
        ({"every": "often"}, "pattern"),
        ({"cron": "* * * * * *"}, "has 6, not five, fields"),
        ({"cron": "* * * * * * 2030"}, "has 7, not five, fields"),
        ({"cron": "@daily"}, "has 1, not five, fields"),
        ({"cron": ""}, "has 0, not five, fields"),
        ({"every": "1d", "timezone": "Mars/Base"}, "no time zone"),
    ],
)
def test_a_broken_schedule_is_refused_with_the_project_file(schedule: dict[str, str], told: str) -> None:
    with pytest.raises(BadProject, match=told):
        parse_project({"flows": {"schedules": {"learn": schedule}}}, where="carloop.yaml")


def test_a_flow_that_nobody_knows_is_refused() -> None:
    with pytest.raises(BadProject, match="schedules"):
        parse_project({"flows": {"schedules": {"dance": {"every": "1d"}}}}, where="carloop.yaml")


def test_an_interval_starts_at_the_same_moments_whenever_it_is_served() -> None:
    first, second = (to_prefect(ScheduleSettings(every="6h")) for _ in range(2))
    assert first == second
    assert first.interval == timedelta(hours=6)


def test_when_flows_run_decides_no_run_of_the_loop() -> None:
    plain, scheduled = (
        parse_project(content, where="") for content in ({}, {"flows": {"schedules": {"learn": {"every": "1d"}}}})
    )
    assert plain.model_dump() == scheduled.model_dump()
