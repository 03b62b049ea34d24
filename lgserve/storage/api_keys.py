"""API keys, in SQL: who holds one, until when, never the key itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lgserve.core.principals import ApiKey

if TYPE_CHECKING:
    import sqlite3

_COLUMNS = "key_id, owner, name, hash, created_at, expires_at, revoked_at"


class SqliteApiKeys:
    """See `lgserve.core.ports.ApiKeys`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def find(self, key_id: str) -> ApiKey | None:
        """Return the key, revoked or not, or None."""
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM api_keys WHERE key_id = ?", (key_id,)
        ).fetchone()
        return None if row is None else _key(row)

    def insert(self, key: ApiKey) -> None:
        """Add a key."""
        self._db.execute(
            f"INSERT INTO api_keys ({_COLUMNS}) VALUES (?,?,?,?,?,?,?)",
            (
                key.key_id,
                key.owner,
                key.name,
                key.hash,
                key.created_at,
                key.expires_at,
                key.revoked_at,
            ),
        )

    def search(self, owner: str | None) -> list[ApiKey]:
        """Return all keys, or those of an owner, newest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM api_keys WHERE ? IS NULL OR owner = ?"
            " ORDER BY created_at DESC, key_id",
            (owner, owner),
        )
        return [_key(row) for row in rows]

    def revoke(self, key_id: str, now: str) -> bool:
        """Make a key open nothing from now on; False if it is unknown or was revoked before."""
        done = self._db.execute(
            "UPDATE api_keys SET revoked_at = ? WHERE key_id = ? AND revoked_at IS NULL",
            (now, key_id),
        )
        return bool(done.rowcount)


def _key(row: tuple[Any, ...]) -> ApiKey:
    return ApiKey(
        key_id=row[0],
        owner=row[1],
        name=row[2],
        hash=row[3],
        created_at=row[4],
        expires_at=row[5],
        revoked_at=row[6],
    )
