"""Segments of resumable runs' logs, in SQL: some frames a row, joined by CRLF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lgserve.core.models import EVENTS_OF_RUN, StreamEvent, ThreadPosition
from lgserve.storage.seals import PLAIN

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence


class SqliteRunEvents:
    """See `lgserve.core.ports.RunEvents`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.seals = PLAIN

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
                    self.seals.seal("run", "events", b"\r\n".join(event.frame for event in events)),
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
            plain = self.seals.open("run", "events", frames)
            found.extend(event for event in _split(first_seq, plain) if event.seq > seq)
            if len(found) >= limit:
                break
        return found

    def last_seq(self, run_id: str) -> int:
        """Return the highest stored `seq`."""
        row = self._db.execute(
            "SELECT max(last_seq) FROM run_events WHERE run_id = ?", (run_id,)
        ).fetchone()
        return row[0] or 0

    def base(self, run_id: str) -> int | None:
        """Return the number before the run's first event in its thread."""
        row = self._db.execute(
            "SELECT event_base FROM runs WHERE run_id = ? AND epoch > 0", (run_id,)
        ).fetchone()
        return None if row is None else int(row[0])

    def place_of(self, thread_id: str, number: int) -> ThreadPosition:
        """Return where the run begins that a number belongs to, or the next one there is."""
        row = self._db.execute(
            "SELECT min(epoch) FROM runs WHERE thread_id = ? AND epoch > 0 AND event_base > ?",
            (thread_id, number - EVENTS_OF_RUN),
        ).fetchone()
        if row[0] is not None:
            return ThreadPosition(row[0], 0)
        last = self._db.execute("SELECT epoch FROM threads WHERE thread_id = ?", (thread_id,))
        return ThreadPosition((last.fetchone() or (0,))[0] + 1, 0)

    def stored_end(self, thread_id: str) -> ThreadPosition | None:
        """Return where the stored part of a thread's log ends."""
        row = self._db.execute(
            "SELECT epoch, run_id, status IN ('pending', 'running') FROM runs WHERE thread_id = ?"
            " AND epoch > 0 AND resumable AND EXISTS"
            " (SELECT 1 FROM run_events WHERE run_events.run_id = runs.run_id)"
            " ORDER BY epoch DESC LIMIT 1",
            (thread_id,),
        ).fetchone()
        if row is None:
            return None
        epoch, run_id, active = row
        return (
            ThreadPosition(epoch, self.last_seq(run_id))
            if active
            else (ThreadPosition(epoch + 1, 0))
        )

    def last_number(self, thread_id: str) -> int:
        """Return a number below those of all events to come."""
        row = self._db.execute(
            "SELECT run_id, event_base FROM runs WHERE thread_id = ? AND epoch > 0"
            " AND status IN ('pending', 'running') ORDER BY epoch DESC LIMIT 1",
            (thread_id,),
        ).fetchone()
        if row is not None:
            return int(row[1]) + self.last_seq(row[0])
        base = self._db.execute(
            "SELECT event_base FROM threads WHERE thread_id = ?", (thread_id,)
        ).fetchone()
        return 0 if base is None else int(base[0])

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
