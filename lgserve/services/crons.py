"""Crons: runs that recur by a schedule, on a thread or each on a new one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.errors import BadRequestError, InvalidRequestError, NotFoundError
from lgserve.core.ids import is_system_assistant, parse_uuid, system_assistant_id
from lgserve.core.models import Cron, CronFilter, CronFiring, Json, Page, Run, Scope
from lgserve.core.scopes import stamp
from lgserve.core.webhooks import shown_url
from lgserve.services.cron_firing import following
from lgserve.services.idempotency import Once, once_only
from lgserve.services.merging import BOTH_GIVEN
from lgserve.services.schedules import check_fires, parse_zone

if TYPE_CHECKING:
    from lgserve.core.ports import Clock, CronAlarm, Graphs, Storage, Transaction
    from lgserve.core.principals import Principal
    from lgserve.services.cron_firing import CronFirer

T = TypeVar("T")
Object = dict[str, Any]

_THREADLESS = "on_run_completed: 'delete' is for crons without a thread; this one keeps its thread"
_MICROSECOND = timedelta(microseconds=1)
#: A change of one of these lets the cron go on from now, not from where it stood.
_TIMING = ("schedule", "timezone")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCron:
    """A cron that a client asks for; `payload` is what it sent."""

    cron_id: str
    thread_id: str | None
    payload: Mapping[str, Any]
    metadata: Mapping[str, Any]
    schedule: str
    end_time: str | None
    user: Principal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CronScopes:
    """What a cron needs of somebody: its own scope, and those of what it runs."""

    cron: Scope
    thread: Scope
    assistant: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class CronService:
    """The operations on crons."""

    storage: Storage
    graphs: Graphs
    clock: Clock
    alarm: CronAlarm
    firer: CronFirer

    def assistant_id(self, named: str) -> str:
        """Return the id of an assistant that is named by it, or by its graph.

        Raises:
            NotFoundError: neither a UUID nor a graph.
        """
        found = parse_uuid(named)
        if found is not None:
            return found
        if named in self.graphs.ids():
            return system_assistant_id(named)
        raise _no_assistant(named)

    async def create(self, wanted: NewCron, scopes: CronScopes, once: Once[Cron] | None) -> Cron:
        """Create a cron, come what may of the caller."""
        cron = self._made(wanted, scopes)

        def work(tx: Transaction) -> Cron:
            thread_id = cron.thread_id
            if thread_id is not None and tx.threads.find(thread_id, scopes.thread) is None:
                raise NotFoundError(
                    f"Thread with ID '{thread_id}' not found. Please verify the ID is correct and"
                    " the thread hasn't been deleted or expired."
                )
            self._check_assistant(tx, cron.assistant_id, scopes.assistant, wanted.payload)
            tx.crons.insert(cron)
            return cron

        return await self._changed(once_only(work, once))

    async def get(self, cron_id: str, scope: Scope) -> Cron:
        """Return a cron."""
        found = await self.storage.lookup(lambda tx: tx.crons.find(cron_id, scope))
        if found is None:
            raise NotFoundError
        return found

    async def update(self, cron_id: str, patch: Mapping[str, Any], scopes: CronScopes) -> Cron:
        """Change a cron: metadata is merged, what else is named is replaced."""
        if not patch:
            raise BadRequestError("Request body cannot be empty")

        def work(tx: Transaction) -> Cron:
            stored = tx.crons.find(cron_id, scopes.cron)
            if stored is None:
                raise NotFoundError(f"Cron '{cron_id}' not found")
            cron = self._patched(stored, patch, scopes.cron)
            if cron.assistant_id != stored.assistant_id:
                self._check_assistant(tx, cron.assistant_id, scopes.assistant, patch)
            tx.crons.update(cron)
            return cron

        return await self._changed(work)

    async def delete(self, cron_id: str, scope: Scope) -> None:
        """Delete a cron with its history; the runs it has created go on."""

        def work(tx: Transaction) -> None:
            if tx.crons.find(cron_id, scope) is None:
                raise NotFoundError
            tx.crons.delete(cron_id)

        await self._changed(work)

    async def search(self, where: CronFilter, page: Page, scope: Scope) -> tuple[list[Cron], int]:
        """Return a page of matching crons, and how many there are in all."""
        return await self.storage.read(
            lambda tx: (tx.crons.search(where, page, scope), tx.crons.count(where, scope))
        )

    async def count(self, where: CronFilter, scope: Scope) -> int:
        """Return how many crons match."""
        return await self.storage.read(lambda tx: tx.crons.count(where, scope))

    async def firings(
        self, cron_id: str, scope: Scope, *, limit: int, offset: int
    ) -> tuple[list[CronFiring], int]:
        """Return what became of a cron's firings, newest first, and how many are known."""

        def work(tx: Transaction) -> tuple[list[CronFiring], int] | None:
            if tx.crons.find(cron_id, scope) is None:
                return None
            found = tx.crons.firings(cron_id, limit, offset)
            return found, tx.crons.count_firings(cron_id)

        found = await self.storage.read(work)
        if found is None:
            raise NotFoundError
        return found

    async def trigger(self, cron_id: str, scope: Scope, once: Once[Run] | None) -> Run:
        """Create a run of the cron now, enabled or not; its schedule goes on as it was."""
        return await self.firer.fire_now(await self.get(cron_id, scope), once)

    async def _changed(self, work: Callable[[Transaction], T]) -> T:
        """Carry out a change even if the caller goes, and let the scheduler know."""

        async def carry_out() -> T:
            result = await self.storage.write(work)
            self.alarm.crons_changed()
            return result

        return await asyncio.shield(asyncio.ensure_future(carry_out()))

    def _check_assistant(
        self, tx: Transaction, assistant_id: str, scope: Scope, named: Mapping[str, Any]
    ) -> None:
        system = is_system_assistant(assistant_id, self.graphs.ids())
        readable = {"created_by": "system"} if system else scope
        if tx.assistants.find(assistant_id, readable) is None:
            raise _no_assistant(named["assistant_id"])

    def _made(self, wanted: NewCron, scopes: CronScopes) -> Cron:
        now = self.clock.now()
        given = dict(wanted.payload)
        timezone = given.get("timezone")
        check_fires(wanted.schedule, timezone, now)
        assistant_id = self.assistant_id(given["assistant_id"])
        cron = Cron(
            cron_id=wanted.cron_id,
            assistant_id=assistant_id,
            thread_id=wanted.thread_id,
            user_id="" if wanted.user is None else wanted.user.identity,
            schedule=wanted.schedule,
            timezone=timezone,
            payload=_payload({**given, "assistant_id": assistant_id}, wanted.cron_id),
            metadata=jsonio.dumps_wire({**wanted.metadata, **stamp(scopes.cron)}),
            on_run_completed=_on_run_completed(given, wanted.thread_id),
            enabled=bool(given.get("enabled", True)),
            end_time=wanted.end_time,
            ends_at=_ends_at(wanted.end_time, timezone, now),
            next_run_date=None,
            created_at=to_iso(now),
            updated_at=to_iso(now),
            user=None if wanted.user is None else jsonio.dumps(wanted.user.public),
        )
        return replace(cron, next_run_date=following(cron, now))

    def _patched(self, stored: Cron, patch: Mapping[str, Any], scope: Scope) -> Cron:
        now = self.clock.now()
        own = {
            name: patch[name] for name in ("schedule", "timezone", "end_time", "enabled")
            if name in patch
        }  # fmt: skip
        changed = {name: value for name, value in patch.items() if name != "assistant_id"}
        if (named := patch.get("assistant_id")) is not None:
            own["assistant_id"] = changed["assistant_id"] = self.assistant_id(named)
        payload = _changed(jsonio.loads(stored.payload), changed)
        if "on_run_completed" in patch:
            own["on_run_completed"] = _on_run_completed(patch, stored.thread_id)
        cron = replace(
            stored,
            **own,
            payload=_payload(payload, stored.cron_id),
            metadata=_merged(stored.metadata, patch.get("metadata"), scope),
            updated_at=_later(now, stored.updated_at),
        )
        if any(name in patch for name in _TIMING):
            check_fires(cron.schedule, cron.timezone, now)
        return _retimed(stored, cron, patch, now)


