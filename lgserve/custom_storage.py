"""The project's own checkpointer and store in the composition root: loaded, opened, explained."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore

from lgserve.core.errors import ConfigurationError
from lgserve.graphs.loader import ExportLoader
from lgserve.graphs.resources import Opened
from lgserve.graphs.tracebacks import describe_error
from lgserve.storage.custom_checkpointers import (
    OPTIONAL,
    CustomCheckpointers,
    missing_capabilities,
)
from lgserve.storage.custom_store import CustomStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lgserve.engine.user_loop import UserLoopThread
    from lgserve.project_config import ProjectConfig
    from lgserve.storage.checkpoint_notes import CheckpointNote
    from lgserve.storage.sqlite import SqliteStorage
    from lgserve.storage.store_items import SqliteStore

_log = logging.getLogger("lgserve")


@dataclass(slots=True, kw_only=True)
class CustomStorageParts:
    """What of the storage is the project's own; None: nothing."""

    checkpointers: CustomCheckpointers | None
    store: CustomStore | None
    _opened: list[Opened] = field(default_factory=list)

    async def load(
        self, project: ProjectConfig, user_loop: UserLoopThread, tiers: dict[str, str]
    ) -> None:
        """Import and open it, on the user loop, and say in `tiers` what it is.

        Raises:
            ConfigurationError: that failed, or it is something else; the message says where.
        """
        if self.checkpointers is not None:
            where, path = project.checkpointer.where, project.checkpointer.path
            saver = await self._open(project, user_loop, where, path or "", BaseCheckpointSaver)
            self.checkpointers.use(saver)
            _explain(saver, where, tiers)
        if self.store is not None:
            where, path = project.store.where, project.store.path
            store = await self._open(project, user_loop, where, path or "", BaseStore)
            self.store.use(store)
            tiers["store"] = _name(store)

    async def _open(
        self,
        project: ProjectConfig,
        user_loop: UserLoopThread,
        where: str,
        path: str,
        kind: type[Any],
    ) -> Any:
        async def work() -> Any:
            named = ExportLoader(project.root, project.import_paths).load(path)
            opened = Opened(named)
            found = await opened.enter()
            self._opened.append(opened)
            return found

        try:
            found = await user_loop.run(work)
        except (Exception, SystemExit) as exc:
            told = describe_error(exc, project.root, project.import_paths).text
            raise ConfigurationError(f'{where}: "{path}" cannot be opened:\n{told}') from exc
        if not isinstance(found, kind):
            made = type(found).__name__
            raise ConfigurationError(f'{where}: "{path}" gives no {kind.__name__}, but a {made}')
        return found

    async def close(self, user_loop: UserLoopThread) -> None:
        """Close it, in reverse order."""
        for opened in reversed(self._opened):
            await user_loop.run(opened.leave)


def wire_custom_storage(
    project: ProjectConfig,
    storage: SqliteStorage,
    store: SqliteStore | CustomStore,
    user_loop: UserLoopThread,
) -> CustomStorageParts:
    """Return the project's own parts of the storage as its config names them; nothing starts."""
    checkpointers = None if project.checkpointer.path is None else CustomCheckpointers()
    if checkpointers is not None:

        async def apply(notes: Sequence[CheckpointNote]) -> None:
            await user_loop.run(partial(checkpointers.apply, notes))

        storage.checkpoints_elsewhere = apply
    own = store if isinstance(store, CustomStore) else None
    return CustomStorageParts(checkpointers=checkpointers, store=own)


def _explain(saver: BaseCheckpointSaver[Any], where: str, tiers: dict[str, str]) -> None:
    tiers["checkpointer"] = _name(saver)
    missing = missing_capabilities(saver)
    if missing:
        tiers["checkpointer_lacks"] = ", ".join(missing)
    for name in missing:
        _log.warning("%s: %s has no %s: %s", where, _name(saver), name, OPTIONAL[name])


def _name(value: object) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
