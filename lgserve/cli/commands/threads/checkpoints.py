"""The checkpoints of a thread: read page by page, found by the beginning of an id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lgserve.cli.client import ApiClient
from lgserve.cli.errors import CliError, ExitCode, usage_error

_PAGE = 100
_SHORTEST_PREFIX = 6
_WHOLE = 36
_CANDIDATES_SHOWN = 5
#: Checkpoints whose ids are compared with a prefix.
_LOOKED_AT = 20_000

State = dict[str, Any]


def history_of(
    client: ApiClient,
    thread_id: str,
    *,
    metadata: Mapping[str, Any] | None = None,
    before: str | None = None,
    namespace: str = "",
    limit: int | None = None,
) -> Iterator[State]:
    """Yield states, newest first, each page before the last checkpoint of the one before it."""
    left = limit
    while left is None or left > 0:
        size = _PAGE if left is None else min(_PAGE, left)
        body: dict[str, Any] = {"limit": size}
        if metadata:
            body["metadata"] = metadata
        if before:
            # The one form that every server takes.
            body["before"] = {"configurable": {"checkpoint_id": before}}
        if namespace:
            body["checkpoint"] = {"checkpoint_ns": namespace}
        page = client.query(f"/threads/{thread_id}/history", body)
        yield from page
        if len(page) < size:
            return
        before = page[-1]["checkpoint_id"]
        left = None if left is None else left - size


def find_checkpoint_id(client: ApiClient, thread_id: str, text: str) -> str:
    """Return the id of the one checkpoint of a thread whose id starts with `text`."""
    if len(text) >= _WHOLE:
        return text
    if len(text) < _SHORTEST_PREFIX:
        raise usage_error(
            f"{text!r} is not the id of a checkpoint",
            f"give the whole id, or at least its first {_SHORTEST_PREFIX} characters",
        )
    states = history_of(client, thread_id, limit=_LOOKED_AT)
    found = [s["checkpoint_id"] for s in states if s["checkpoint_id"].startswith(text.lower())]
    if not found:
        raise no_checkpoint(thread_id, text)
    if len(found) > 1:
        raise CliError(
            f"{len(found)} checkpoints have an id that starts with {text}",
            code="E_AMBIGUOUS", exit_code=ExitCode.USAGE, hint="give more of the id",
            details="\n".join(found[:_CANDIDATES_SHOWN]),
        )  # fmt: skip
    return str(found[0])


def state_at(client: ApiClient, thread_id: str, checkpoint_id: str | None) -> State:
    """Return the state of a thread at a checkpoint, or the latest."""
    path = f"/threads/{thread_id}/state"
    state = dict(client.get(f"{path}/{checkpoint_id}" if checkpoint_id else path))
    if checkpoint_id and not state.get("metadata"):
        # The reference answers an empty state for what is not there.
        raise no_checkpoint(thread_id, checkpoint_id)
    return state


def no_checkpoint(thread_id: str, text: str) -> CliError:
    """Return the error for a checkpoint that is not there."""
    return CliError(
        f"no checkpoint {text}", code="E_NOT_FOUND", exit_code=ExitCode.NOT_FOUND,
        hint=f"list them: lgserve threads history {thread_id}",
    )  # fmt: skip
