"""Assistants and their versions, in SQL."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lgserve.core.models import Assistant, AssistantFilter, Json, Page, Scope
from lgserve.storage.filters import Where, order_and_page

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

#: SQLite's integers end here.
_HIGHEST = 2**63 - 1

_COLUMNS = (
    "assistant_id, graph_id, config, context, metadata, name, created_at, updated_at, version,"
    " description"
)
#: Those of a version, as the assistant stood at it.
_VERSION_COLUMNS = (
    "assistant_id, graph_id, config, context, metadata, name, created_at, created_at, version,"
    " description"
)
_ORDER = {
    "assistant_id": "assistant_id",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "name": "casefold(name)",
    "graph_id": "graph_id",
}


class SqliteAssistants:
    """See `lgserve.core.ports.Assistants`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def find(self, assistant_id: str, scope: Scope) -> Assistant | None:
        """Return the assistant, or None."""
        where = Where(["assistant_id = ?"], [assistant_id])
        where.add_scope("metadata", scope)
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM assistants{where.sql}", where.parameters
        ).fetchone()
        return None if row is None else _assistant(row)

    def insert(self, assistant: Assistant) -> bool:
        """Add the assistant with its first version."""
        done = self._db.execute(
            f"INSERT INTO assistants ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)"
            " ON CONFLICT DO NOTHING",
            _parameters(assistant),
        )
        if not done.rowcount:
            return False
        self._insert_version(assistant)
        return True

    def add_version(self, assistant: Assistant) -> Assistant:
        """Store as a new version and make it current."""
        (highest,) = self._db.execute(
            "SELECT max(version) FROM assistant_versions WHERE assistant_id = ?",
            (assistant.assistant_id,),
        ).fetchone()
        new = replace(assistant, version=(highest or 0) + 1)
        self.set_current(new)
        self._insert_version(new)
        return new

    def versions(
        self, assistant_id: str, metadata: Mapping[str, Any] | None, page: Page, scope: Scope
    ) -> list[Assistant]:
        """Return what the assistant was at its versions, newest first."""
        clause = _versions_of(assistant_id, scope)
        clause.add_contains("metadata", metadata)
        rows = self._db.execute(
            f"SELECT {_VERSION_COLUMNS} FROM assistant_versions{clause.sql}"
            f" ORDER BY version DESC LIMIT {int(page.limit)} OFFSET {int(page.offset)}",
            clause.parameters,
        )
        return [_assistant(row) for row in rows]

    def find_version(self, assistant_id: str, version: int, scope: Scope) -> Assistant | None:
        """Return one version, or None."""
        if not 0 < version <= _HIGHEST:
            return None
        clause = _versions_of(assistant_id, scope)
        clause.add("version = ?", version)
        row = self._db.execute(
            f"SELECT {_VERSION_COLUMNS} FROM assistant_versions{clause.sql}", clause.parameters
        ).fetchone()
        return None if row is None else _assistant(row)

    def set_current(self, assistant: Assistant) -> None:
        """Make the assistant stand as given."""
        self._db.execute(
            "UPDATE assistants SET graph_id = ?, config = ?, context = ?, metadata = ?, name = ?,"
            " updated_at = ?, version = ?, description = ? WHERE assistant_id = ?",
            (
                assistant.graph_id,
                assistant.config,
                assistant.context,
                assistant.metadata,
                assistant.name,
                assistant.updated_at,
                assistant.version,
                assistant.description,
                assistant.assistant_id,
            ),
        )

    def delete(self, assistant_id: str) -> None:
        """Remove the assistant and its versions."""
        self._db.execute("DELETE FROM assistants WHERE assistant_id = ?", (assistant_id,))

    def search(self, where: AssistantFilter, page: Page, scope: Scope) -> list[Assistant]:
        """Return a page of matching assistants."""
        clause = _where(where, scope)
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM assistants{clause.sql}"
            + order_and_page(_ORDER[page.sort_by], "assistant_id", page),
            clause.parameters,
        )
        return [_assistant(row) for row in rows]

    def count(self, where: AssistantFilter, scope: Scope) -> int:
        """Return how many match."""
        clause = _where(where, scope)
        (total,) = self._db.execute(
            f"SELECT count(*) FROM assistants{clause.sql}", clause.parameters
        ).fetchone()
        return int(total)

    def _insert_version(self, assistant: Assistant) -> None:
        self._db.execute(
            "INSERT INTO assistant_versions (assistant_id, version, graph_id, name, description,"
            " config, context, metadata, created_at) VALUES (?,?,?,?,?,?,?,?,?)",
            (
                assistant.assistant_id,
                assistant.version,
                assistant.graph_id,
                assistant.name,
                assistant.description,
                assistant.config,
                assistant.context,
                assistant.metadata,
                assistant.updated_at,
            ),
        )


def _versions_of(assistant_id: str, scope: Scope) -> Where:
    clause = Where(["assistant_id = ?"], [assistant_id])
    clause.add_scope("metadata", scope)
    return clause


def _where(wanted: AssistantFilter, scope: Scope) -> Where:
    clause = Where()
    clause.add_scope("metadata", scope)
    clause.add_contains("metadata", wanted.metadata)
    if wanted.graph_id is not None:
        clause.add("graph_id = ?", wanted.graph_id)
    if wanted.name is not None:
        clause.add("instr(casefold(name), casefold(?)) > 0", wanted.name)
    return clause


def _parameters(assistant: Assistant) -> tuple[Any, ...]:
    return (
        assistant.assistant_id,
        assistant.graph_id,
        assistant.config,
        assistant.context,
        assistant.metadata,
        assistant.name,
        assistant.created_at,
        assistant.updated_at,
        assistant.version,
        assistant.description,
    )


def _assistant(row: tuple[Any, ...]) -> Assistant:
    return Assistant(
        assistant_id=row[0],
        graph_id=row[1],
        config=Json(row[2]),
        context=Json(row[3]),
        metadata=Json(row[4]),
        name=row[5],
        created_at=row[6],
        updated_at=row[7],
        version=row[8],
        description=row[9],
    )
