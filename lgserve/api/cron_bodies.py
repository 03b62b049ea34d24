"""The bodies of requests about crons (platform.md, section 4)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from lgserve.api.fields import (
    Body,
    Config,
    Given,
    Limit,
    Nodes,
    Object,
    Offset,
    StreamModes,
    UuidText,
    WebhookUrl,
    uuid_text,
)
from lgserve.core.models import Page
from lgserve.core.vocabulary import Durability, MultitaskStrategy, OnCompletion, SortOrder
from lgserve.services.schedules import parse_schedule, parse_zone

CronField = Literal[
    "cron_id",
    "assistant_id",
    "thread_id",
    "on_run_completed",
    "end_time",
    "schedule",
    "timezone",
    "created_at",
    "updated_at",
    "user_id",
    "payload",
    "next_run_date",
    "metadata",
    "enabled",
]
CronSort = Literal[
    "cron_id",
    "assistant_id",
    "thread_id",
    "next_run_date",
    "end_time",
    "created_at",
    "updated_at",
]


class _CronRun(Body):
    """What a cron and a change of one have in common: the run it creates, and when."""

    input: Any = None
    metadata: Given[Object] = None
    config: Given[Config] = None
    context: Given[Object] = None
    webhook: Given[WebhookUrl] = None
    interrupt_before: Nodes = None
    interrupt_after: Nodes = None
    on_run_completed: OnCompletion | None = None
    multitask_strategy: Given[MultitaskStrategy] = None
    stream_mode: StreamModes = Field(default_factory=list)
    stream_subgraphs: bool = False
    stream_resumable: bool = False
    durability: Given[Durability] = None
    #: Deprecated: False is durability `exit`.
    checkpoint_during: Given[bool] = None
    #: An IANA name; left out or null, the schedule is in UTC.
    timezone: str | None = None
    #: The last moment at which it may fire; without an offset in its own time zone.
    end_time: str | None = None
    enabled: Given[bool] = None

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, value: str | None) -> str | None:
        parse_zone(value)
        return value


class CronCreate(_CronRun):
    """POST /runs/crons and /threads/{id}/runs/crons."""

    assistant_id: str = Field(min_length=1)
    #: Five fields, or six with the seconds last; `@daily` and its like.
    schedule: str

    @field_validator("schedule")
    @classmethod
    def _check_schedule(cls, value: str) -> str:
        parse_schedule(value)
        return value


class CronPatch(_CronRun):
    """PATCH /runs/crons/{id}: what is left out stays."""

    assistant_id: Given[str] = Field(default=None, min_length=1)
    schedule: Given[str] = None
    #: Null: none any more.
    webhook: WebhookUrl | None = None  # type: ignore[assignment]

    @field_validator("schedule")
    @classmethod
    def _check_schedule(cls, value: str) -> str:
        parse_schedule(value)
        return value


class CronCountBody(Body):
    """POST /runs/crons/count."""

    #: Its id, or that of its graph.
    assistant_id: Given[str] = None
    thread_id: Given[UuidText] = None
    enabled: Given[bool] = None
    metadata: Given[Object] = None

    @field_validator("thread_id")
    @classmethod
    def _check_thread_id(cls, value: str) -> str:
        return uuid_text(value, "thread")


class CronSearchBody(CronCountBody):
    """POST /runs/crons/search."""

    limit: Limit = 10
    offset: Offset = 0
    sort_by: CronSort = "created_at"
    sort_order: SortOrder = "desc"
    select: list[CronField] = Field(default_factory=list, fail_fast=True)

    def page(self) -> Page:
        """Return which part of the list is meant."""
        return Page(
            limit=self.limit,
            offset=self.offset,
            sort_by=self.sort_by,
            sort_order=self.sort_order,
        )
