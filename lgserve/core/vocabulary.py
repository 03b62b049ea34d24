"""The field's literals, in one place."""

from __future__ import annotations

from typing import Literal, get_args

RunStatus = Literal["pending", "running", "success", "error", "timeout", "interrupted"]
ThreadStatus = Literal["idle", "busy", "interrupted", "error"]
MultitaskStrategy = Literal["reject", "enqueue", "interrupt", "rollback"]
StreamMode = Literal[
    "values",
    "messages",
    "messages-tuple",
    "tasks",
    "checkpoints",
    "updates",
    "events",
    "debug",
    "custom",
]
ThreadStreamMode = Literal["run_modes", "lifecycle", "state_update"]
CancelAction = Literal["interrupt", "rollback"]
Durability = Literal["sync", "async", "exit"]
OnCompletion = Literal["delete", "keep"]
OnDisconnect = Literal["cancel", "continue"]
IfExists = Literal["raise", "do_nothing"]
IfNotExists = Literal["reject", "create"]
SortOrder = Literal["asc", "desc"]
TtlStrategy = Literal["delete", "keep_latest"]
#: What becomes of the firings of a cron that nobody was there for.
MissedPolicy = Literal["skip", "one", "all"]
FiringOutcome = Literal["fired", "failed", "missed"]

#: The version of the reference server whose API this is; clients decide by it what to use.
API_LEVEL = "0.16.7"

RUN_STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)
THREAD_STATUSES: tuple[ThreadStatus, ...] = get_args(ThreadStatus)
ACTIVE_RUN_STATUSES: tuple[RunStatus, ...] = ("pending", "running")
