"""Units of work over all that is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from lgserve.core.models import Totals, Waiting
from lgserve.core.ports.a2a import A2aTasks
from lgserve.core.ports.assistants import Assistants
from lgserve.core.ports.auth import ApiKeys
from lgserve.core.ports.crons import Crons
from lgserve.core.ports.runs import RunEvents, RunRequests, Runs
from lgserve.core.ports.threads import Threads
from lgserve.core.ports.webhooks import Webhooks

T = TypeVar("T")


class Statistics(Protocol):
    """How much there is: figures over all owners, without a trace of any row."""

    def totals(self) -> Totals:
        """Return how much there is; kept, not counted: as fast with any number of threads."""
        ...

    def waiting(self) -> Waiting:
        """Return how long runs that are due have been waiting."""
        ...


class Transaction(Protocol):
    """One unit of work over all nouns."""

    @property
    def assistants(self) -> Assistants: ...  # noqa: D102 - the noun says it
    @property
    def threads(self) -> Threads: ...  # noqa: D102
    @property
    def runs(self) -> Runs: ...  # noqa: D102
    @property
    def events(self) -> RunEvents: ...  # noqa: D102
    @property
    def requests(self) -> RunRequests: ...  # noqa: D102
    @property
    def crons(self) -> Crons: ...  # noqa: D102
    @property
    def webhooks(self) -> Webhooks: ...  # noqa: D102
    @property
    def a2a(self) -> A2aTasks: ...  # noqa: D102
    @property
    def api_keys(self) -> ApiKeys: ...  # noqa: D102
    @property
    def statistics(self) -> Statistics: ...  # noqa: D102


class Storage(Protocol):
    """Runs units of work. A call that returned from `write` survives `kill -9`."""

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work that only reads, off the caller's loop."""
        ...

    async def lookup(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work that reads a few rows by key; may run on the caller's thread."""
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work in a transaction; what it raises is raised here, with nothing done.

        Writes of one caller are carried out in the order of their calls.
        """
        ...

    def size(self) -> int:
        """Return the bytes the database takes; fast, on the caller's thread."""
        ...
