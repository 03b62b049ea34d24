"""The API over a database alone: for the command line, when no server runs or another one does.

Nothing of the project is loaded: no graphs, no worker, no crons, no webhooks. Whoever has the key
sees everything.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lgserve.core.errors import UnauthorizedError
from lgserve.core.models import EVERYTHING, Scope
from lgserve.core.principals import Principal
from lgserve.data_folder import held
from lgserve.engine.tasks import TaskSet
from lgserve.engine.user_loop import UserLoopThread
from lgserve.graphs.stand_in import StandIns
from lgserve.handlers import Handlers
from lgserve.project_config import ProjectConfig
from lgserve.server import address_of, open_doors
from lgserve.settings import Settings
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.read_only import ReadOnlyDatabase
from lgserve.store_config import StoreConfig
from lgserve.tracing import Tracing
from lgserve.wiring import Wiring

if TYPE_CHECKING:
    from lgserve.core.ports import Authenticator
    from lgserve.core.principals import IncomingRequest
    from lgserve.services.thread_state import ThreadStateService


def settings_of(folder: Path) -> Settings:
    """Return the settings of a server of nothing but a folder; reading prolongs no item's life."""
    project = ProjectConfig(
        path=folder / "lgserve.db",
        root=folder,
        found_how="--db",
        files=(),
        graphs={},
        store=StoreConfig(refresh_on_read=False),
    )
    return Settings(project=project, data=folder, log_level="error")


class _KeyHolder:
    """See `lgserve.core.ports.Authenticator`: there is one caller, who may do everything."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    async def authenticate(self, request: IncomingRequest) -> Principal:
        """Compare the key."""
        given = request.headers.get("x-api-key") or ""
        if not hmac.compare_digest(given.encode(), self._key):
            raise UnauthorizedError
        return Principal({"identity": "lgserve"})

    async def authorize(self, *_: Any) -> Scope:
        """Allow everything."""
        return EVERYTHING

    def scope(self, principal: Principal) -> Scope:
        """Own everything."""
        del principal
        return EVERYTHING


@dataclass(frozen=True, kw_only=True)
class _Wiring(Wiring):
    """The parts, of which some stand in for what only the project has."""

    key: str

    @cached_property
    def state(self) -> ThreadStateService:
        """States of threads, as far as they can be told without the graphs."""
        return replace(super().state, graphs=StandIns(self.checkpointers.shared))

    @cached_property
    def authenticator(self) -> Authenticator:
        """Lets in who has the key."""
        return _KeyHolder(self.key)


class DatabaseServer:
    """A server of a database; `writing` takes the folder for itself."""

    def __init__(self, folder: Path, listener: socket.socket, key: str, *, writing: bool) -> None:
        self._folder = folder
        self._listener = listener
        self._key = key
        self._writing = writing

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve while entered, at the address returned."""
        async with AsyncExitStack() as stack:
            parts = self._wired(stack)
            parts.loopback.open(parts.worker)
            stack.push_async_callback(parts.user_loop.run, parts.loopback.close)
            doors = await open_doors(stack, parts)
            await doors.open(self._listener)
            project = parts.settings.project
            await parts.encryption.load(project, parts.user_loop, parts.database)
            await parts.store_parts.load(project, parts.user_loop)
            stack.callback(parts.store_parts.close)
            parts.facts.loaded([])
            yield parts.url

    def _wired(self, stack: AsyncExitStack) -> _Wiring:
        database = self._open(stack)
        user_loop = UserLoopThread(1, asyncio.new_event_loop)
        user_loop.start()
        stack.callback(user_loop.stop, 5)
        tasks = TaskSet()
        stack.push_async_callback(tasks.stop)
        return _Wiring(
            settings=settings_of(self._folder),
            database=database,
            user_loop=user_loop,
            tasks=tasks,
            tracing=Tracing(),
            handlers=Handlers(),
            url=address_of(self._listener),
            owner="--db",
            key=self._key,
        )

    def _open(self, stack: AsyncExitStack) -> SqliteDatabase:
        kind = SqliteDatabase if self._writing else ReadOnlyDatabase
        if self._writing:
            stack.enter_context(held(self._folder))
        database = kind(self._folder)
        database.open()
        stack.callback(database.close)
        return database
