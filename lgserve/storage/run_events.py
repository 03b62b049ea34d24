"""Segments of resumable runs' logs, in SQL: some frames a row, joined by CRLF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lgserve.core.models import StreamEvent

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence


class SqliteRunEvents:
    """See `lgserve.core.ports.RunEvents`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def append(self, run_id: str, events: Sequence[StreamEvent], now: str) -> None:
        """Store consecutive events as one segment."""
        if events:
            self._db.execute(
                "INSERT INTO run_events (run_id, first_seq, last_seq, frames, created_at)"
                " SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM runs WHERE run_id = ?)",
                (
                    run_id,
                    events[0].seq,
                    events[-1].seq,
                    b"\r\n".join(event.frame for event in events),
                    now,
                    run_id,
                ),
            )

    def after(self, run_id: str, seq: int, limit: int) -> list[StreamEvent]:
        """Return events that follow `seq`, a few whole segments at a time."""
        rows = self._db.execute(
            "SELECT first_seq, frames FROM run_events WHERE run_id = ? AND last_seq > ?"
            " ORDER BY first_seq",
            (run_id, seq),
        )
        found: list[StreamEvent] = []
        for first_seq, frames in rows:
            found.extend(event for event in _split(first_seq, frames) if event.seq > seq)
            if len(found) >= limit:
                break
        return found

    def last_seq(self, run_id: str) -> int:
        """Return the highest stored `seq`."""
        row = self._db.execute(
            "SELECT max(last_seq) FROM run_events WHERE run_id = ?", (run_id,)
        ).fetchone()
        return row[0] or 0

    def delete_before(self, moment: str) -> int:
        """Remove logs of runs that ended before the moment."""
        return self._db.execute(
            "DELETE FROM run_events WHERE run_id IN (SELECT run_id FROM runs WHERE updated_at < ?"
            " AND status NOT IN ('pending', 'running'))",
            (moment,),
        ).rowcount


def _split(first_seq: int, frames: bytes) -> list[StreamEvent]:
    """Take a segment apart; frames hold no empty line, for their data is one line of JSON."""
    parts = frames.split(b"\r\n\r\n")
    last = len(parts) - 1
    return [
        StreamEvent(
            seq=first_seq + n,
            name=part[7 : part.index(b"\r\n")].decode(),
            frame=part if n == last else part + b"\r\n",
        )
        for n, part in enumerate(parts)
    ]
