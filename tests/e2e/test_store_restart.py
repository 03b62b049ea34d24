"""Store items are there after a restart, and after a crash: with metadata, vectors and expiries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import ServerProcess, serving


def _put(client: httpx.Client, key: str, **more: Any) -> dict[str, Any]:
    body = {"namespace": "kept", "key": key, **more}
    response = client.put("/store/items", json=body)
    assert response.status_code == 200, response.text
    item: dict[str, Any] = response.json()
    return item


def _restart(server: ServerProcess, how: str) -> str:
    if how == "stop":
        assert server.stop() == 0
    else:
        server.kill()
    return server.start()


@pytest.mark.requirement("DURABLE-001")
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_acknowledged_items_survive(tmp_path: Path, how: str) -> None:
    with serving(tmp_path, name="memory") as server:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            items = [
                _put(client, "cat", value={"text": "cat"}, metadata={"user": "1"}, ttl=60),
                _put(client, "dog", value={"text": "dog"}, ttl=None),
            ]
            _put(client, "gone", value={"text": "cat"})
            client.delete("/store/items?namespace=kept&key=gone").raise_for_status()
        with httpx.Client(base_url=_restart(server, how), timeout=30) as client:
            body = {"namespace": "kept", "query": "cat"}
            found = client.post("/store/items/search", json=body).json()["items"]
            assert [item.pop("score") for item in found] == [1.0, 0.0]
            assert found == items
            assert client.get("/store/namespaces").json() == {"namespaces": [["kept"]]}
