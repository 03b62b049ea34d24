"""`lgserve.callbacks`: LangChain's callback handlers, applied to every run of every graph."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from lgserve.core.errors import ConfigurationError
from lgserve.server import Server
from lgserve.settings import ServerFlags, load_settings
from tests.api.conftest import served
from tests.servers import PROJECTS, ServerProcess, after_reload, project

HELLO = {"messages": [{"role": "user", "content": "hi"}]}


@contextmanager
def watched(folder: Path, *callbacks: str) -> Iterator[httpx.Client]:
    """Serve the graphs of the project `watched` with handlers of it."""
    paths = [f"./handlers_{folder.name}.py:{name}" for name in callbacks]
    source = (PROJECTS / "watched" / "watched_handlers.py").read_text()
    (folder / f"handlers_{folder.name}.py").write_text(source)
    serving = served(folder, "watched", {"lgserve": {"callbacks": paths}})
    with serving as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def heard(folder: Path) -> list[str]:
    file = folder / "heard.txt"
    return file.read_text().splitlines() if file.exists() else []


def wait(http: httpx.Client, graph: str = "talk") -> dict[str, Any]:
    body = {"assistant_id": graph, "input": HELLO}
    answer = http.post("/runs/wait", json=body)
    assert answer.status_code == 200
    return dict(answer.json())


async def start(folder: Path, callbacks: object) -> None:
    """Start a server with these handlers, to see it fail."""
    file = project(folder, "watched")
    file.write_text(
        json.dumps({**json.loads(file.read_text()), "lgserve": {"callbacks": callbacks}})
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        flags = ServerFlags(config=file, data=":memory:", grace_seconds=0)
        async with Server(load_settings(flags, folder), listener).started():
            pytest.fail("it started")


@pytest.mark.parametrize("graph", ["talk", "sync"])
def test_handlers_of_every_kind_hear_of_runs_nodes_and_models(tmp_path: Path, graph: str) -> None:
    with watched(tmp_path, "instance", "Sync", "Async", "make", "make_async") as http:
        thread_id = http.post("/threads", json={}).json()["thread_id"]
        body = {"assistant_id": graph, "input": HELLO}
        assert http.post(f"/threads/{thread_id}/runs/wait", json=body).status_code == 200
    names = ("instance", "class", "function", "coroutine")
    assert sorted(heard(tmp_path)) == sorted(
        [f"{name} model {thread_id}" for name in (*names, "async")]
        + [f"{name} run {graph}" for name in names]
    )


@pytest.mark.parametrize("mode", [["messages"], ["events"], ["values", "updates"]])
def test_handlers_hear_of_streams_of_every_mode(tmp_path: Path, mode: list[str]) -> None:
    with watched(tmp_path, "instance") as http:
        body = {"assistant_id": "talk", "input": HELLO, "stream_mode": mode}
        with http.stream("POST", "/runs/stream", json=body) as answer:
            assert "event: error" not in answer.read().decode()
    assert len(heard(tmp_path)) == 2


def test_a_handler_that_raises_fails_no_run(tmp_path: Path) -> None:
    with watched(tmp_path, "Raises", "instance") as http:
        assert wait(http)["messages"][-1]["content"] == "hello"
        assert wait(http, "sync")["messages"][-1]["content"] == "hello"
    assert heard(tmp_path).count("raises") == 2


def test_a_handler_with_raise_error_set_fails_its_run_as_langchain_has_it(tmp_path: Path) -> None:
    with watched(tmp_path, "Insists") as http:
        assert wait(http)["__error__"]["message"] == "a handler's own trouble"


def test_info_names_the_handlers(tmp_path: Path) -> None:
    with watched(tmp_path, "Async") as http:
        tracing = http.get("/info").json()["tracing"]
        assert tracing == {"otel": False, "callbacks": [f"./handlers_{tmp_path.name}.py:Async"]}


def test_a_handler_is_found_by_the_name_of_its_module(tmp_path: Path) -> None:
    (tmp_path / "watched_by_name.py").write_text(
        (PROJECTS / "watched" / "watched_handlers.py").read_text()
    )
    callbacks = {"lgserve": {"callbacks": "watched_by_name:instance"}}
    with served(tmp_path, "watched", callbacks) as url, httpx.Client(base_url=url) as http:
        wait(http)
    assert "instance run talk" in heard(tmp_path)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("./missing.py:handler", "There is no file './missing.py'"),
        ("./watched_handlers.py:insance", "did you mean 'instance'?"),
        ("./watched_handlers.py:number", "is no LangChain callback handler: it is of type int"),
        ("./watched_handlers.py:Broken", "cannot be made"),
        ("no_such_module:handler", "no_such_module"),
    ],
)
async def test_a_handler_that_cannot_be_had_is_told_with_file_and_key(
    tmp_path: Path, path: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await start(tmp_path, [path])
    assert reason in caught.value.message
    assert "lgserve.callbacks" in caught.value.message
    assert "langgraph.json" in caught.value.message
    assert path in caught.value.message


@pytest.mark.parametrize("callbacks", [[7], {"a": "b:c"}, ["no-colon"], [":handler"], ["module:"]])
async def test_what_names_no_object_is_refused_with_file_and_key(
    tmp_path: Path, callbacks: object
) -> None:
    with pytest.raises(ConfigurationError, match=r"lgserve\.callbacks.* must be a list of"):
        await start(tmp_path, callbacks)


def test_an_edited_handler_is_taken_up_by_dev(tmp_path: Path) -> None:
    file = project(tmp_path, "watched")
    config = json.loads(file.read_text())
    config["lgserve"] = {"callbacks": ["./watched_handlers.py:make"]}
    file.write_text(json.dumps(config))
    server = ServerProcess(folder=tmp_path, config=file)
    server.start()
    try:
        with httpx.Client(base_url=server.url, timeout=30) as http:
            wait(http)
        source = tmp_path / "watched_handlers.py"
        edited = source.read_text().replace('Sync("function")', 'Sync("edited")')
        after_reload(server.url, lambda: source.write_text(edited))
        with httpx.Client(base_url=server.url, timeout=30) as http:
            wait(http)
        assert "function run talk" in heard(tmp_path)
        assert "edited run talk" in heard(tmp_path)
        assert server.stop() == 0
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
