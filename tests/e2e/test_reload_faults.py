"""Edits when something goes wrong: processes are killed, code hangs, the config is gone."""

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
    Prober,
    Project,
    all_ticks,
    await_ends,
    children_of,
    reloading,
    stream,
    ticks_of,
)

#: Loads for as long as the file is there, and says who does.
HANGS = """
import pathlib, time
_here = pathlib.Path(__file__).parent
(_here / "loading").write_text(str(__import__("os").getpid()))
while (_here / "hang").exists():
    time.sleep(0.01)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with reloading(tmp_path, "--grace", "30s") as found:
        yield found


def hang(project: Project) -> int:
    """Save code that hangs as it is loaded; return the process that loads it."""
    (project.folder / "hang").touch()
    project.write("steps.py", project.read("steps.py") + HANGS)
    file = project.folder / "loading"
    deadline = time.monotonic() + SECONDS
    while not file.exists() or not file.read_text():
        assert time.monotonic() < deadline, project.server.log
        time.sleep(0.01)
    return int(file.read_text())


def mend(project: Project, version: str) -> None:
    """Save code that is right again."""
    good = project.read("steps.py").removesuffix(HANGS)
    project.write("steps.py", good.replace(project.version_line(), f'VERSION = "{version}"'))
    project.await_version(version)


def test_a_process_that_is_killed_as_it_retires_loses_no_run(project: Project) -> None:
    thread = project.thread()
    old = project.children()
    reader = stream(project, f"/threads/{thread}/runs/stream", input={"ticks": 1000})
    assert reader.begun.wait(SECONDS)
    project.edit('"one"', '"two"')
    project.await_version("two")
    run_id = project.get(f"/threads/{thread}/runs")[0]["run_id"]
    os.kill(old[0], signal.SIGKILL)
    joined = project.get(f"/threads/{thread}/runs/{run_id}/join")
    assert joined["log"][-1] == "c:two"


def test_new_code_whose_process_is_killed_as_it_loads_is_not_served(project: Project) -> None:
    os.kill(hang(project), signal.SIGKILL)
    told = project.await_event("server.not_reloaded")
    assert "signal 9" in told[0]["error"]
    assert project.version() == "one"
    mend(project, "two")


def test_code_that_hangs_as_it_is_loaded_is_replaced_by_the_next_save(project: Project) -> None:
    pid = hang(project)
    assert project.version() == "one"
    mend(project, "two")
    await_ends(pid)


def test_a_fork_server_that_is_killed_is_replaced_at_the_next_save(project: Project) -> None:
    assert project.server.process is not None
    (forks,) = children_of(project.server.process.pid)
    children = project.children()
    os.kill(forks, signal.SIGKILL)
    project.await_event("server.died")
    await_ends(forks, *children)
    project.edit('"one"', '"two"')
    project.await_version("two")


def test_of_many_saves_in_a_row_the_last_one_serves(project: Project) -> None:
    with Prober(project.url).asking() as prober:
        for number in range(20):
            project.edit(project.version_line(), f'VERSION = "v{number}"')
            time.sleep(0.05)
        project.await_version("v19")
        project.await_quiet()
    assert prober.failures == []
    assert project.version() == "v19"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import sys\nsys.exit(3)\n", "SystemExit"),
        ("import os\nos._exit(3)\n", "status 3"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "signal 11"),
        ("raise KeyboardInterrupt\n", "status 1"),
    ],
)
def test_code_that_ends_its_process_is_not_served(project: Project, code: str, told: str) -> None:
    good = project.read("steps.py")
    project.write("steps.py", good + code)
    assert told in project.await_event("server.not_reloaded")[0]["error"]
    assert project.version() == "one"
    project.write("steps.py", good.replace('"one"', '"two"'))
    project.await_version("two")


def test_code_that_forks_or_prints_much_as_it_is_loaded_is_served(project: Project) -> None:
    forks = "import os\nif os.fork() == 0:\n    os._exit(0)\nos.wait()\n"
    project.edit('"one"', '"two"')
    project.write("steps.py", project.read("steps.py") + forks + "print('x' * 1_000_000)\n")
    project.await_version("two")


def test_a_config_that_is_gone_is_told_and_comes_back(project: Project) -> None:
    config = project.folder / "langgraph.json"
    text = config.read_text()
    config.unlink()
    project.await_event("server.not_reloaded")
    assert project.version() == "one"
    config.write_text(text)
    project.edit('"one"', '"two"')
    project.await_version("two")


def test_a_run_of_a_graph_that_is_gone_ends_where_it_began(project: Project) -> None:
    config = project.folder / "langgraph.json"
    both = json.loads(config.read_text())
    both["graphs"]["more"] = "./steps.py:builder"
    config.write_text(json.dumps(both))
    project.await_event("server.reloaded")
    thread, other = project.thread(), project.thread()
    reader = stream(
        project, f"/threads/{thread}/runs/stream", assistant_id="more", input={"ticks": 100}
    )
    assert reader.begun.wait(SECONDS)
    run = project.post(f"/threads/{other}/runs", assistant_id="more", input={"ticks": 100})
    del both["graphs"]["more"]
    config.write_text(json.dumps(both))
    project.await_event("server.reloaded", 2)
    path = f"/threads/{other}/runs/{run['run_id']}"
    with httpx.Client(base_url=project.url, timeout=SECONDS) as http:
        # what it came to takes its graph to read
        assert "Graph 'more' not found" in http.get(f"{path}/join").text
        assert http.get(path).json()["status"] == "success"
    assert ticks_of(reader.end()) == all_ticks(100)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_new_code_loads_ends_everything(
    project: Project, number: signal.Signals
) -> None:
    loading = hang(project)
    assert project.server.process is not None
    left = [*project.processes(), loading]
    os.kill(project.server.process.pid, number)
    assert project.server.process.wait(SECONDS) == 0
    await_ends(*left)


def test_the_first_interrupt_lets_runs_stop_and_the_second_ends_all(project: Project) -> None:
    reader = stream(project, input={"ticks": 3000})
    assert reader.begun.wait(SECONDS)
    assert project.server.process is not None
    left = project.processes()
    project.server.process.send_signal(signal.SIGINT)
    project.await_event("server.stopping")
    assert project.server.process.poll() is None
    project.server.process.send_signal(signal.SIGINT)
    assert project.server.process.wait(SECONDS) == 130
    await_ends(*left)
