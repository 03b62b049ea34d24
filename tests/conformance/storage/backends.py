"""Where the conformance tests keep checkpoints and items: one entry a backend."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore

from lgserve.core.ports import Clock
from lgserve.storage.checkpoints import SqliteSaver
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.saver_scope import SaverScope
from lgserve.storage.store_items import SqliteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One way of keeping checkpoints and items, on a database of its own."""

    saver: BaseCheckpointSaver[Any]
    #: A saver that works for a run.
    saver_for: Callable[[SaverScope], BaseCheckpointSaver[Any]]
    store: Callable[[Clock], BaseStore]
    #: How many rows of any kind the checkpoints of all threads take.
    count_rows: Callable[[], int]


_TABLES = ("checkpoints", "channel_versions", "channel_blobs", "checkpoint_writes")


@asynccontextmanager
async def _sqlite() -> AsyncIterator[Backend]:
    db = SqliteDatabase(None)
    db.open()
    total = " + ".join(f"(SELECT count(*) FROM {table})" for table in _TABLES)
    try:
        yield Backend(
            saver=SqliteSaver(db),
            saver_for=lambda scope: SqliteSaver(db, scope=scope),
            store=lambda clock: SqliteStore(db, clock=clock),
            count_rows=lambda: db.lookup(lambda c: int(c.execute(f"SELECT {total}").fetchone()[0])),
        )
    finally:
        db.close()


Backends = Callable[[], AbstractAsyncContextManager[Backend]]
BACKENDS: dict[str, Backends] = {"sqlite": _sqlite}
