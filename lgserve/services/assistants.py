"""Assistants: a graph with a configuration, versioned."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.errors import (
    ConflictError,
    GraphNotFoundError,
    InvalidRequestError,
    NotFoundError,
)
from lgserve.core.ids import (
    is_system_assistant,
    new_random_id,
    parse_uuid,
    system_assistant_id,
)
from lgserve.core.models import EVERYTHING, Assistant, AssistantFilter, Page, Scope, ThreadFilter
from lgserve.core.scopes import stamp
from lgserve.services.idempotency import Once, once_only
from lgserve.services.merging import mirrored

if TYPE_CHECKING:
    from lgserve.core.models import Run
    from lgserve.core.ports import Clock, Graphs, Storage, Transaction
    from lgserve.core.vocabulary import IfExists
    from lgserve.services.cancelling import Canceller
    from lgserve.services.threads import ThreadService

_log = logging.getLogger("lgserve")

_THREADS_A_PAGE = 500
_ALL_VERSIONS = Page(sort_by="version", limit=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantPatch:
    """What to change; None leaves a member as it is."""

    graph_id: str | None = None
    config: Mapping[str, Any] | None = None
    context: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    name: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantService:
    """The operations on assistants."""

    storage: Storage
    graphs: Graphs
    clock: Clock
    threads: ThreadService
    canceller: Canceller

    async def create_system_assistants(self) -> None:
        """Give each graph that has none the assistant its id stands for.

        Those of graphs that the project no longer has go. Lists keep the order of the config.
        """
        now = self.clock.now()
        wanted = [
            _new(
                system_assistant_id(graph_id),
                graph_id,
                to_iso(now + timedelta(microseconds=place)),
                name=graph_id,
                metadata={"created_by": "system"},
                description=self.graphs.description(graph_id),
            )
            for place, graph_id in enumerate(self.graphs.ids())
        ]
        await self.storage.write(lambda tx: _replace_system_assistants(tx, wanted))

    def resolve(self, assistant_or_graph_id: str) -> str:
        """Return the assistant id that an id or the name of a graph stands for.

        Raises:
            InvalidRequestError: neither a UUID nor a graph.
        """
        found = parse_uuid(assistant_or_graph_id)
        if found is not None:
            return found
        if assistant_or_graph_id in self.graphs.ids():
            return system_assistant_id(assistant_or_graph_id)
        raise InvalidRequestError("Invalid assistant ID: must be a UUID or the id of a graph")

    def is_system(self, assistant_id: str) -> bool:
        """Tell whether the id is that of a graph's own assistant."""
        return is_system_assistant(assistant_id, self.graphs.ids())

    async def create(
        self,
        *,
        assistant_id: str | None,
        graph_id: str,
        config: Mapping[str, Any],
        context: Mapping[str, Any],
        metadata: Mapping[str, Any],
        name: str | None,
        description: str | None,
        if_exists: IfExists,
        scope: Scope,
        once: Once[Assistant] | None = None,
    ) -> Assistant:
        """Create an assistant, or return the one that has this id if `if_exists` allows."""
        self._check_graph(graph_id)
        config, context = mirrored(config, context)
        wanted = _new(
            assistant_id or new_random_id(),
            graph_id,
            to_iso(self.clock.now()),
            name=name or "Untitled",
            metadata={**metadata, **stamp(scope)},
            config=config,
            context=context,
            description=description,
        )

        def work(tx: Transaction) -> Assistant:
            if tx.assistants.insert(wanted):
                return wanted
            stored = tx.assistants.find(wanted.assistant_id, scope)
            if if_exists == "raise" or stored is None:
                raise ConflictError(f"Assistant {wanted.assistant_id} already exists")
            return stored

        return await self.storage.write(once_only(work, once))

    async def get(self, assistant_id: str, scope: Scope) -> Assistant:
        """Return an assistant."""
        resolved = self.resolve(assistant_id)
        found = await self.storage.lookup(lambda tx: tx.assistants.find(resolved, scope))
        if found is None:
            raise NotFoundError
        return found

    async def update(self, assistant_id: str, patch: AssistantPatch, scope: Scope) -> Assistant:
        """Change an assistant; every update is a new version, and the current one."""
        resolved = self.resolve(assistant_id)
        if patch.graph_id is not None:
            self._check_graph(patch.graph_id)
        now = to_iso(self.clock.now())

        def work(tx: Transaction) -> Assistant:
            stored = tx.assistants.find(resolved, scope)
            if stored is None:
                raise NotFoundError(f"Assistant {resolved} not found")
            return tx.assistants.add_version(_patched(stored, patch, now, scope))

        return await self.storage.write(work)

    async def versions(
        self, assistant_id: str, metadata: Mapping[str, Any] | None, page: Page, scope: Scope
    ) -> list[Assistant]:
        """Return what an assistant was at its versions, newest first."""
        resolved = self.resolve(assistant_id)

        def work(tx: Transaction) -> list[Assistant]:
            if tx.assistants.find(resolved, scope) is None:
                raise NotFoundError(f"Assistant {resolved} not found")
            return tx.assistants.versions(resolved, metadata, page, scope)

        return await self.storage.read(work)

    async def set_latest(self, assistant_id: str, version: int, scope: Scope) -> Assistant:
        """Make an assistant again what it was at a version, in everything."""
        resolved = self.resolve(assistant_id)
        now = to_iso(self.clock.now())

        def work(tx: Transaction) -> Assistant:
            stored = tx.assistants.find(resolved, scope)
            if stored is None:
                raise NotFoundError(f"Assistant {resolved} not found")
            chosen = tx.assistants.find_version(resolved, version, scope)
            if chosen is None:
                raise NotFoundError(f"Version {version} not found for assistant {resolved}")
            current = replace(chosen, created_at=stored.created_at, updated_at=now)
            tx.assistants.set_current(current)
            return current

        return await self.storage.write(work)

    async def threads_of(self, assistant_id: str) -> list[str]:
        """Return the ids of the threads whose metadata names the assistant, whoever's they are."""
        where = ThreadFilter(metadata={"assistant_id": self.resolve(assistant_id)})

        def work(tx: Transaction) -> list[str]:
            found: list[str] = []
            while True:  # a page at a time: a row carries its thread's values
                page = Page(sort_by="thread_id", limit=_THREADS_A_PAGE, offset=len(found))
                rows = tx.threads.search(where, page, EVERYTHING)
                found += [thread.thread_id for thread in rows]
                if len(rows) < _THREADS_A_PAGE:
                    return found

        return await self.storage.read(work)

    async def delete(
        self, assistant_id: str, scope: Scope, *, runs: Scope, threads: Mapping[str, Scope]
    ) -> None:
        """Delete an assistant, and each of these threads that lies within its scope.

        What still runs of it, on threads within `runs`, is cancelled. All that goes on if the
        caller is cancelled: nobody could finish it, once the assistant is gone.
        """
        work = self._delete(self.resolve(assistant_id), scope, runs, threads)
        await asyncio.shield(asyncio.ensure_future(work))

    async def _delete(
        self, assistant_id: str, scope: Scope, runs: Scope, threads: Mapping[str, Scope]
    ) -> None:
        def work(tx: Transaction) -> list[Run]:
            if tx.assistants.find(assistant_id, scope) is None:
                raise NotFoundError(f"Assistant with ID {assistant_id} not found")
            tx.assistants.delete(assistant_id)
            tx.crons.delete_of_assistant(assistant_id)
            return _cancel_runs(tx, assistant_id, runs)

        for run in await self.storage.write(work):
            await self.canceller.hurry(run)
        for thread_id, within in threads.items():
            with suppress(NotFoundError):
                await self.threads.delete(thread_id, within)

    async def search(
        self, where: AssistantFilter, page: Page, scope: Scope
    ) -> tuple[list[Assistant], int]:
        """Return a page of matching assistants, and how many there are in all."""
        if where.graph_id is not None:
            self._check_graph(where.graph_id)
        return await self.storage.read(
            lambda tx: (
                tx.assistants.search(where, page, scope),
                tx.assistants.count(where, scope),
            )
        )

    async def count(self, where: AssistantFilter, scope: Scope) -> int:
        """Return how many assistants match."""
        if where.graph_id is not None:
            self._check_graph(where.graph_id)
        return await self.storage.read(lambda tx: tx.assistants.count(where, scope))

    def _check_graph(self, graph_id: str) -> None:
        known = self.graphs.ids()
        if graph_id not in known:
            raise GraphNotFoundError(
                f"Graph '{graph_id}' not found. Expected one of: {sorted(known)}"
            )


