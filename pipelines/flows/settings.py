"""Flows that run by themselves: the `flows:` part of the project file. It decides when, never what comes of a run."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from datasets.taxonomy import Settings

FlowName = Literal["scrape", "ingest", "learn", "drift", "backup"]
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_CRON_FIELDS = 5
_WEEK_MINUTES = 7 * 24 * 60
_YEAR_HOURS = 365 * 24


class ScheduleSettings(Settings):
    """When a flow starts: by `cron`, as "0 3 * * *", or `every` so many minutes, hours or days, as 30m, 6h or 1d."""

    cron: str | None = None
    every: str | None = Field(default=None, pattern=r"^[1-9][0-9]{0,4}[mhd]$")
    timezone: str = "UTC"

    @property
    def interval(self) -> timedelta | None:
        return timedelta(**{_UNITS[self.every[-1]]: int(self.every[:-1])}) if self.every else None

    def __str__(self) -> str:
        return f"cron {self.cron}" if self.cron else f"every {self.every}"

    @field_validator("cron")
    @classmethod
    def _has_five_fields(cls, cron: str | None) -> str | None:
        if cron is not None and len(cron.split()) != _CRON_FIELDS:
            raise ValueError(f'{cron!r} has {len(cron.split())}, not five, fields; write it as "0 3 * * *"')
        return cron

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r} is no time zone; write one like Europe/Berlin, or UTC") from None
        return name

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.cron is None) == (self.every is None):
            raise ValueError("give either cron: or every:")
        return self


class LearnSettings(Settings):
    """When `learn` is worth starting, and from what.

    It starts once people are done with `jobs` jobs, or with `recommended_images` images, or when `after_hours` have
    passed since the first that they are done with; never with fewer than `at_least_images` images.
    """

    jobs: int = Field(default=10, gt=0)
    at_least_images: int = Field(default=20, gt=0, description="corrected images without which nothing is learnt")
    recommended_images: int = Field(default=50, gt=0, description="with fewer a warning is given")
    after_hours: float = Field(default=24, gt=0, le=_YEAR_HOURS)
    look_minutes: float = Field(
        default=10, gt=0, le=_WEEK_MINUTES, description="how often it is looked, whatever CVAT tells"
    )
    curate: bool = Field(default=True, description="show in FiftyOne what people accepted")
    also: tuple[str, ...] = Field(default=(), description="dataset versions to learn from beside what people accepted")
    wait_seconds: float = Field(default=0, ge=0, description="for another learn of the same models to end")

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.recommended_images < self.at_least_images:
            raise ValueError(
                f"recommended_images {self.recommended_images} has to be at least at_least_images "
                f"{self.at_least_images}"
            )
        return self


class IngestSettings(Settings):
    """What one `ingest` puts before people."""

    images: int = Field(default=100, gt=0, description="images chosen and pushed each time")


class DriftSettings(Settings):
    """When new images count as other than those that models were trained on."""

    significance: float = Field(default=0.01, gt=0, lt=1, description="share of false alarms that is borne")
    least_effect: float = Field(default=0.2, ge=0, le=1, description="smallest distance of distributions that counts")
    most_images: int = Field(default=1000, gt=1, description="looked at of each side, chosen by hash")
    start_ingest: bool = Field(default=False, description="start ingest where there is drift")


class BackupSettings(Settings):
    """Where backups go: a folder, or an address that fsspec reaches."""

    to: str | None = None
    images: bool = Field(default=True, description="the image store too")
    keep: int = Field(default=14, gt=0, description="backups kept; older ones are removed")


class FlowSettings(Settings):
    """Schedules by flow, and how each runs; `notify` is a Prefect block to tell of ends, as slack-webhook/team."""

    schedules: Mapping[FlowName, ScheduleSettings] = {}
    apart_minutes: float = Field(
        default=30, ge=0, le=_WEEK_MINUTES, description="between starts of flows that wait for each other"
    )
    notify: str | None = Field(default=None, pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")
    notify_of: tuple[Literal["failure", "success"], ...] = ("failure",)
    learn: LearnSettings = LearnSettings()
    ingest: IngestSettings = IngestSettings()
    drift: DriftSettings = DriftSettings()
    backup: BackupSettings = BackupSettings()
