"""Schedules of flows: checked, laid out in time, and as Prefect takes them."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import TYPE_CHECKING

from datasets.taxonomy import validation_problems
from pipelines.errors import BadProject
from pipelines.flows.settings import FlowName, FlowSettings, ScheduleSettings

if TYPE_CHECKING:
    from prefect.schedules import Schedule

EXCLUSIVE: tuple[frozenset[FlowName], ...] = (
    frozenset({"scrape", "ingest"}),
    frozenset({"ingest", "learn"}),
    frozenset({"ingest", "backup"}),
    frozenset({"learn", "backup"}),
)
"""Flows that wait for each other: both scrape, or both change what the other reads."""

_ANCHOR = datetime(2024, 1, 1, tzinfo=UTC)  # a fixed one, so that serving again does not move an interval's starts
_AHEAD = timedelta(days=15)
_MOST_STARTS = 500


def check_schedules(settings: FlowSettings, *, now: datetime) -> None:
    """Raises BadProject where a schedule is none, or flows that wait for each other would start together."""
    starts = {name: _starts(name, schedule, now) for name, schedule in settings.schedules.items()}
    apart = timedelta(minutes=settings.apart_minutes)
    for one, other in combinations(sorted(starts), 2):
        if frozenset({one, other}) in EXCLUSIVE:
            _require_apart(one, other, starts, settings.schedules, apart)


def _require_apart(
    one: FlowName,
    other: FlowName,
    starts: Mapping[FlowName, list[datetime]],
    schedules: Mapping[FlowName, ScheduleSettings],
    apart: timedelta,
) -> None:
    met = next(_meetings(starts[one], starts[other], apart), None)
    if met:
        at, minutes = f"{met:%A %H:%M} UTC", apart.total_seconds() / 60
        raise BadProject(
            f"the schedules of {one} ({schedules[one]}) and {other} ({schedules[other]}) overlap: both start within "
            f"{minutes:g} minutes of {at}, and these two wait for each other; move one of them, or lower "
            "flows: apart_minutes:"
        )


def _meetings(ones: list[datetime], others: list[datetime], apart: timedelta) -> Iterator[datetime]:
    """Starts of the first that are closer than that to one of the second; both are in order."""
    place = 0
    for start in ones:
        while place < len(others) and others[place] <= start - apart:
            place += 1
        if place < len(others) and abs(others[place] - start) < max(apart, timedelta(seconds=1)):
            yield start


def _starts(name: FlowName, schedule: ScheduleSettings, now: datetime) -> list[datetime]:
    """The next starts, of some hundreds at most. Raises BadProject."""
    from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule
    from pydantic import ValidationError

    try:
        plan = (
            CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
            if schedule.cron
            else IntervalSchedule(interval=schedule.interval, anchor_date=_ANCHOR, timezone=schedule.timezone)
        )
        return [*asyncio.run(plan.get_dates(n=_MOST_STARTS, start=now, end=now + _AHEAD))]
    except ValueError as error:  # pydantic's, and croniter's where no day is ever like that
        told = "; ".join(validation_problems(error)) if isinstance(error, ValidationError) else str(error)
        raise BadProject(
            f'flows: schedules: {name}: {schedule} is no schedule ({told}); write five fields as in "0 3 * * *", '
            "of a moment that comes"
        ) from None


def to_prefect(schedule: ScheduleSettings) -> "Schedule":
    """The schedule as a deployment has it."""
    from prefect.schedules import Schedule

    return Schedule(
        cron=schedule.cron, interval=schedule.interval, timezone=schedule.timezone, anchor_date=_ANCHOR, slug="project"
    )
