"""The store's part of the composition root: the store, its service, and the embedding code."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from lgserve.core.errors import ConfigurationError
from lgserve.engine.embedding import UserEmbedder
from lgserve.engine.user_loop import UserLoopThread
from lgserve.graphs.embeddings import load_embed
from lgserve.graphs.tracebacks import describe_error
from lgserve.project_config import ProjectConfig
from lgserve.services.store import StoreService
from lgserve.storage.custom_store import CustomStore
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.store_items import SqliteStore
from lgserve.store_config import StoreConfig, StoreIndex

_log = logging.getLogger("lgserve")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreParts:
    """The store of one server."""

    store: SqliteStore | CustomStore
    service: StoreService
    embedder: UserEmbedder | None

    async def load(self, project: ProjectConfig, user_loop: UserLoopThread) -> None:
        """Import the project's embedding code, if it has any, on the user loop's thread.

        Raises:
            ConfigurationError: it cannot be imported; the message has file, line and key.
        """
        index = project.store.index
        if self.embedder is None or index is None:
            return

        async def work() -> Any:
            return _load(index, project)

        self.embedder.use(await user_loop.run(work))
        if isinstance(self.store, SqliteStore) and await self.store.has_foreign_vectors():
            _log.warning(
                "items were indexed with vectors of other dims than %d: searches give them no"
                " score until they are put again",
                index.dims,
            )

    def close(self) -> None:
        """Start no more calls of embedding code."""
        if self.embedder is not None:
            self.embedder.close()


def wire_store(
    config: StoreConfig, database: SqliteDatabase, user_loop: UserLoopThread
) -> StoreParts:
    """Return the store as the project's config wants it; nothing starts here."""
    if config.path is not None:
        own = CustomStore(user_loop)
        return StoreParts(store=own, service=StoreService(items=own), embedder=None)
    index = config.index
    embedder = None if index is None else UserEmbedder(user_loop, index.dims, index.fields)
    store = SqliteStore(
        database,
        ttl={"default_ttl": config.default_ttl, "refresh_on_read": config.refresh_on_read},
        embedder=embedder,
    )
    service = StoreService(
        items=store, default_ttl=config.default_ttl, refresh_on_read=config.refresh_on_read
    )
    return StoreParts(store=store, service=service, embedder=embedder)


def _load(index: StoreIndex, project: ProjectConfig) -> Any:
    try:
        found = load_embed(index.embed, project.root, project.import_paths)
    except (Exception, SystemExit) as exc:
        error = describe_error(exc, project.root, project.import_paths)
        raise ConfigurationError(f"{index.where}: {error.summary}") from exc
    if not callable(found) and not hasattr(found, "embed_documents"):
        kind = type(found).__name__
        raise ConfigurationError(f'{index.where}: "{index.embed}" embeds nothing, it is a {kind}')
    return found
