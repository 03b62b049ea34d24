"""Every admin command on a real server: exit code, JSON, silence on error, no ANSI in a pipe."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lgserve as package

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve
    from tests.servers import ServerProcess

ROOT = Path(package.__file__).parent.parent
MISSING = "00000000-0000-4000-8000-000000000000"

WORKING = [
    ("info",),
    ("metrics",),
    ("metrics", "--watch", "--interval", "50ms", "--count", "1"),
    ("doctor",),
    ("threads", "list"),
    ("threads", "show", "THREAD"),
    ("threads", "state", "THREAD"),
    ("threads", "history", "THREAD"),
    ("threads", "history", "THREAD", "--tree"),
    ("threads", "diff", "THREAD"),
    ("threads", "interrupts"),
    ("threads", "resume", "WAITING", "--value", "yes"),
    ("threads", "update", "THREAD", "--values", '{"text": "y"}', "--as-node", "b"),
    ("threads", "copy", "THREAD"),
    ("threads", "storage", "THREAD"),
    ("threads", "prune", "THREAD", "--keep-latest", "--yes"),
    ("threads", "prune", "--older-than", "1d", "--dry-run"),
    ("threads", "create"),
    ("threads", "delete", "SPARE", "--yes"),
    ("runs", "list"),
    ("runs", "show", "RUN"),
    ("runs", "start", "-a", "echo", "-i", '{"text": "x"}'),
    ("runs", "start", "-a", "echo", "-i", '{"text": "x"}', "--background"),
    ("runs", "start", "-a", "echo", "-i", '{"text": "x"}', "--stream", "updates"),
    ("runs", "stream", "RUN"),
    ("runs", "join", "RUN"),
    ("runs", "why", "RUN"),
    ("runs", "tail", "RUN"),
    ("runs", "replay", "RUN"),
    ("runs", "replay", "RUN", "--diff"),
    ("runs", "delete", "RUN", "--yes"),
    ("runs", "cancel", "SLOW", "--wait"),
    ("assistants", "list"),
    ("assistants", "show", "echo"),
    ("assistants", "create", "-g", "echo", "--name", "Mine"),
    ("assistants", "update", "ASSISTANT", "--name", "Ours"),
    ("assistants", "versions", "ASSISTANT"),
    ("assistants", "set-latest", "ASSISTANT", "1"),
    ("assistants", "graph", "echo"),
    ("assistants", "schemas", "echo"),
    ("assistants", "delete", "ASSISTANT", "--yes"),
    ("graphs", "list"),
    ("graphs", "show", "echo"),
    ("graphs", "draw", "echo"),
    ("graphs", "draw", "echo", "--format", "svg"),
    ("graphs", "schema", "echo"),
    ("whoami",),
    ("api", "GET", "/info"),
    ("openapi",),
    ("bench", "-g", "echo", "-i", '{"text": "x"}', "--users", "1", "--duration", "100ms"),
    ("store", "put", "a.b", "c", '{"n": 1}'),
    ("store", "get", "admin", "item"),
    ("store", "list", "admin"),
    ("store", "search", "admin", "--filter", "n:=1"),
    ("store", "namespaces"),
    ("store", "stats"),
    ("store", "delete", "admin", "spare", "--yes"),
]
FAILING = [
    (("metrics", "nothing"), 2, "E_USAGE"),
    (("threads", "show", MISSING), 5, "E_NOT_FOUND"),
    (("threads", "state", MISSING), 5, "E_NOT_FOUND"),
    (("threads", "history", MISSING), 5, "E_NOT_FOUND"),
    (("threads", "create", "--id", "THREAD"), 6, "E_CONFLICT"),
    (("threads", "create", "--id", "no-uuid"), 9, "E_REFUSED"),
    (("threads", "delete", MISSING, "--yes"), 5, "E_NOT_FOUND"),
    (("threads", "delete", MISSING), 2, "E_NOT_CONFIRMED"),
    (("threads", "diff", MISSING), 5, "E_NOT_FOUND"),
    (("threads", "diff", "THREAD", "ffffff"), 5, "E_NOT_FOUND"),
    (("threads", "interrupts", MISSING), 5, "E_NOT_FOUND"),
    (("threads", "resume", "THREAD", "--value", "x"), 6, "E_CONFLICT"),
    (("threads", "resume", "WAITING"), 2, "E_USAGE"),
    (("threads", "update", "THREAD", "--values", "{"), 2, "E_USAGE"),
    (("threads", "update", "THREAD", "--values", "{}", "--as-node", "no"), 9, "E_REFUSED"),
    (("threads", "copy", MISSING), 5, "E_NOT_FOUND"),
    (("threads", "storage", MISSING), 5, "E_NOT_FOUND"),
    (("threads", "watch", MISSING), 5, "E_NOT_FOUND"),
    (("threads", "prune", "--yes"), 2, "E_USAGE"),
    (("threads", "prune", "THREAD", "--keep-latest"), 2, "E_NOT_CONFIRMED"),
    (("threads", "export"), 2, "E_USAGE"),
    (("threads", "import", "/nowhere/threads.jsonl"), 2, "E_USAGE"),
    (("runs", "join", MISSING), 5, "E_NOT_FOUND"),
    (("runs", "why", MISSING), 5, "E_NOT_FOUND"),
    (("runs", "tail", MISSING), 5, "E_NOT_FOUND"),
    (("runs", "tail", "--thread", MISSING), 5, "E_NOT_FOUND"),
    (("runs", "replay", "SLOW"), 6, "E_CONFLICT"),
    (("runs", "delete", MISSING, "--yes"), 5, "E_NOT_FOUND"),
    (("runs", "delete", "RUN"), 2, "E_NOT_CONFIRMED"),
    (("assistants", "create", "-g", "nothing"), 5, "E_NOT_FOUND"),
    (("assistants", "update", "echo"), 2, "E_USAGE"),
    (("assistants", "versions", MISSING), 5, "E_NOT_FOUND"),
    (("assistants", "set-latest", "ASSISTANT", "99"), 5, "E_NOT_FOUND"),
    (("assistants", "graph", MISSING), 5, "E_NOT_FOUND"),
    (("assistants", "schemas", MISSING), 5, "E_NOT_FOUND"),
    (("assistants", "delete", "ASSISTANT"), 2, "E_NOT_CONFIRMED"),
    (("assistants", "delete", MISSING, "--yes"), 5, "E_NOT_FOUND"),
    (("runs", "list", "--thread", MISSING), 5, "E_NOT_FOUND"),
    (("runs", "show", MISSING), 5, "E_NOT_FOUND"),
    (("runs", "start", "-a", "nothing", "-i", "{}"), 9, "E_REFUSED"),
    (("runs", "start", "-a", "echo", "-t", MISSING, "-i", "{}"), 5, "E_NOT_FOUND"),
    (("runs", "stream", MISSING), 5, "E_NOT_FOUND"),
    (("runs", "cancel", "RUN"), 5, "E_NOT_FOUND"),
    (("runs", "cancel"), 2, "E_USAGE"),
    (("assistants", "show", "nothing"), 5, "E_NOT_FOUND"),
    (("graphs", "show", "nothing"), 5, "E_NOT_FOUND"),
    (("graphs", "draw", "echo", "--format", "png"), 2, "E_USAGE"),
    (("graphs", "draw", "echo", "--config", "x"), 2, "E_USAGE"),
    (("graphs", "schema", "echo", "nothing"), 2, "E_USAGE"),
    (("graphs", "check"), 3, "E_CONFIG"),
    (("api", "GET", "/nothing"), 5, "E_NOT_FOUND"),
    (("openapi", "-f", "/nowhere/api.json"), 1, "E_FILE"),
    (("chat", "nothing"), 5, "E_NOT_FOUND"),
    (("db", "status", "--db", "/nowhere"), 5, "E_NOT_FOUND"),
    (("threads", "list", "--db", "/nowhere"), 5, "E_NOT_FOUND"),
    (("store", "put", "a", "b", "{"), 2, "E_USAGE"),
    (("store", "put", "a", "b", "3"), 9, "E_REFUSED"),
    (("store", "get", "admin", "nothing"), 5, "E_NOT_FOUND"),
    (("store", "delete", "admin", "nothing", "--yes"), 5, "E_NOT_FOUND"),
    (("store", "delete", "admin", "item"), 2, "E_NOT_CONFIRMED"),
    (("store", "search", "--filter", '{"n": {"$odd": 1}}'), 9, "E_REFUSED"),
    (("store", "import", "/nowhere/items.jsonl"), 2, "E_USAGE"),
]


@pytest.fixture
def things(real: Lgserve) -> dict[str, str]:
    """A thread with a run, a thread to spare, a run that takes its time; and two items."""
    run = real("runs", "start", "-a", "echo", "-i", '{"text": "x"}', "--background", "-o", "json")
    real("runs", "stream", run.json["run_id"])
    slow = real("runs", "start", "-a", "slow", "-i", '{"seconds": 30}', "--background", "-o", "id")
    for key in ("item", "spare"):
        real("store", "put", "admin", key, '{"n": 1}')
    waiting = real("runs", "start", "-a", "ask", "-i", '{"q": "?"}', "--background", "-o", "json")
    real("runs", "join", waiting.json["run_id"])
    made = real("assistants", "create", "-g", "echo", "--name", "Spare", "-o", "id")
    return {
        "WAITING": waiting.json["thread_id"],
        "ASSISTANT": made.out.strip(),
        "THREAD": run.json["thread_id"],
        "RUN": run.json["run_id"],
        "SLOW": slow.out.strip(),
        "SPARE": real("threads", "create", "-o", "id").out.strip(),
    }


@pytest.fixture(autouse=True)
def _nothing_goes_on(real: Lgserve) -> Any:
    yield
    real("runs", "cancel", "--status", "all", "-q")


def filled(arguments: tuple[str, ...], things: dict[str, str]) -> list[str]:
    return [things.get(word, word) for word in arguments]


@pytest.mark.parametrize("arguments", WORKING, ids=" ".join)
def test_it_works_and_its_json_is_json(
    real: Lgserve, things: dict[str, str], arguments: tuple[str, ...]
) -> None:
    result = real(*filled(arguments, things), "-o", "json")
    assert result.status == 0, result.err
    assert isinstance(result.json, dict | list)
    assert "\x1b" not in result.out + result.err


@pytest.mark.parametrize("arguments", WORKING, ids=" ".join)
def test_in_a_pipe_it_writes_lines_without_colour(
    real: Lgserve, things: dict[str, str], arguments: tuple[str, ...]
) -> None:
    result = real(*filled(arguments, things))
    assert result.status == 0, result.err
    assert result.out.endswith("\n")
    assert "\x1b" not in result.out + result.err


@pytest.mark.parametrize(("arguments", "status", "code"), FAILING, ids=str)
def test_it_fails_with_its_exit_code_and_an_empty_stdout(
    real: Lgserve, things: dict[str, str], arguments: tuple[str, ...], status: int, code: str
) -> None:
    result = real(*filled(arguments, things), "-o", "json", stdin="")
    assert (result.status, result.out) == (status, "")
    error = json.loads(result.err.splitlines()[-1])["error"]
    assert error["code"] == code
    assert error["message"]


@pytest.mark.parametrize(
    "command",
    [
        "info", "metrics", "threads list", "store list", "runs list", "graphs list", "openapi",
        "api GET /info", "chat", "bench",
    ],
)  # fmt: skip
def test_without_a_server_it_says_so(real: Lgserve, command: str) -> None:
    result = real(*command.split(), "--url", "http://127.0.0.1:9", "-o", "json")
    assert (result.status, result.out) == (7, "")
    assert json.loads(result.err)["error"]["code"] == "E_UNREACHABLE"


def test_a_process_in_a_pipe_costs_less_than_half_a_second(server: ServerProcess) -> None:
    """The bar is 0.5 s of CPU for an admin command, and 0.35 s for the help.

    A slow machine has more, by what it takes to import the libraries that every command needs.
    """
    slowness = max(1.0, least_cpu_of(["-c", "import http.client, json, typer"], {}) / 0.1)
    bars = [
        (["--help"], 0.35),
        (["store", "list"], 0.5),
        (["metrics"], 0.5),
        (["graphs", "draw", "echo"], 0.5),
        (["api", "GET", "/info"], 0.5),
        (["db", "status", "--db", str(server.folder / "data")], 0.5),
    ]
    for arguments, most in bars:
        used = least_cpu_of(["-m", "lgserve", *arguments], {"LGSERVE_URL": server.url})
        assert used < most * slowness, arguments


def least_cpu_of(arguments: list[str], environment: dict[str, str]) -> float:
    return min(cpu_of(arguments, environment) for _ in range(3))


def cpu_of(arguments: list[str], environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True, timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


HINTED = [
    (("runs", "cancel", "RUN"), "this one is success · lgserve runs show RUN"),
    (("runs", "start", "-a", "nosuch", "-i", "{}"), "lgserve assistants list"),
    (("runs", "start", "-a", MISSING, "-i", "{}"), "lgserve assistants list"),
    (("runs", "start", "-a", "nosuch", "--background", "-i", "{}"), "lgserve assistants list"),
    (("threads", "create", "--id", "THREAD"), "--if-exists do_nothing"),
]


@pytest.mark.parametrize(("arguments", "hint"), HINTED, ids=str)
def test_an_error_says_what_to_do_next(
    real: Lgserve, things: dict[str, str], arguments: tuple[str, ...], hint: str
) -> None:
    error = json.loads(real(*filled(arguments, things), "-o", "json").err)["error"]
    for name, value in things.items():
        hint = hint.replace(name, value)
    assert set(error) == {"code", "message", "hint"}
    assert hint in error["hint"]
