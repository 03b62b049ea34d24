"""API keys: how they are made, kept, and recognised."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lgserve.auth.api_key import ApiKeyAuthenticator, new_key
from lgserve.core.errors import UnauthorizedError
from lgserve.core.principals import ApiKey, IncomingRequest
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.sqlite import SqliteStorage
from tests.clocks import ManualClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def storage(tmp_path: Path, clock: ManualClock) -> AsyncIterator[SqliteStorage]:
    database = SqliteDatabase(tmp_path)
    database.open()
    yield SqliteStorage(database, clock, timedelta(seconds=30))
    database.close()


def request(**headers: str) -> IncomingRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return IncomingRequest(method="GET", path="/", headers=named, query={}, path_params={})


async def keep(storage: SqliteStorage, key: ApiKey) -> None:
    await storage.write(lambda tx: tx.api_keys.insert(key))


def test_a_key_is_kept_as_its_hash_only() -> None:
    stored, text = new_key("alice", "ci", NOW, None)

    assert text.startswith(f"lgs_{stored.key_id}_")
    assert len(text) > 50
    assert stored.hash == hashlib.sha256(text.encode()).digest()
    assert text not in repr(stored)
    assert new_key("alice", "ci", NOW, None)[1] != text


async def test_a_key_opens_for_its_owner_until_it_is_revoked(
    storage: SqliteStorage, clock: ManualClock
) -> None:
    stored, text = new_key("alice", None, NOW, None)
    await keep(storage, stored)
    authenticator = ApiKeyAuthenticator(storage, clock, {})

    assert (await authenticator.authenticate(request(x_api_key=text))).identity == "alice"
    bearer = await authenticator.authenticate(request(authorization=f"Bearer {text}"))
    assert bearer.identity == "alice"

    assert await storage.write(lambda tx: tx.api_keys.revoke(stored.key_id, "2026"))
    assert not await storage.write(lambda tx: tx.api_keys.revoke(stored.key_id, "2027"))
    with pytest.raises(UnauthorizedError, match="not valid"):
        await authenticator.authenticate(request(x_api_key=text))


async def test_a_key_opens_nothing_after_its_time(
    storage: SqliteStorage, clock: ManualClock
) -> None:
    stored, text = new_key("alice", None, NOW, NOW + timedelta(days=1))
    await keep(storage, stored)
    authenticator = ApiKeyAuthenticator(storage, clock, {})

    clock.moment = NOW + timedelta(hours=23)
    assert (await authenticator.authenticate(request(x_api_key=text))).identity == "alice"
    clock.moment = NOW + timedelta(days=1)
    with pytest.raises(UnauthorizedError):
        await authenticator.authenticate(request(x_api_key=text))


async def test_the_id_of_a_key_does_not_open_anything_alone(
    storage: SqliteStorage, clock: ManualClock
) -> None:
    stored, text = new_key("alice", None, NOW, None)
    other, _ = new_key("bob", None, NOW, None)
    await keep(storage, stored)
    await keep(storage, replace(other, hash=b"x"))
    authenticator = ApiKeyAuthenticator(storage, clock, {"carol": "plain"})
    secret = text.rpartition("_")[2]

    for wrong in (
        f"lgs_{stored.key_id}_",
        f"lgs_{stored.key_id}",
        f"lgs_{other.key_id}_{secret}",
        text[:-1],
        text + "x",
        text.upper(),
        stored.hash.hex(),
        "lgs",
        "lgs__",
        "carol",
        "\udcff",
    ):
        with pytest.raises(UnauthorizedError):
            await authenticator.authenticate(request(x_api_key=wrong))


async def test_keys_of_the_config_open_too(storage: SqliteStorage, clock: ManualClock) -> None:
    authenticator = ApiKeyAuthenticator(storage, clock, {"alice": "a", "bob": "b"})

    assert (await authenticator.authenticate(request(x_api_key="b"))).identity == "bob"
    with pytest.raises(UnauthorizedError, match="Authentication is needed"):
        await authenticator.authenticate(request())
    with pytest.raises(UnauthorizedError, match="Authentication is needed"):
        await authenticator.authenticate(request(authorization="Basic YTpi"))


async def test_keys_are_listed_by_owner_newest_first(storage: SqliteStorage) -> None:
    first, _ = new_key("alice", "one", NOW, None)
    second, _ = new_key("alice", "two", NOW + timedelta(seconds=1), None)
    other, _ = new_key("bob", None, NOW, None)
    for key in (first, second, other):
        await keep(storage, key)

    assert await storage.read(lambda tx: tx.api_keys.search("alice")) == [second, first]
    assert len(await storage.read(lambda tx: tx.api_keys.search(None))) == 3
