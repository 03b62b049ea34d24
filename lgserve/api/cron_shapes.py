"""What answers about crons look like; see `lgserve.api.shapes`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from typing_extensions import TypedDict

from lgserve.api.shapes import Object, RaisedError
from lgserve.core.vocabulary import FiringOutcome, OnCompletion, RunStatus


class Cron(TypedDict):
    """Runs that recur by a schedule."""

    cron_id: UUID
    assistant_id: UUID
    thread_id: UUID | None
    user_id: str
    end_time: str | None
    schedule: str
    timezone: str | None
    payload: Object
    next_run_date: datetime | None
    metadata: Object
    on_run_completed: OnCompletion | None
    enabled: bool
    created_at: datetime
    updated_at: datetime


class CronFiring(TypedDict):
    """What became of a moment at which a cron was due, or at which somebody fired it."""

    due_at: datetime
    fired_at: datetime
    outcome: FiringOutcome
    manual: bool
    run_id: UUID | None
    thread_id: UUID | None
    run_status: RunStatus | None
    error: RaisedError | None