def _cancel_runs(tx: Transaction, assistant_id: str, scope: Scope) -> list[Run]:
    active = tx.runs.search_active(status=None, thread_id=None, scope=scope)
    asked = [
        tx.runs.request_cancel(run.run_id, "interrupt", "assistant deleted")
        for run in active
        if run.assistant_id == assistant_id
    ]
    return [run for run in asked if run is not None]


def _replace_system_assistants(tx: Transaction, wanted: Sequence[Assistant]) -> None:
    made_by_us = AssistantFilter(metadata={"created_by": "system"})
    everything = Page(sort_by="assistant_id", limit=-1)
    fresh = {assistant.assistant_id: assistant for assistant in wanted}
    for stored in tx.assistants.search(made_by_us, everything, EVERYTHING):
        is_system = stored.assistant_id == system_assistant_id(stored.graph_id)
        if is_system and _is_outdated(stored, fresh.get(stored.assistant_id)):
            tx.assistants.delete(stored.assistant_id)
    for assistant in wanted:
        if not tx.assistants.insert(assistant):
            _make_room(tx, assistant)


def _make_room(tx: Transaction, wanted: Assistant) -> None:
    """Give another id to what somebody made under that of a graph before there was the graph.

    A graph's own assistant may be changed in all ways, but it began with its graph.
    """
    taken, other = wanted.assistant_id, new_random_id()
    stored = tx.assistants.find(taken, EVERYTHING)
    *later, first = tx.assistants.versions(taken, None, _ALL_VERSIONS, EVERYTHING)
    if stored is None or first.graph_id == wanted.graph_id:
        return
    tx.assistants.delete(taken)
    tx.assistants.insert(wanted)
    tx.assistants.insert(replace(first, assistant_id=other))
    for version in reversed(later):
        tx.assistants.add_version(replace(version, assistant_id=other))
    tx.assistants.set_current(replace(stored, assistant_id=other))
    _log.warning(
        "assistant %s had the id of the new graph '%s': it is %s now", taken, wanted.graph_id, other
    )


