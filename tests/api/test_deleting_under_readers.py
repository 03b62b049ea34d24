"""Who reads or waits for a run is told when it is deleted: nothing looks like a success."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

_GONE = {"error": "HTTPException", "message": "404: Run not found"}


@pytest.fixture
def http(server_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server_url, timeout=20) as client:
        yield client


@pytest.mark.parametrize("what", ["run", "thread"])
def test_a_deleted_run_is_no_success(http: httpx.Client, what: str) -> None:
    path = f"/threads/{http.post('/threads', json={}).json()['thread_id']}"
    body: dict[str, Any] = {"assistant_id": "slow", "input": {"seconds": 30}}
    run = f"{path}/runs/{http.post(f'{path}/runs', json=body).json()['run_id']}"
    # Who reads or joins has headers while the run goes on: from here on both are known to wait.
    with http.stream("GET", f"{run}/stream") as stream, http.stream("GET", f"{run}/join") as join:
        assert http.delete(run if what == "run" else path).status_code == 204
        assert stream.read().endswith(b'"message":"404: Run not found"}\r\n\r\n')
        assert json.loads(join.read()) == {"__error__": _GONE}


def test_a_run_that_waits_for_its_thread_goes_with_it(http: httpx.Client) -> None:
    path = f"/threads/{http.post('/threads', json={}).json()['thread_id']}"
    body: dict[str, Any] = {"assistant_id": "slow", "input": {"seconds": 30}}
    http.post(f"{path}/runs", json=body)
    with http.stream("POST", f"{path}/runs/stream", json=body) as sse:
        run_id = http.get(f"{path}/runs").json()[0]["run_id"]
        with http.stream("GET", f"{path}/runs/{run_id}/join") as join:
            assert http.delete(path).status_code == 204
            assert b'event: error\r\ndata: {"error":"HTTPException"' in sse.read()
            assert json.loads(join.read()) == {"__error__": _GONE}
