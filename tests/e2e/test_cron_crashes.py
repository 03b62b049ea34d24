"""`kill -9` around firings, and two schedulers on one database: each moment is fired once."""

from __future__ import annotations

import asyncio
import itertools
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.api.cron_tools import EVERY_SECOND, create, fired, firings, moment, until
from tests.servers import ServerProcess, project

KILLS = 3
SECOND = timedelta(seconds=1)
#: Crons that two processes fire for a few seconds.
CRONS = 40
_SCHEDULERS = """
import asyncio, sys
from pathlib import Path
from tests.e2e.test_cron_crashes import run_scheduler
asyncio.run(run_scheduler(Path(sys.argv[1]), float(sys.argv[2])))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(folder=tmp_path, config=project(tmp_path), arguments=["--no-reload"])
    server.start()
    yield server
    if server.process is not None and server.process.poll() is None:
        server.kill()


def rows(database: Path, sql: str) -> list[tuple[str, ...]]:
    with sqlite3.connect(database, timeout=10) as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


def test_a_firing_and_its_run_survive_together_or_not_at_all(
    server: ServerProcess, tmp_path: Path
) -> None:
    rng = random.Random(7)
    with httpx.Client(base_url=server.url) as http:
        crons = [
            create(http, schedule=EVERY_SECOND, on_run_completed="keep", metadata={"cron": n})
            for n in range(10)
        ]
        fired(http, crons[0])
    gaps = []
    for _ in range(KILLS):
        until(lambda: time.time() % 1 < 0.02)  # a second begins: all ten are being fired
        time.sleep(rng.uniform(0, 0.03))
        gone = datetime.now(UTC)
        server.kill()
        server.start()
        with httpx.Client(base_url=server.url) as http:
            back = until(partial(_fired_since, http, crons, gone))
            gaps.append((gone, back))
    server.kill()

    database = tmp_path / "data" / "lgserve.db"
    noted = rows(database, "SELECT cron_id, due_at, run_id FROM cron_firings"
                           " WHERE outcome = 'fired'")  # fmt: skip
    runs = rows(database, "SELECT run_id FROM runs")
    assert sorted(run_id for _, _, run_id in noted) == sorted(run_id for (run_id,) in runs)
    assert len({(cron_id, due_at) for cron_id, due_at, _ in noted}) == len(noted)
    for cron in crons:
        dues = sorted(moment(due) for cron_id, due, _ in noted if cron_id == cron["cron_id"])
        for earlier, later in itertools.pairwise(dues):
            was_gone = any(gone - SECOND <= later and earlier <= back for gone, back in gaps)
            assert later - earlier == SECOND or was_gone


def _fired_since(
    http: httpx.Client, crons: list[dict[str, object]], then: datetime
) -> datetime | None:
    newest = [firings(http, cron, limit=1)[0] for cron in crons]
    fired_at = [moment(each["fired_at"]) for each in newest if each["outcome"] == "fired"]
    late = len(fired_at) == len(crons) and min(fired_at) > then
    return max(fired_at) if late else None


def test_two_processes_on_one_database_fire_each_moment_once(
    server: ServerProcess, tmp_path: Path
) -> None:
    with httpx.Client(base_url=server.url) as http:
        for n in range(CRONS):
            create(http, schedule=EVERY_SECOND, on_run_completed="keep", metadata={"cron": n})
    server.kill()
    database = tmp_path / "data" / "lgserve.db"
    with sqlite3.connect(database, timeout=10) as connection:
        connection.execute("DELETE FROM cron_firings")
        connection.execute("DELETE FROM runs")
    connection.close()

    command = [sys.executable, "-c", _SCHEDULERS, str(tmp_path / "data"), "4"]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]

    noted = rows(database, "SELECT cron_id, due_at, run_id FROM cron_firings"
                           " WHERE outcome = 'fired'")  # fmt: skip
    runs = rows(database, "SELECT run_id FROM runs")
    assert len(noted) >= CRONS * 2
    assert sorted(run_id for _, _, run_id in noted) == sorted(run_id for (run_id,) in runs)
    by_cron: dict[str, list[datetime]] = {}
    for cron_id, due, _ in noted:
        by_cron.setdefault(cron_id, []).append(moment(due))
    for dues in map(sorted, by_cron.values()):
        assert dues == [dues[0] + n * SECOND for n in range(len(dues))]


async def run_scheduler(data: Path, seconds: float) -> None:
    """Fire crons of a database for a while, in a process that executes no run."""
    from tests.e2e.cron_schedulers import scheduler_on

    async with scheduler_on(data) as scheduler:
        scheduler.start()
        await asyncio.sleep(seconds)
        await scheduler.stop()