def _is_outdated(stored: Assistant, wanted: Assistant | None) -> bool:
    """Tell whether the config no longer has the graph, or describes it anew and nobody else has."""
    if wanted is None:
        return True
    return stored.version == 1 and stored.description != wanted.description


def _new(
    assistant_id: str,
    graph_id: str,
    now: str,
    *,
    name: str,
    metadata: Mapping[str, Any],
    config: Mapping[str, Any] = EVERYTHING,
    context: Mapping[str, Any] = EVERYTHING,
    description: str | None = None,
) -> Assistant:
    return Assistant(
        assistant_id=assistant_id,
        graph_id=graph_id,
        config=jsonio.dumps_wire(config),
        context=jsonio.dumps_wire(context),
        metadata=jsonio.dumps_wire(metadata),
        name=name,
        created_at=now,
        updated_at=now,
        version=1,
        description=description,
    )


def _patched(stored: Assistant, patch: AssistantPatch, now: str, scope: Scope) -> Assistant:
    """Return the assistant with the patch: metadata merged, config and context replaced."""
    config, context = stored.config, stored.context
    if patch.config is not None or patch.context is not None:
        mirrored_config, mirrored_context = mirrored(
            patch.config or {} if patch.config is not None else _without_configurable(stored),
            patch.context or {},
        )
        config = jsonio.dumps_wire(mirrored_config)
        if patch.context is not None or mirrored_context:
            context = jsonio.dumps_wire(mirrored_context)
    metadata = stored.metadata
    if patch.metadata is not None:
        merged = {**jsonio.loads(stored.metadata), **patch.metadata, **stamp(scope)}
        metadata = jsonio.dumps_wire(merged)
    return replace(
        stored,
        graph_id=patch.graph_id or stored.graph_id,
        config=config,
        context=context,
        metadata=metadata,
        name=stored.name if patch.name is None else patch.name,
        description=stored.description if patch.description is None else patch.description,
        updated_at=now,
    )


def _without_configurable(stored: Assistant) -> dict[str, Any]:
    config: dict[str, Any] = jsonio.loads(stored.config)
    config.pop("configurable", None)
    return config
