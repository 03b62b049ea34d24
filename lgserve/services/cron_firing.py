"""A cron fires: its run is created in the transaction that notes the firing and moves the cron on.

So a moment is fired once, whoever tries and whenever a process dies: either nothing of it is there,
or all of it is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.errors import LgserveError, StorageError
from lgserve.core.models import EVERYTHING, Cron, CronFiring, Json, Run, Scope
from lgserve.core.principals import Principal
from lgserve.services.permits import permitted_run
from lgserve.services.run_requests import RunRequest
from lgserve.services.schedules import next_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from lgserve.core.ports import Authenticator, Clock, Storage, Transaction
    from lgserve.core.vocabulary import Durability
    from lgserve.services.creating import RunCreator
    from lgserve.services.idempotency import Once

_log = logging.getLogger("lgserve")

_MICROSECOND = timedelta(microseconds=1)
#: Members of a payload that go to the run as they stand.
_AS_GIVEN = (
    "input", "context", "interrupt_before", "interrupt_after", "multitask_strategy",
    "stream_subgraphs", "stream_resumable", "webhook",
)  # fmt: skip


class FiredBeforeError(LgserveError):
    """This moment of the cron has been seen to already."""

    status = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class CronFirer:
    """Creates the runs of crons."""

    storage: Storage
    creator: RunCreator
    clock: Clock
    is_system: Callable[[str], bool]
    #: None: everybody may do everything.
    authenticator: Authenticator | None

    async def fire(self, cron: Cron, onward: datetime) -> bool:
        """Create the run that is due, and let the next one be the first behind `onward`.

        A run that cannot be created is noted with the reason. False, and nothing done, if somebody
        else has seen to it.
        """
        turn = _Turn(cron=cron, following=following(cron, onward), clock=self.clock)
        try:
            await self._create(cron, turn)
        except FiredBeforeError:
            return False
        except StorageError:
            raise  # the database, not the cron: it is tried again
        except Exception as exc:  # noqa: BLE001 - whatever is wrong with one cron is that one's
            _log.warning("cron %s was due and did not run: %s", cron.cron_id, _sentence(exc))
            return await self._note(turn, "failed", _error(exc))
        return True

    async def pass_over(self, cron: Cron, onward: datetime) -> bool:
        """Note that moments were missed, and let the next one be the first behind `onward`."""
        turn = _Turn(cron=cron, following=following(cron, onward), clock=self.clock)
        return await self._note(turn, "missed", None)

    async def fire_now(self, cron: Cron, once: Once[Run] | None) -> Run:
        """Create a run of the cron, beside its schedule."""
        return await self._create(cron, _Extra(cron=cron, clock=self.clock, once=once))

    async def _create(self, cron: Cron, turn: _Turn | _Extra) -> Run:
        request, scope = await self._permitted(cron)
        run, _ = await self.creator.create(
            cron.thread_id, request, scope, lambda _: None, once=turn
        )
        return run

    async def _permitted(self, cron: Cron) -> tuple[RunRequest, Scope]:
        """Return the run as who created the cron may create it today."""
        wanted = run_request(cron)
        if cron.user is None:
            return wanted, EVERYTHING
        user = Principal(jsonio.loads(cron.user))
        # Its code is not told what the user was permitted when the cron was made.
        shown = Principal({**user, "permissions": []})
        if self.authenticator is None:
            return replace(wanted, user=shown), EVERYTHING
        ask = partial(self.authenticator.authorize, user)
        return await permitted_run(ask, shown, cron.thread_id, wanted, is_system=self.is_system)

    async def _note(self, turn: _Turn, outcome: Any, error: Json | None) -> bool:
        def work(tx: Transaction) -> None:
            turn.recall(tx)
            turn.add(tx, outcome=outcome, error=error)

        try:
            await self.storage.write(work)
        except FiredBeforeError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """The moment at which a cron is due: taken once."""

    cron: Cron
    following: str | None
    clock: Clock

    def recall(self, tx: Transaction) -> None:
        cron = self.cron
        if not tx.crons.advance(cron, self.following):
            raise FiredBeforeError

    def note(self, tx: Transaction, run: Run) -> None:
        self.add(tx, outcome="fired", run_id=run.run_id, thread_id=run.thread_id)

    def add(self, tx: Transaction, **members: Any) -> None:
        due_at = self.cron.next_run_date or ""
        firing = CronFiring(due_at=due_at, fired_at=to_iso(self.clock.now()), **members)
        if not tx.crons.add_firing(self.cron.cron_id, firing):
            raise FiredBeforeError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extra:
    """A firing that somebody asks for."""

    cron: Cron
    clock: Clock
    once: Once[Run] | None

    def recall(self, tx: Transaction) -> None:
        if self.once is not None:
            self.once.recall(tx)

    def note(self, tx: Transaction, run: Run) -> None:
        moment = self.clock.now()
        while not tx.crons.add_firing(self.cron.cron_id, _extra_firing(run, moment)):
            moment += _MICROSECOND
        if self.once is not None:
            self.once.note(tx, run)


def _extra_firing(run: Run, moment: datetime) -> CronFiring:
    return CronFiring(
        due_at=to_iso(moment),
        outcome="fired",
        fired_at=to_iso(moment),
        manual=True,
        run_id=run.run_id,
        thread_id=run.thread_id,
    )


def following(cron: Cron, onward: datetime) -> str | None:
    """Return when a cron fires next behind a moment; None once that is after its end."""
    found = next_run(cron.schedule, cron.timezone, onward)
    text = None if found is None else to_iso(found)
    return None if text is None or (cron.ends_at is not None and text > cron.ends_at) else text


def run_request(cron: Cron) -> RunRequest:
    """Return the run that a cron creates."""
    payload: dict[str, Any] = jsonio.loads(cron.payload)
    given = {name: payload[name] for name in _AS_GIVEN if payload.get(name) is not None}
    config = dict(payload.get("config") or {})
    configurable = dict(config.pop("configurable", None) or {})
    configurable.pop("cron_id", None)
    modes = payload.get("stream_mode") or ["values"]
    lasting: Durability = "exit" if payload.get("checkpoint_during") is False else "async"
    return RunRequest(
        assistant_id=cron.assistant_id,
        metadata={**jsonio.loads(cron.metadata), **(payload.get("metadata") or {})},
        config={**config, "configurable": configurable} if configurable else config,
        stream_mode=(modes,) if isinstance(modes, str) else tuple(modes),
        durability=payload.get("durability") or lasting,
        on_completion=cron.on_run_completed or "delete",
        cron_id=cron.cron_id,
        **given,
    )


def moment_of(text: str) -> datetime:
    """Return the moment that a row tells of."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _error(exc: Exception) -> Json:
    return jsonio.dumps({"error": type(exc).__name__, "message": _sentence(exc)})


def _sentence(exc: Exception) -> str:
    return exc.message if isinstance(exc, LgserveError) else repr(exc)
