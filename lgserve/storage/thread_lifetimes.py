"""Threads that expire: who is seen, who is over, in SQL. `expires_at` is kept by triggers.

Plain functions of a connection, to be called inside a transaction.
"""

from __future__ import annotations

import sqlite3

from lgserve.core.models import Thread, ThreadTtl
from lgserve.core.vocabulary import TtlStrategy

#: Of a row of `threads`, with the moment as parameter: whether the thread is there for anybody.
#: Besides the strategies there is `draft`: what has it is being made.
VISIBLE = (
    "(expires_at IS NULL OR (ttl_strategy <> 'draft'"
    " AND (ttl_strategy <> 'delete' OR expires_at > ? OR status = 'busy')))"
)
_OVER = "expires_at <= ? AND status <> 'busy'"


def ttl_of(strategy: TtlStrategy | None, minutes: float | None, expires: str | None) -> ThreadTtl:
    """Return the TTL that a row tells of."""
    return ThreadTtl(strategy=strategy or "delete", minutes=minutes, expires_at=expires)


def any_hidden(connection: sqlite3.Connection, now: str) -> bool:
    """Tell whether there are rows of threads that are not there for anybody."""
    (found,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM threads WHERE ttl_strategy = 'delete'"
        f" AND {_OVER}) OR EXISTS (SELECT 1 FROM threads WHERE ttl_strategy = 'draft'"
        " AND expires_at IS NOT NULL)",
        (now,),
    ).fetchone()
    return bool(found)


def is_void(connection: sqlite3.Connection, thread_id: str, now: str) -> bool:
    """Tell whether a row is only waiting to be removed."""
    row = connection.execute(
        "SELECT 1 FROM threads WHERE thread_id = ?"
        f" AND ttl_strategy IN ('delete', 'draft') AND {_OVER}",
        (thread_id, now),
    ).fetchone()
    return row is not None


def expired(connection: sqlite3.Connection, now: str, limit: int) -> list[tuple[str, TtlStrategy]]:
    """Return threads whose time is over, longest over first; of drafts nothing is kept."""
    rows = connection.execute(
        "SELECT thread_id, iif(ttl_strategy = 'keep_latest', 'keep_latest', 'delete') FROM threads"
        f" WHERE ttl_strategy IN ('delete', 'draft', 'keep_latest') AND {_OVER}"
        " ORDER BY expires_at LIMIT ?",
        (now, limit),
    )
    return rows.fetchall()


def reserve(connection: sqlite3.Connection, thread: Thread, until: str) -> bool:
    """Add a draft of the thread."""
    done = connection.execute(
        "INSERT INTO threads (thread_id, status, settled_status, metadata, config, created_at,"
        " updated_at, state_updated_at, ttl_strategy, expires_at)"
        " VALUES (?,'idle','idle','{}','{}',?,?,?,'draft',?) ON CONFLICT DO NOTHING",
        (thread.thread_id, thread.created_at, thread.created_at, thread.created_at, until),
    )
    return bool(done.rowcount)


def end_reservation(connection: sqlite3.Connection, thread_id: str, now: str) -> bool:
    """Remove the draft, but not what belongs to the thread; False if it is none, or void."""
    done = connection.execute(
        "DELETE FROM threads WHERE thread_id = ? AND ttl_strategy = 'draft' AND expires_at > ?",
        (thread_id, now),
    )
    return bool(done.rowcount)


def set_ttl(connection: sqlite3.Connection, thread_id: str, ttl: ThreadTtl, now: str) -> None:
    """Set the TTL; a trigger counts from `updated_at`."""
    connection.execute(
        "UPDATE threads SET ttl_strategy = ?, ttl_minutes = ?, expires_at = NULL, updated_at = ?"
        " WHERE thread_id = ?",
        (ttl.strategy, ttl.minutes, now, thread_id),
    )


def adopt_ttl(connection: sqlite3.Connection, thread_id: str, ttl: ThreadTtl) -> None:
    """Set the TTL of a thread of which nobody has said how long it is kept."""
    connection.execute(
        "UPDATE threads SET ttl_strategy = ?, ttl_minutes = ?"
        " WHERE thread_id = ? AND ttl_strategy IS NULL",
        (ttl.strategy, ttl.minutes, thread_id),
    )


def begin_anew(connection: sqlite3.Connection, thread_id: str, now: str) -> None:
    """Let a thread's minutes begin now, though nothing was changed."""
    connection.execute(
        "UPDATE threads SET expires_at = strftime('%Y-%m-%dT%H:%M:%f', ?,"
        " printf('%+.3f seconds', ttl_minutes * 60.0)) || '000+00:00'"
        " WHERE thread_id = ? AND ttl_minutes IS NOT NULL",
        (now, thread_id),
    )
