"""Parameters of operations and headers of answers, by the names that `operations` uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from lgserve.api.http import LARGEST
from lgserve.core.vocabulary import CancelAction, RunStatus, StreamMode
from lgserve.core.webhooks import DeliveryStatus

Schema = dict[str, Any]

_UUID: Schema = {"type": "string", "format": "uuid"}
_FLAG: Schema = {"type": "boolean", "default": False}
_TEXTS: Schema = {"type": "array", "items": {"type": "string"}}


def _query(name: str, about: str, schema: Schema, *, required: bool = False) -> Schema:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": about,
        "schema": schema,
    }


def _path(name: str, about: str, schema: Schema) -> Schema:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": about,
        "schema": schema,
    }


def _header(name: str, about: str) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": about,
        "schema": {"type": "string"},
    }


def _whole(low: int, high: int = LARGEST, default: int | None = None) -> Schema:
    schema: Schema = {"type": "integer", "minimum": low, "maximum": high}
    return schema if default is None else {**schema, "default": default}


def _one_of(literal: Any, **more: Any) -> Schema:
    return {"type": "string", "enum": list(get_args(literal)), **more}


def _list_of(literal: Any) -> Schema:
    return {"type": "array", "items": _one_of(literal)}


#: What stands in paths, by its name there.
IN_PATHS: Mapping[str, Schema] = {
    "assistant_id": _path(
        "assistant_id", "The assistant: its id, or the id of a graph.",
        {"type": "string", "minLength": 1},
    ),
    "thread_id": _path("thread_id", "The id of the thread.", _UUID),
    "webhook_id": _path("webhook_id", "The id of the delivery.", _UUID),
    "run_id": _path("run_id", "The id of the run.", _UUID),
    "cron_id": _path("cron_id", "The id of the cron.", _UUID),
    "checkpoint_id": _path("checkpoint_id", "The id of the checkpoint.", _UUID),
    "namespace": _path(
        "namespace", "The subgraph: the names of the nodes that lead to it, with `|` between them.",
        {"type": "string", "minLength": 1},
    ),
}  # fmt: skip

#: Parameters of queries and headers.
PARAMETERS: Mapping[str, Schema] = {
    "A2A-Version": _header("A2A-Version", "The version that the client speaks: 1.0 or 0.3."),
    "agent": _query(
        "assistant_id", "The assistant: its id, or the id of a graph. Not needed if there is one.",
        {"type": "string"},
    ),
    "action": _query(
        "action", "`rollback` also deletes the run and its checkpoints.",
        _one_of(CancelAction, default="interrupt"),
    ),
    "before": _query("before", "Show what is older than this checkpoint.", _UUID),
    "cancel_on_disconnect": _query(
        "cancel_on_disconnect", "Cancel the run when the client goes.", _FLAG
    ),
    "check_db": _query("check_db", "Accepted; the answer is the same.", {"type": "string"}),
    "delete_threads": _query(
        "delete_threads", "Delete the threads of the assistant as well.", _FLAG
    ),
    "firing_limit": _query("limit", "How many firings to show.", _whole(1, 1000, default=10)),
    "format": _query(
        "format", "The form of the figures.",
        {"type": "string", "enum": ["prometheus", "json"], "default": "prometheus"},
    ),
    "history_limit": _query("limit", "How many states to show.", _whole(0, default=1)),
    "cancel_reason": _query(
        "cancel_reason", "Why: shown to those who wait for the run, if the body does not say it.",
        {"type": "string", "minLength": 1, "maxLength": 1000},
    ),
    "include": _query(
        "include", "`ttl` shows how long the thread is kept.",
        {"type": "array", "items": {"type": "string", "enum": ["ttl"]}},
    ),
    "include_end": _query(
        "include", "`end` tells how the run ended.",
        {"type": "array", "items": {"type": "string", "enum": ["end"]}},
    ),
    "item_key": _query("key", "The key of the item.", {"type": "string"}),
    "item_limit": _query("limit", "How many to show.", _whole(1, 10_000, default=100)),
    "item_metadata": _query("metadata", "A JSON object.", {"type": "string"}),
    "max_depth": _query("max_depth", "How many labels to show of each.", _whole(1)),
    "metadata": {
        "name": "metadata", "in": "query", "required": False,
        "description": "Only runs whose metadata contains this object.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
    "namespace": _query(
        "namespace", "The namespace: its labels with dots between, or repeated.", _TEXTS
    ),
    "on_conflict": _query(
        "on_conflict", "What happens when the id is taken.",
        {"type": "string", "enum": ["fail", "skip", "replace"], "default": "fail"},
    ),
    "offset": _query("offset", "How many to leave out.", _whole(0, default=0)),
    "prefix": _query("prefix", "Only keys that begin so, without `key`.", {"type": "string"}),
    "prefix_labels": _query("prefix", "Only namespaces that begin so.", _TEXTS),
    "recurse": _query("recurse", "Show the subgraphs of subgraphs as well.", _FLAG),
    "refresh_ttl": _query("refresh_ttl", "Let the time to live begin again.", {"type": "boolean"}),
    "run_limit": _query("limit", "How many runs to show.", _whole(0, default=10)),
    "run_select": _query(
        "select", "Only these members of each run.",
        {
            "type": "array",
            "items": {
                "type": "string",
                "enum": [
                    "run_id", "thread_id", "assistant_id", "metadata", "status", "kwargs",
                    "multitask_strategy", "created_at", "updated_at", "langsmith_session_name",
                    "cancel_reason",
                ],
            },
        },
    ),
    "run_status": _query("status", "Only runs with this status.", _one_of(RunStatus)),
    "select": _query(
        "select", "Only these members of the state; `values.<key>` is one of its values.",
        {
            "type": "array",
            "items": {
                "type": "string",
                "enum": [
                    "values", "next", "tasks", "checkpoint", "metadata", "created_at",
                    "parent_checkpoint", "interrupts", "checkpoint_id", "parent_checkpoint_id",
                ],
            },
        },
    ),
    "stream_mode": _query(
        "stream_mode", "Only events of these modes: repeat it, or put commas between.",
        _list_of(StreamMode),
    ),
    "stream_modes": _query(
        "stream_modes", "What of the thread to stream: repeat it, or put commas between.",
        {
            "type": "array",
            "items": {"type": "string", "enum": ["run_modes", "lifecycle", "state_update"]},
            "default": ["run_modes"],
        },
    ),
    "subgraphs": _query("subgraphs", "Show the states of subgraphs as well.", _FLAG),
    "suffix_labels": _query("suffix", "Only namespaces that end so.", _TEXTS),
    "wait": _query("wait", "Answer when the run has ended.", _FLAG),
    "webhook_limit": _query("limit", "How many to show.", _whole(1, 1000, default=10)),
    "webhook_run": _query("run_id", "Only of this run.", _UUID),
    "webhook_status": _query("status", "Only with this status.", _one_of(DeliveryStatus)),
    "webhook_thread": _query("thread_id", "Only of runs of this thread.", _UUID),
    "xray": _query(
        "xray", "Draw subgraphs too: all, or down to this depth.",
        {"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1, "maximum": 1000}]},
    ),
    "Idempotency-Key": _header(
        "Idempotency-Key",
        "Sent again with the same body, the first answer comes again; with another body, 409.",
    ),
    "Last-Event-ID": _header(
        "Last-Event-ID", "The id of the last event that was seen; `-1` is all from the first."
    ),
    "Prefer": _header("Prefer", "`return=minimal` does without the answer's body: 204."),
    "X-Request-Id": _header(
        "X-Request-Id", "Given to the graph as `configurable.langgraph_request_id`."
    ),
}  # fmt: skip


def _of_answers(about: str, **schema: Any) -> Schema:
    return {"description": about, "schema": schema or {"type": "string"}}


#: Headers of answers.
HEADERS: Mapping[str, Schema] = {
    "Content-Location": _of_answers("The run."),
    "Location": _of_answers("Where a client that lost its connection goes on."),
    "X-Pagination-Next": _of_answers("The offset of the next page, if there is one.",
                                     type="integer", minimum=0),
    "X-Pagination-Total": _of_answers("How many there are in all.", type="integer", minimum=0),
}  # fmt: skip
