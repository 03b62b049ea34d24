"""`kill -9` between a run's end and the delivery of its webhook: it arrives, always with one id."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.receivers import eventually, receiver
from tests.servers import ServerProcess, project


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    found = ServerProcess(folder=tmp_path, config=project(tmp_path), arguments=["--no-reload"])
    found.start()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.kill()


def created(server: ServerProcess, url: str, count: int = 1) -> list[str]:
    body = {"assistant_id": "echo", "input": {"text": "x"}, "webhook": url}
    with httpx.Client(base_url=server.url, timeout=30) as http:
        answer = http.post("/runs/batch", json=[body] * count)
        assert answer.status_code == 200, answer.text
        return [run["run_id"] for run in answer.json()]


def begin_slow_run(server: ServerProcess, url: str, seconds: int) -> str:
    """Create a run and return its id once it executes."""
    body = {
        "assistant_id": "slow",
        "input": {"seconds": seconds, "ticks": 10 * seconds},
        "webhook": url,
    }
    with httpx.Client(base_url=server.url, timeout=30) as http:
        run_id: str = http.post("/runs", json=body).json()["run_id"]
        eventually(lambda: http.get(f"/runs/{run_id}").json()["status"] == "running")
        return run_id


def test_a_kill_between_the_end_and_the_delivery_loses_nothing(server: ServerProcess) -> None:
    with receiver() as reserved:
        url = reserved.url  # nobody listens there when the runs end
    runs = created(server, url, 20)
    with httpx.Client(base_url=server.url, timeout=30) as http:
        eventually(lambda: int(http.get("/webhooks").headers["x-pagination-total"]) == 20)
    server.kill()
    with receiver(port=int(url.rpartition(":")[2])) as hook:
        server.start()
        eventually(lambda: {came.json["run_id"] for came in hook.wait_for(20)} == set(runs))
        ids = {
            came.json["run_id"]: {
                c.id for c in hook.received if c.json["run_id"] == came.json["run_id"]
            }
            for came in hook.received
        }
        assert all(len(found) == 1 for found in ids.values())
        assert len({next(iter(found)) for found in ids.values()}) == 20


def test_a_kill_during_the_delivery_repeats_it_with_the_same_id(server: ServerProcess) -> None:
    answer = threading.Event()
    with receiver() as hook:
        hook.before = lambda: answer.wait(20)
        (run_id,) = created(server, hook.url)
        hook.wait_for(1)
        server.kill()
        answer.set()
        server.start()
        first, second = hook.wait_for(2)
        assert first.id == second.id
        assert first.json["run_id"] == second.json["run_id"] == run_id
        with httpx.Client(base_url=server.url, timeout=30) as http:
            shown = eventually(
                lambda: (
                    (one := http.get(f"/webhooks/{first.id}").json())["status"] == "delivered"
                    and one
                )
            )
        assert shown["attempts"] == 2
        assert len(hook.received) == 2


def test_a_run_that_is_given_up_after_a_kill_is_told(server: ServerProcess) -> None:
    server.environment["LGSERVE_MAX_ATTEMPTS"] = "1"
    with receiver() as hook:
        run_id = begin_slow_run(server, hook.url, seconds=30)
        server.kill()
        server.start()
        told = hook.wait_for(1)[0].json
        assert (told["run_id"], told["status"]) == (run_id, "error")
        assert told["error"]["error"] == "WorkerLostError"


def test_a_run_that_the_kill_interrupted_tells_its_end_once(server: ServerProcess) -> None:
    with receiver() as hook:
        begin_slow_run(server, hook.url, seconds=2)
        server.kill()
        assert hook.received == []
        server.start()
        assert hook.wait_for(1)[0].json["status"] == "success"
        with httpx.Client(base_url=server.url, timeout=30) as http:
            assert http.get("/webhooks").headers["x-pagination-total"] == "1"
