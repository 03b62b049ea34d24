"""The outbox of webhooks and the log of deliveries, in SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.errors import InvalidRequestError
from lgserve.core.ids import new_id
from lgserve.core.models import EVERYTHING, Json, Page, Run, Scope, Settlement
from lgserve.core.webhooks import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookFilter,
    WebhookMessage,
    WebhookPolicy,
    check_url,
)
from lgserve.storage.filters import Where, order_and_page
from lgserve.storage.seals import PLAIN
from lgserve.storage.webhook_payload import run_payload, webhook_of

if TYPE_CHECKING:
    import sqlite3

    from lgserve.core.ports import Clock, Threads

_COLUMNS = (
    "webhook_id, kind, run_id, thread_id, metadata, url, origin, headers, status, attempts, tries,"
    " created_at, next_attempt_at, retry_until, ended_at, status_code, error, payload"
)
#: As above, for lists: payloads may be large.
_WITHOUT_PAYLOAD = _COLUMNS.replace(", payload", ", x'7b7d'")
_ATTEMPT = "number, began_at, seconds, status_code, error, response"
#: Tries of one delivery that are remembered.
_ATTEMPTS_KEPT = 50
#: Each origin with something to deliver, found by hopping through the index.
_ORIGINS = (
    "WITH RECURSIVE found (origin) AS ("
    " SELECT min(origin) FROM webhook_deliveries WHERE status = 'pending' UNION ALL"
    " SELECT (SELECT min(origin) FROM webhook_deliveries"
    " WHERE status = 'pending' AND origin > found.origin)"
    " FROM found WHERE found.origin IS NOT NULL)"
    " SELECT origin, (SELECT min(next_attempt_at) FROM webhook_deliveries AS d"
    " WHERE d.status = 'pending' AND d.origin = found.origin) AS due"
    " FROM found WHERE origin IS NOT NULL ORDER BY due"
)
#: An address was checked when its run was created, and is again before it is called.
_ANY = WebhookPolicy(max_url_length=2**31, allow_loopback=True)


class SqliteWebhooks:
    """See `lgserve.core.ports.Webhooks`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: Clock,
        threads: Threads,
        retry_for: timedelta,
        written: Callable[[], None],
    ) -> None:
        self._db = connection
        self._clock = clock
        self._threads = threads
        self._retry_for = retry_for
        self._written = written
        self.seals = PLAIN

    def run_ended(self, run: Run, end: Settlement) -> None:
        """Write what a run's webhook is to be told, before the run and its thread may go."""
        url = webhook_of(run)
        if url is None:
            return
        thread = self._threads.find(run.thread_id, EVERYTHING)
        self.add(
            WebhookMessage(
                webhook_id=new_id(),
                run_id=run.run_id,
                thread_id=run.thread_id,
                metadata=run.metadata if thread is None else thread.metadata,
                url=url,
                origin=_origin(url),
                payload=run_payload(
                    run, end, None if thread is None else thread.values, self._now()
                ),
            )
        )

    def add(self, message: WebhookMessage) -> None:
        """Add what is to be delivered, from now on."""
        now = self._clock.now()
        self._db.execute(
            f"INSERT INTO webhook_deliveries ({_COLUMNS})"
            " VALUES (?,?,?,?,?,?,?,?,'pending',0,0,?,?,?,NULL,NULL,NULL,?)",
            (
                message.webhook_id,
                message.kind,
                message.run_id,
                message.thread_id,
                message.metadata,
                self._sealed("url", message.url),
                message.origin,
                self.seals.seal("webhook", "headers", jsonio.dumps(message.headers)),
                to_iso(now),
                to_iso(now),
                to_iso(now + self._retry_for),
                self.seals.seal("webhook", "payload", message.payload),
            ),
        )
        self._written()

    def _sealed(self, field: str, text: str | None) -> str | bytes | None:
        """Return a text as it is stored: readable, where nothing is sealed."""
        if text is None or not self.seals.on:
            return text
        return self.seals.seal("webhook", field, text.encode())

    def _opened(self, field: str, stored: Any) -> Any:
        if not isinstance(stored, bytes):
            return stored
        return self.seals.open("webhook", field, stored).decode()

    def find(self, webhook_id: str, scope: Scope) -> WebhookDelivery | None:
        """Return the delivery, or None."""
        where = Where(["webhook_id = ?"], [webhook_id])
        where.add_scope("metadata", scope)
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM webhook_deliveries{where.sql}", where.parameters
        ).fetchone()
        return None if row is None else self._delivery(row)

    def search(self, wanted: WebhookFilter, page: Page, scope: Scope) -> list[WebhookDelivery]:
        """Return a page of matching deliveries, without their payloads."""
        where = _where(wanted, scope)
        rows = self._db.execute(
            f"SELECT {_WITHOUT_PAYLOAD} FROM webhook_deliveries{where.sql}"
            + order_and_page("created_at", "webhook_id", page),
            where.parameters,
        )
        return [self._delivery(row) for row in rows]

    def count(self, wanted: WebhookFilter, scope: Scope) -> int:
        """Return how many match."""
        where = _where(wanted, scope)
        (total,) = self._db.execute(
            f"SELECT count(*) FROM webhook_deliveries{where.sql}", where.parameters
        ).fetchone()
        return int(total)

    def attempts(self, webhook_id: str) -> list[WebhookAttempt]:
        """Return the tries of a delivery, oldest first."""
        rows = self._db.execute(
            f"SELECT {_ATTEMPT} FROM webhook_attempts WHERE webhook_id = ? ORDER BY number",
            (webhook_id,),
        )
        return [
            WebhookAttempt(
                number=row[0],
                began_at=row[1],
                seconds=row[2],
                status_code=row[3],
                error=row[4],
                response=self._opened("response", row[5]),
            )
            for row in rows
        ]

    def claim(
        self, owner: str, limit: int, per_origin: int, busy: Mapping[str, int], lease: timedelta
    ) -> list[WebhookDelivery]:
        """Claim what is due, of each origin as much as it may have at once."""
        now = self._clock.now()
        claimed: list[WebhookDelivery] = []
        for origin, due in self._db.execute(_ORIGINS).fetchall():
            room = min(per_origin - busy.get(origin, 0), limit - len(claimed))
            if room > 0 and due <= to_iso(now):
                claimed += self._claim(owner, origin, room, now, lease)
        return claimed

    def _claim(
        self, owner: str, origin: str, limit: int, now: datetime, lease: timedelta
    ) -> list[WebhookDelivery]:
        ids = self._db.execute(
            "SELECT webhook_id FROM webhook_deliveries WHERE status = 'pending' AND origin = ?"
            " AND next_attempt_at <= ? ORDER BY next_attempt_at, webhook_id LIMIT ?",
            (origin, to_iso(now), limit),
        ).fetchall()
        self._db.executemany(
            "UPDATE webhook_deliveries SET owner = ?, next_attempt_at = ?,"
            " attempts = attempts + 1, tries = tries + 1 WHERE webhook_id = ?",
            [(owner, to_iso(now + lease), *row) for row in ids],
        )
        found = [self.find(row[0], EVERYTHING) for row in ids]
        return [delivery for delivery in found if delivery is not None]

    def next_due(self, without: Mapping[str, int]) -> datetime | None:
        """Return when something is due next, of other origins than these."""
        for origin, due in self._db.execute(_ORIGINS).fetchall():
            if origin not in without:
                return datetime.fromisoformat(due)
        return None

    def release(self, webhook_id: str, owner: str) -> None:
        """Give back what was claimed and not tried to its end; it is due at once."""
        self._db.execute(
            "UPDATE webhook_deliveries SET owner = NULL, next_attempt_at = ?"
            " WHERE webhook_id = ? AND owner = ? AND status = 'pending'",
            (self._now(), webhook_id, owner),
        )

    def release_all_except(self, owner: str) -> int:
        """Give back what others have claimed: they are gone."""
        done = self._db.execute(
            "UPDATE webhook_deliveries SET owner = NULL, next_attempt_at = ?"
            " WHERE status = 'pending' AND owner IS NOT NULL AND owner != ?",
            (self._now(), owner),
        )
        return done.rowcount

    def record(
        self,
        webhook_id: str,
        owner: str,
        attempt: WebhookAttempt,
        *,
        delivered: bool,
        again_at: str | None,
    ) -> None:
        """Note how a try went: delivered, to be tried again, or given up."""
        status = "delivered" if delivered else "pending" if again_at else "failed"
        ended = None if status == "pending" else self._now()
        done = self._db.execute(
            "UPDATE webhook_deliveries SET status = ?, next_attempt_at = ?, ended_at = ?,"
            " owner = NULL, status_code = ?, error = ? WHERE webhook_id = ? AND owner = ?",
            (status, again_at, ended, attempt.status_code, attempt.error, webhook_id, owner),
        )
        if done.rowcount:
            self._note(webhook_id, attempt)

    def _note(self, webhook_id: str, attempt: WebhookAttempt) -> None:
        self._db.execute(
            f"INSERT OR REPLACE INTO webhook_attempts (webhook_id, {_ATTEMPT})"
            " VALUES (?,?,?,?,?,?,?)",
            (
                webhook_id,
                attempt.number,
                attempt.began_at,
                attempt.seconds,
                attempt.status_code,
                attempt.error,
                self._sealed("response", attempt.response),
            ),
        )
        self._db.execute(
            "DELETE FROM webhook_attempts WHERE webhook_id = ? AND number <= ?",
            (webhook_id, attempt.number - _ATTEMPTS_KEPT),
        )

    def redeliver(self, webhook_id: str) -> None:
        """Have it tried now, and for as long as a new one; one that is under way goes on."""
        now = self._clock.now()
        self._db.execute(
            "UPDATE webhook_deliveries SET status = 'pending', next_attempt_at = ?,"
            " retry_until = ?, ended_at = NULL, tries = 0 WHERE webhook_id = ? AND owner IS NULL",
            (to_iso(now), to_iso(now + self._retry_for), webhook_id),
        )
        self._written()

    def delete_before(self, moment: str) -> int:
        """Remove deliveries that ended before the moment."""
        done = self._db.execute("DELETE FROM webhook_deliveries WHERE ended_at < ?", (moment,))
        return done.rowcount

    def _delivery(self, row: tuple[Any, ...]) -> WebhookDelivery:
        return WebhookDelivery(
            message=WebhookMessage(
                webhook_id=row[0],
                kind=row[1],
                run_id=row[2],
                thread_id=row[3],
                metadata=Json(row[4]),
                url=self._opened("url", row[5]),
                origin=row[6],
                headers=jsonio.loads(self.seals.open("webhook", "headers", row[7])),
                payload=Json(self.seals.open("webhook", "payload", row[17])),
            ),
            status=row[8],
            attempts=row[9],
            tries=row[10],
            created_at=row[11],
            next_attempt_at=row[12],
            retry_until=row[13],
            ended_at=row[14],
            status_code=row[15],
            error=row[16],
        )

    def _now(self) -> str:
        return to_iso(self._clock.now())


def _origin(url: str) -> str:
    try:
        return check_url(url, _ANY).origin
    except InvalidRequestError:  # written by an older version; sending says what is wrong with it
        return "unknown"


def _where(wanted: WebhookFilter, scope: Scope) -> Where:
    where = Where()
    for name in ("run_id", "thread_id", "status"):
        value = getattr(wanted, name)
        if value is not None:
            where.add(f"{name} = ?", value)
    where.add_scope("metadata", scope)
    return where
