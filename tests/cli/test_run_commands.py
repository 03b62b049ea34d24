"""`lgserve runs join|tail|why|replay|delete`."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Lgserve


def started(real: Lgserve, graph: str, given: Any, *more: str) -> dict[str, Any]:
    return dict(
        real("runs", "start", "-a", graph, "-i", json.dumps(given), "--background", "-o", "json",
             *more).json
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_goes_on(real: Lgserve) -> Iterator[None]:
    yield
    real("runs", "cancel", "--status", "all", "-q")


def test_join_waits_for_the_result(real: Lgserve) -> None:
    run = started(real, "slow", {"seconds": 0.2})
    result = real("runs", "join", run["run_id"])
    assert (result.status, result.json["seconds"]) == (0, 0.2)
    assert f"run {run['run_id']}   success" in result.err


def test_join_says_by_its_exit_status_how_the_run_ended(real: Lgserve) -> None:
    run = started(real, "boom", {"text": "x"})
    assert real("runs", "join", run["run_id"]).status == 0
    failed = real("runs", "join", run["run_id"], "--exit-status", "-o", "json")
    assert failed.status == 8
    assert json.loads(failed.err.splitlines()[-1])["error"]["code"] == "E_RUN_FAILED"


def test_why_names_the_time_a_run_is_due(real: Lgserve) -> None:
    run = started(real, "echo", {"text": "x"}, "--after", "600s")
    found = real("runs", "why", run["run_id"], "-o", "json").json
    assert [reason["code"] for reason in found["reasons"]] == ["due"]
    assert re.search(r"due in (10 m 0|9 m \d+) s", found["reasons"][0]["message"])


def test_why_names_the_run_that_is_before_it_on_its_thread(real: Lgserve) -> None:
    first = started(real, "slow", {"seconds": 30})
    second = started(real, "echo", {"text": "x"}, "--thread", first["thread_id"])
    third = started(real, "echo", {"text": "x"}, "--thread", first["thread_id"])
    found = real("runs", "why", second["run_id"], "-o", "json").json
    assert [reason["run_id"] for reason in found["reasons"]] == [first["run_id"]]
    found = real("runs", "why", third["run_id"], "-o", "json").json
    assert [reason["run_id"] for reason in found["reasons"]] == [first["run_id"], second["run_id"]]
    assert "is running on its thread" in real("runs", "why", second["run_id"]).out


def test_why_says_of_a_run_that_has_ended_how(real: Lgserve) -> None:
    run = started(real, "echo", {"text": "x"})
    real("runs", "join", run["run_id"])
    assert "it ended as success" in real("runs", "why", "@last").out


def test_tail_follows_a_run_to_its_end_with_what_it_says(real: Lgserve) -> None:
    run = started(real, "slow", {"seconds": 0.5})
    result = real("runs", "tail", run["run_id"], "--events", "-n", "50ms", "-o", "jsonl")
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert lines[-1]["status"] == "success"
    assert {line["run_id"] for line in lines} == {run["run_id"]}
    assert [line["event"] for line in lines if line["type"] == "event"][-1] == "values"


def test_tail_of_a_thread_and_of_the_server_tell_what_begins_and_ends(real: Lgserve) -> None:
    first = started(real, "slow", {"seconds": 0.6})
    result = real("runs", "tail", "--thread", first["thread_id"], "-n", "50ms", "--count", "2",
                  "--for", "20s", "-o", "json").json  # fmt: skip
    assert [line["status"] for line in result] == ["running", "success"]
    second = started(real, "slow", {"seconds": 0.6})
    lines = real("runs", "tail", "--graph", "slow", "-n", "50ms", "--count", "2", "--for", "20s",
                 "-o", "json").json  # fmt: skip
    assert [(line["run_id"], line["status"]) for line in lines] == [
        (second["run_id"], "running"), (second["run_id"], "success"),
    ]  # fmt: skip


def test_tail_writes_lines_for_a_pipe(real: Lgserve) -> None:
    run = started(real, "echo", {"text": "x"})
    real("runs", "join", run["run_id"])
    (line,) = real("runs", "tail", run["run_id"]).table
    assert line[1:5] == [run["run_id"], "echo", run["thread_id"], "success"]
    assert real("runs", "tail", "--for", "100ms", "-n", "50ms").status == 0


def test_tail_sees_a_run_that_begins_while_it_looks(real: Lgserve, server: Any) -> None:
    import urllib.request

    def start() -> None:
        body = json.dumps({"assistant_id": "slow", "input": {"seconds": 0.3}}).encode()
        asked = urllib.request.Request(
            f"{server.url}/runs", body, {"content-type": "application/json"}
        )
        urllib.request.urlopen(asked).close()

    timer = threading.Timer(0.3, start)
    timer.start()
    lines = real("runs", "tail", "-n", "50ms", "--count", "1", "--for", "20s", "-o", "json").json
    timer.join()
    assert [line["graph"] for line in lines] == ["slow"]


def test_replay_comes_to_the_same_values_in_a_thread_of_its_own(real: Lgserve) -> None:
    run = started(real, "echo", {"text": "x"})
    real("runs", "join", run["run_id"])
    again = started(real, "echo", {"text": "y"}, "--thread", run["thread_id"])
    real("runs", "join", again["run_id"])
    before = len(real("threads", "list", "--all", "-o", "json").json)
    replayed = real("runs", "replay", again["run_id"], "--diff", "-o", "json").json
    assert (replayed["same"], replayed["changes"]) == (True, [])
    assert real("runs", "replay", run["run_id"]).json["log"] == ["a:x", "b"]
    assert len(real("threads", "list", "--all", "-o", "json").json) == before


def test_replay_shows_what_comes_out_differently(real: Lgserve) -> None:
    run = started(real, "flaky", {"text": "x"})
    real("runs", "join", run["run_id"])
    result = real("runs", "replay", run["run_id"], "--diff", "--keep", "-o", "json")
    assert result.status == 0
    assert result.json["thread_id"] is not None


def test_a_run_that_goes_on_is_not_replayed(real: Lgserve) -> None:
    run = started(real, "slow", {"seconds": 30})
    result = real("runs", "replay", run["run_id"], "-o", "json")
    assert (result.status, result.out) == (6, "")


def test_delete_takes_a_run_with_its_checkpoints(real: Lgserve) -> None:
    run = started(real, "echo", {"text": "x"})
    real("runs", "join", run["run_id"])
    dry = real("runs", "delete", run["run_id"], "--dry-run", "-o", "id")
    assert dry.out == f"{run['run_id']}\n"
    refused = real("runs", "delete", run["run_id"], stdin="")
    assert (refused.status, refused.out) == (2, "")
    assert real("runs", "delete", run["run_id"], "--yes", "-o", "id").out == f"{run['run_id']}\n"
    assert real("runs", "show", run["run_id"]).status == 5
    assert real("threads", "history", run["thread_id"], "-o", "json").json == []
