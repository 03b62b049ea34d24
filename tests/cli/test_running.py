"""`lgserve runs start|stream|cancel` and `lgserve threads state|history|…` on a real server."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lgserve as package

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve
    from tests.servers import ServerProcess

ROOT = Path(package.__file__).parent.parent

ECHO = ("runs", "start", "-a", "echo")


def new_thread(real: Lgserve) -> str:
    return real("threads", "create", "-o", "id").out.strip()


def test_a_run_is_waited_for(real: Lgserve) -> None:
    result = real(*ECHO, "-i", '{"text": "hi"}')
    assert result.json == {"text": "hi", "log": ["a:hi", "b"], "n": 2}
    assert "   success   " in result.err
    assert "   thread " in result.err


def test_an_input_without_members_is_an_input(real: Lgserve) -> None:
    given = ("-i", "{}", "--background", "-o", "json")
    run = real("runs", "start", "-a", "slow", *given).json
    assert run["kwargs"]["input"] == {}
    real("runs", "cancel", run["run_id"], "-q")


def test_a_run_on_a_thread_adds_to_its_state(real: Lgserve) -> None:
    thread = new_thread(real)
    for text in ("one", "two"):
        real(*ECHO, "-t", thread, "-i", json.dumps({"text": text}), "-q")
    state = real("threads", "state", thread, "-o", "json").json
    assert state["values"]["log"] == ["a:one", "b", "a:two", "b"]
    assert real("threads", "state", thread, "--key", "log[2]", "--raw").out == "a:two\n"
    assert dict(real("threads", "state", thread).table)["values.text"] == '"two"'


def test_history_is_listed_page_by_page_and_leads_back(real: Lgserve) -> None:
    thread = new_thread(real)
    real(*ECHO, "-t", thread, "-i", '{"text": "x"}', "-q")
    head, *rows = real("threads", "history", thread).table
    assert head == ["CHECKPOINT", "STEP", "SOURCE", "NEXT", "WROTE", "SIZE", "CREATED"]
    assert [row[1:5] for row in rows] == [
        ["2", "loop", "", ""],
        ["1", "loop", "b", "log, n"],
        ["0", "loop", "a", "log, n"],
        ["-1", "input", "__start__", "text"],
    ]
    older = real("threads", "history", thread, "--before", rows[1][0], "-o", "json").json
    assert [state["metadata"]["step"] for state in older] == [0, -1]
    first = real("threads", "state", thread, "--checkpoint", rows[1][0], "-o", "json").json
    assert first["values"]["log"] == ["a:x"]
    cut = rows[1][0][:-6]  # as a terminal shows it
    assert real("threads", "state", thread, "--checkpoint", cut, "-o", "json").json == first
    nothing = real("threads", "state", thread, "--checkpoint", "ffffffff")
    assert (nothing.status, nothing.out) == (5, "")
    more = real("threads", "history", thread, "--limit", "1")
    assert f"--before {rows[0][0]}" in more.err
    only = real("threads", "history", thread, "--metadata", "source=input", "-o", "json").json
    assert len(only) == 1


def test_an_interrupt_is_told_and_answered(real: Lgserve) -> None:
    thread = new_thread(real)
    asked = real("runs", "start", "-a", "ask", "-t", thread, "-i", '{"q": "name?"}')
    assert 'waits for: {"question": "name?"}' in asked.err
    assert f"answer: lgserve runs start -a ask -t {thread} --resume '…'" in asked.err
    answered = real("runs", "start", "-a", "ask", "-t", thread, "--resume", "Ada")
    assert "Ada" in json.dumps(answered.json)


def test_one_of_several_questions_is_answered_by_name(real: Lgserve) -> None:
    asked = real("runs", "start", "-a", "fan", "-i", '{"items": ["a", "b"]}')
    ids = [item["id"] for item in asked.json["__interrupt__"]]
    (answer,) = [line for line in asked.err.splitlines() if line.startswith("answer: ")]
    thread = real("threads", "list", "--limit", "1", "--sort", "created_at", "-o", "id").out.strip()
    assert answer == f"answer: lgserve threads resume {thread} --interrupt {ids[0]} --value '…'"
    assert real("threads", "interrupts", thread).err == f"{answer}\n"
    words = shlex.split(answer.removeprefix("answer: lgserve "))
    assert real(*words, "-q").json["__interrupt__"][0]["id"] == ids[1]


def test_ctrl_c_says_that_the_run_goes_on(real: Lgserve, server: ServerProcess) -> None:
    thread = new_thread(real)
    waiting = subprocess.Popen(
        [
            sys.executable, "-m", "lgserve", "runs", "start", "-a", "slow", "-t", thread,
            "-i", '{"seconds": 600}', "--stream", "custom",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LGSERVE_URL": server.url},
    )  # fmt: skip
    assert waiting.stdout is not None
    assert "tick" in waiting.stdout.readline()
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=300)
    (run,) = real("runs", "list", "-t", thread, "-o", "json").json
    assert (waiting.returncode, run["status"]) == (130, "running")
    stop = f"stop it: lgserve runs cancel {run['run_id']}"
    assert said == f"the run goes on: lgserve runs join {run['run_id']} · {stop}\n"
    assert real("runs", "cancel", run["run_id"], "-t", thread, "-q").status == 0


def test_events_are_shown_as_they_come(real: Lgserve) -> None:
    result = real(*ECHO, "-i", '{"text": "x"}', "--stream", "updates")
    assert result.table == [
        ["updates", '{"a": {"log": ["a:x"], "n": 1}}'],
        ["updates", '{"b": {"log": ["b"], "n": 2}}'],
    ]


@pytest.mark.parametrize("mode", ["messages", "messages-tuple"])
def test_a_chat_is_text(real: Lgserve, mode: str) -> None:
    result = real("runs", "start", "-a", "chat", "--message", "hello", "--stream", mode)
    assert result.out == "hello hello\n"


def test_a_run_in_the_background_can_be_followed_later(real: Lgserve) -> None:
    run = real(*ECHO, "-i", '{"text": "x"}', "--background", "--stream", "updates", "-o", "json")
    assert run.json["status"] == "pending"
    events = real("runs", "stream", run.json["run_id"][:18], "-o", "json").json
    assert [item["event"] for item in events] == ["metadata", "updates", "updates"]
    rest = real("runs", "stream", run.json["run_id"], "--last-event-id", events[1]["id"])
    assert rest.table == [["updates", '{"b": {"log": ["b"], "n": 2}}']]


def test_a_bad_end_is_an_exit_status_on_request(real: Lgserve) -> None:
    boom = ("runs", "start", "-a", "boom", "-i", '{"text": "x"}')
    assert real(*boom).status == 0
    failed = real(*boom, "--exit-status", "-o", "json")
    assert failed.status == 8
    error = json.loads(failed.err)["error"]
    assert error["code"] == "E_RUN_FAILED"
    assert error["message"].endswith("ended as error (ValueError: boom: x)")
    streamed = real(*boom, "--stream", "values", "--exit-status")
    assert streamed.status == 8
    assert (
        real("runs", "start", "-a", "boom", "-i", "{}", "--stateless", "--exit-status").status == 8
    )


def test_nothing_is_kept_of_a_stateless_run(real: Lgserve) -> None:
    count = len(real("threads", "list", "--all", "-o", "id").out.splitlines())
    assert real(*ECHO, "-i", '{"text": "x"}', "--stateless").json["n"] == 2
    assert real(*ECHO, "-i", '{"text": "x"}', "--stateless", "--stream", "values").status == 0
    assert len(real("threads", "list", "--all", "-o", "id").out.splitlines()) == count


def test_input_comes_from_standard_input_too(real: Lgserve) -> None:
    assert real(*ECHO, "-i", "-", stdin='{"text": "piped"}').json["text"] == "piped"


def test_all_runs_of_a_thread_are_cancelled(real: Lgserve) -> None:
    thread = new_thread(real)
    slow = ("runs", "start", "-a", "slow", "-t", thread, "-i", '{"seconds": 30}', "--background")
    runs = {real(*slow, "-o", "id").out.strip() for _ in range(2)}
    cancelled = real("runs", "cancel", "--thread", thread, "--wait", "-o", "json").json
    assert {row["run_id"] for row in cancelled} == runs
    again = real("runs", "cancel", "--thread", thread)
    assert (again.status, again.out) == (5, "")


@pytest.mark.parametrize(
    "options",
    [
        ["-t", "00000000-0000-4000-8000-000000000000", "--stateless"],
        ["--background", "--exit-status"],
        ["-i", "{}", "--message", "x"],
        ["-i", "{"],
        ["--after", "soon"],
    ],
)
def test_contradictions_are_wrong_usage(real: Lgserve, options: list[str]) -> None:
    result = real(*ECHO, *options)
    assert (result.status, result.out) == (2, "")


def test_an_assistant_is_found_by_graph_id_or_prefix(real: Lgserve) -> None:
    by_graph = real("assistants", "show", "echo", "-o", "json").json
    assert by_graph["graph_id"] == "echo"
    by_prefix = real("assistants", "show", by_graph["assistant_id"][:8], "-o", "json").json
    assert by_prefix == by_graph
    listed = real("assistants", "list", "--graph", "echo", "--all")
    assert [by_graph["assistant_id"], "echo", "echo"] in [row[:3] for row in listed.table]
    shown = len(listed.table) - 1
    assert listed.err == f"{shown} of {shown}\n"


def test_several_threads_are_deleted_and_the_missing_are_named(real: Lgserve) -> None:
    there, missing = new_thread(real), "00000000-0000-4000-8000-000000000000"
    tried = real("threads", "delete", there, missing, "--dry-run", "--ignore-missing")
    assert (tried.status, tried.table) == (0, [["DELETED"], [there]])
    assert tried.err == "--dry-run: 1 would be deleted\n"
    result = real("threads", "delete", there, missing, "--yes")
    assert (result.status, result.table) == (5, [["DELETED"], [there]])
    assert f"Thread with ID {missing} not found" in result.err
    again = real("threads", "delete", there, missing, "--yes", "--ignore-missing", "-o", "json")
    assert (again.status, again.json) == (0, [])


def test_a_thread_is_made_with_id_and_metadata(real: Lgserve) -> None:
    thread_id = "11111111-2222-4333-8444-555555555555"
    made = ("threads", "create", "--id", thread_id, "--metadata", "user=1", "--graph", "echo")
    assert real(*made, "-o", "json").json["metadata"] == {"user": "1", "graph_id": "echo"}
    assert real(*made, "--if-exists", "do_nothing", "-o", "id").out == f"{thread_id}\n"
    real("threads", "delete", thread_id, "--yes")
