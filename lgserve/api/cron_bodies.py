"""The bodies of requests about crons (platform.md, section 4)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from lgserve.api.fields import (
    Body,
    Config,
    Given,
    Limit,
    Nodes,
    Object,
    Offset,
    StreamModes,
    ThreadId,
    WebhookUrl,
)
from lgserve.core.models import Page
from lgserve.core.vocabulary import Durability, MultitaskStrategy, OnCompletion, SortOrder

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


def _text(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **schema})


# What these say is checked where it is understood (`lgserve.services.schedules`, `.crons`).
CronExpression = Annotated[str, _text(format="cron", maxLength=255, examples=["*/5 * * * *"])]
Timezone = Annotated[str, _text(format="iana-timezone", examples=["Europe/Paris"])]
EndTime = Annotated[str, _text(format="date-time")]


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
    timezone: Timezone | None = None
    #: The last moment at which it may fire; without an offset in its own time zone.
    end_time: EndTime | None = None
    enabled: Given[bool] = None


class CronCreate(_CronRun):
    """POST /runs/crons and /threads/{id}/runs/crons."""

    assistant_id: str = Field(min_length=1)
    #: Five fields, or six with the seconds last; `@daily` and its like.
    schedule: CronExpression


class CronPatch(_CronRun):
    """PATCH /runs/crons/{id}: what is left out stays."""

    assistant_id: Given[str] = Field(default=None, min_length=1)
    schedule: Given[CronExpression] = None
    #: Null: none any more.
    webhook: WebhookUrl | None = None


class CronCountBody(Body):
    """POST /runs/crons/count."""

    #: Its id, or that of its graph.
    assistant_id: Given[str] = None
    thread_id: Given[ThreadId] = None
    enabled: Given[bool] = None
    metadata: Given[Object] = None


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