def _retimed(stored: Cron, cron: Cron, patch: Mapping[str, Any], now: datetime) -> Cron:
    """Return a changed cron with its end and its next moment as they are to be now."""
    ends_at = stored.ends_at
    if "end_time" in patch:
        ends_at = _ends_at(cron.end_time, cron.timezone, now)
    elif "timezone" in patch:
        ends_at = _moment(cron.end_time, cron.timezone)
    cron = replace(cron, ends_at=ends_at)
    same = not any(name in patch for name in _TIMING) and stored.enabled == cron.enabled
    next_run_date = stored.next_run_date
    if same and next_run_date is not None and (ends_at is None or next_run_date <= ends_at):
        return cron  # a moment that is due now is not lost by a change of something else
    return replace(cron, next_run_date=following(cron, now))


def _changed(payload: Object, changed: Object) -> Object:
    """Return a payload with what was changed; a webhook as it is shown is the one there was."""
    webhook = payload.get("webhook")
    merged = {**payload, **changed}
    if webhook is not None and changed.get("webhook") == shown_url(webhook):
        merged["webhook"] = webhook
    return merged


def _payload(given: Object, cron_id: str) -> Json:
    """Return a payload with the cron's id among what its run is configured with.

    Raises:
        BadRequestError: its run could never be created.
    """
    config = dict(given.get("config") or {})
    configurable = {**(config.get("configurable") or {}), "cron_id": cron_id}
    if given.get("context") and len(configurable) > 1:
        raise BadRequestError(BOTH_GIVEN)
    return jsonio.dumps_wire({**given, "config": {**config, "configurable": configurable}})


