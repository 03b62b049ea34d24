"""What becomes of a run whose process died, for those who wait for it at another one."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_sync_client

from tests.api.conftest import served

_SHORT = {"lgserve": {"lease_seconds": 0.5}}


@pytest.mark.parametrize("action", ["interrupt", "rollback"])
def test_who_waits_for_a_cancelled_run_of_a_dead_process_is_answered(
    tmp_path: Path, action: Any
) -> None:
    data = tmp_path / "data"
    with (
        served(tmp_path, config=_SHORT, data=str(data)) as url,
        get_sync_client(url=url, timeout=20) as client,
    ):
        thread = client.threads.create()
        run = client.runs.create(thread["thread_id"], "echo", input={"text": "x"}, after_seconds=99)
        _give_to_a_dead_process(data / "lgserve.db", run["run_id"])
        stream = client.runs.join_stream(thread["thread_id"], run["run_id"])
        client.runs.cancel(thread["thread_id"], run["run_id"], action=action)
        assert list(stream) == []  # it ends
        assert client.threads.get(thread["thread_id"])["status"] == "idle"


def _give_to_a_dead_process(database: Path, run_id: str) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute(
            "UPDATE runs SET status = 'running', owner = 'dead', attempt = 1, epoch = 1,"
            " lease_expires_at = strftime('%Y-%m-%dT%H:%M:%f', 'now', '+3 seconds') || '000+00:00'"
            " WHERE run_id = ?",
            (run_id,),
        )
