"""Edits while the server is used: nothing fails, nothing is lost, what is broken is not served."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.reloading import (
    SECONDS,
    Line,
    Prober,
    Project,
    Reader,
    all_ticks,
    await_children,
    await_ends,
    children_of,
    reloading,
    stream,
    ticks_of,
)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with reloading(tmp_path) as found:
        yield found


@pytest.fixture
def hurried(tmp_path: Path) -> Iterator[Project]:
    """A server whose runs have next to no grace."""
    with reloading(tmp_path, "--grace", "0.3s") as found:
        yield found


def test_a_file_saved_during_a_stream_loses_no_event_and_fails_no_request(
    project: Project,
) -> None:
    with Prober(project.url).asking() as prober:
        reader = stream(project, input={"ticks": 80})
        assert reader.begun.wait(SECONDS)
        saved = project.edit('"one"', '"two"')
        answered = project.await_version("two")
        events = reader.end()
    assert ticks_of(events) == all_ticks(80)
    assert [name for name, _ in events if name == "error"] == []
    assert events[-1][1]["log"] == ["a:one", "b:one", "c:one"]
    assert prober.failures == []
    assert prober.asked > 10
    assert answered - saved < 5  # the bar is measured by tests/benchmarks/bars.py


def test_a_connection_that_is_kept_goes_over_to_the_new_code(project: Project) -> None:
    with httpx.Client(base_url=project.url, timeout=SECONDS) as client:
        client.get("/ok")
        project.edit('"one"', '"two"')
        project.await_event("server.reloaded")
        body = {"assistant_id": "steps", "input": {}}
        deadline = time.monotonic() + SECONDS
        while client.post("/runs/wait", json=body).json()["version"] != "two":
            assert time.monotonic() < deadline


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_connection_over_which_bodies_came_is_not_closed_by_the_old_code(
    project: Project, pieces: int
) -> None:
    with Line(project.url) as line:
        assert line.ask("POST", "/threads", {"metadata": {"a": "b" * 999}}, pieces)[0] == 200
        assert line.ask("POST", "/runs/wait", {"assistant_id": "steps", "input": {}})[0] == 200
        for version in ("two", "three"):
            before = project.children()
            project.edit(project.version_line(), f'VERSION = "{version}"')
            project.await_version(version)
            await_ends(*before)
            status, body = line.ask(
                "POST", "/runs/wait", {"assistant_id": "steps", "input": {}}, pieces
            )
            assert (status, json.loads(body)["version"]) == (200, version)


def test_an_answer_that_is_read_slowly_is_whole(project: Project) -> None:
    text = "x" * 8_000_000  # more than the system keeps for a client that does not read
    thread = project.post("/threads", metadata={"text": text})["thread_id"]
    with Line(project.url, narrow=True) as line:
        line.send("GET", f"/threads/{thread}")
        assert line.status() == 200
        project.edit('"one"', '"two"')
        project.await_version("two")
        project.edit('"two"', '"three"')
        project.await_version("three")
        assert json.loads(line.body())["metadata"]["text"] == text


def test_a_run_nobody_waits_for_goes_on_in_the_new_code(project: Project) -> None:
    thread = project.thread()
    run = project.post(f"/threads/{thread}/runs", input={"ticks": 100})
    project.edit('"one"', '"two"')
    project.await_version("two")
    joined = project.get(f"/threads/{thread}/runs/{run['run_id']}/join")
    assert joined["log"] == ["a:one", "b:two", "c:two"]
    found = project.get(f"/threads/{thread}/runs/{run['run_id']}")
    assert found["status"] == "success"


def test_a_stream_that_outlives_the_grace_goes_on_in_the_new_code(hurried: Project) -> None:
    thread = hurried.thread()
    reader = stream(hurried, f"/threads/{thread}/runs/stream", input={"ticks": 100})
    assert reader.begun.wait(SECONDS)
    hurried.edit('"one"', '"two"')
    events = reader.end()
    assert ticks_of(events) == all_ticks(100)
    assert events[-1][1]["log"] == ["a:one", "b:two", "c:two"]
    assert [name for name, _ in events if name != "custom"] == ["metadata", *["values"] * 4]


def test_a_run_that_waits_behind_another_one_is_streamed_from_the_new_code(
    project: Project,
) -> None:
    thread = project.thread()
    path = f"/threads/{thread}/runs/stream"
    first = stream(project, path, input={"ticks": 50})
    assert first.begun.wait(SECONDS)
    second = stream(project, path, input={"ticks": 50})
    while len(project.get(f"/threads/{thread}/runs")) < 2:
        pass
    project.edit('"one"', '"two"')
    assert ticks_of(first.end()) == all_ticks(50)
    events = second.end()
    assert ticks_of(events) == all_ticks(50)
    assert events[-1][1]["log"][-3:] == ["a:two", "b:two", "c:two"]


def test_a_run_of_the_old_code_is_joined_and_cancelled_in_the_new_one(project: Project) -> None:
    thread = project.thread()
    reader = stream(project, f"/threads/{thread}/runs/stream", input={"ticks": 300})
    assert reader.begun.wait(SECONDS)
    project.edit('"one"', '"two"')
    project.await_version("two")
    run_id = project.get(f"/threads/{thread}/runs")[0]["run_id"]
    path = f"/threads/{thread}/runs/{run_id}"
    joined = Reader(project.url, f"{path}/stream", None).start()
    assert joined.begun.wait(SECONDS)
    answer = httpx.post(f"{project.url}{path}/cancel?wait=true", timeout=SECONDS)
    assert answer.status_code == 200
    assert project.get(path)["status"] == "interrupted"
    told = ticks_of(reader.end())
    assert told == all_ticks(300)[: len(told)]
    assert len(told) < 900
    assert set(ticks_of(joined.end())) <= set(told)


def test_the_result_of_a_run_of_the_old_code_is_had_from_the_new_one(project: Project) -> None:
    run = project.post("/runs", input={"ticks": 200})
    project.edit('"one"', '"two"')
    project.await_version("two")
    joined = project.get(f"/runs/{run['run_id']}/join")
    assert joined["log"] == ["a:one", "b:one", "c:one"]  # without a thread it cannot move


def test_code_that_does_not_load_is_told_and_not_served(project: Project) -> None:
    good = project.read("steps.py")
    saved = project.write("steps.py", good + "\nbroken = (\n")
    told = project.await_event("server.not_reloaded")[0]
    assert time.monotonic() - saved < 5
    line = len(good.splitlines()) + 2
    assert told["error"] == f"steps: SyntaxError: '(' was never closed (steps.py, line {line})"
    assert project.version() == "one"
    error = project.get("/info")["reload_error"]
    assert error["graphs"]["steps"]["frames"][-1]["line"] == line
    project.write("steps.py", good.replace('"one"', '"mended"'))
    project.await_version("mended")
    assert project.get("/info")["reload_error"] is None


def test_a_config_that_is_wrong_is_told_and_not_served(project: Project) -> None:
    good = project.read("langgraph.json")
    project.write("langgraph.json", good.replace("graphs", "grafs"))
    project.await_event("server.not_reloaded")
    assert "grafs" in project.get("/info")["reload_error"]["message"]
    project.write("langgraph.json", good.replace("steps.py:graph", "steps.py:builder"))
    project.await_event("server.reloaded")
    assert project.get("/info")["reload_error"] is None


def test_a_change_of_the_env_file_is_taken_up(project: Project) -> None:
    assert project.post("/runs/wait", input={})["word"] == "hello"
    project.write(".env", "WORD=world\n")
    project.await_event("server.reloaded")
    deadline = time.monotonic() + SECONDS
    while project.post("/runs/wait", input={})["word"] != "world":
        assert time.monotonic() < deadline


def test_a_module_that_others_import_is_taken_up(project: Project) -> None:
    project.write("words.py", "WORD = 'first'\n")
    project.edit("import asyncio", "import asyncio\nimport words")
    project.edit('VERSION = "one"', "VERSION = words.WORD")
    project.await_version("first")
    project.write("words.py", "WORD = 'second'\n")
    project.await_version("second")


def test_processes_that_have_retired_leave(project: Project) -> None:
    for number in range(3):
        before = project.children()
        project.edit(project.read("steps.py"), project.read("steps.py") + f"\n# {number}\n")
        project.await_event("server.reloaded", number + 1)
        await_ends(*before)
    await_ends(*project.children()[:-1])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nobody_is_left_when_the_parent_ends(project: Project, number: signal.Signals) -> None:
    reader = stream(project, input={"ticks": 300})
    assert reader.begun.wait(SECONDS)
    project.edit('"one"', '"two"')
    project.await_version("two")
    assert project.server.process is not None
    left = [*children_of(project.server.process.pid), *project.children()]
    assert len(left) >= 3
    os.kill(project.server.process.pid, number)
    project.server.process.wait(SECONDS)
    await_ends(*left)


def test_who_follows_a_thread_comes_back_when_nothing_of_it_happens_here(project: Project) -> None:
    thread = project.thread()
    path = f"/threads/{thread}/runs/stream"
    follower = Reader(project.url, f"/threads/{thread}/stream", None).start()
    assert follower.connected.wait(SECONDS)
    first = stream(project, path, input={"ticks": 50})
    assert follower.begun.wait(SECONDS)
    project.edit('"one"', '"two"')
    assert ticks_of(first.end()) == all_ticks(50)
    follower.thread_end()
    assert ticks_of(follower.events) == all_ticks(50)


def test_a_module_that_starts_a_thread_is_not_imported_beforehand(tmp_path: Path) -> None:
    library = tmp_path / "site-packages"
    library.mkdir()
    (library / "harmless.py").touch()
    (library / "thready.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    path = os.pathsep.join([str(library), os.environ.get("PYTHONPATH", "")])
    with reloading(tmp_path, PYTHONPATH=path) as project:
        assert project.server.process is not None
        parent = project.server.process.pid
        before = children_of(parent)
        project.edit("import asyncio", "import asyncio\nimport thready\nimport harmless")
        project.await_event("server.reloaded")
        await_children(parent, 2)  # one to fork those to come, one that had a thread in it
        project.edit('"one"', '"two"')
        project.await_version("two")
        await_ends(*before)  # with the last child it had
        fork_server = children_of(parent)[-1]
        assert len(list(Path(f"/proc/{fork_server}/task").iterdir())) == 1
        assert project.told("server.died") == []