def _on_run_completed(given: Mapping[str, Any], thread_id: str | None) -> Any:
    """Return what happens to the thread of a firing; one that the cron has stays, whatever."""
    wanted = given.get("on_run_completed")
    if thread_id is None:
        return wanted or "delete"
    if wanted == "delete":
        raise InvalidRequestError(_THREADLESS)
    return None


def _merged(stored: Json, given: Mapping[str, Any] | None, scope: Scope) -> Json:
    if given is None:
        return stored
    return jsonio.dumps_wire({**jsonio.loads(stored), **given, **stamp(scope)})


def _later(now: datetime, than: str) -> str:
    """Return a time of change that no earlier change has: a scheduler tells changes by it."""
    text = to_iso(now)
    return text if text > than else to_iso(datetime.fromisoformat(than) + _MICROSECOND)


def _ends_at(end_time: str | None, timezone: str | None, now: datetime) -> str | None:
    """Return the moment at which a cron is to end.

    Raises:
        InvalidRequestError: it cannot be read, or is over.
    """
    moment = _moment(end_time, timezone)
    if moment is not None and moment <= to_iso(now):
        raise InvalidRequestError(f"end_time: must lie in the future (got {_shown(end_time)})")
    return moment


def _moment(end_time: str | None, timezone: str | None) -> str | None:
    """Return the moment of an end time; one without an offset is meant in the cron's zone."""
    if end_time is None:
        return None
    try:
        found = datetime.fromisoformat(end_time)
        if found.tzinfo is None:
            found = found.replace(tzinfo=parse_zone(timezone))
        return to_iso(found)
    except (ValueError, OverflowError):
        raise InvalidRequestError(
            "end_time: Input should be an ISO 8601 date and time,"
            f" as 2027-01-31T18:00:00Z (got {_shown(end_time)})"
        ) from None


def _shown(text: str | None) -> str:
    return jsonio.dumps(text if text is None else text[:80]).decode()


def _no_assistant(named: str) -> NotFoundError:
    return NotFoundError(f"Assistant '{named[:255]}' not found")
