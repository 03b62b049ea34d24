"""The command line as a process: help, version, what it imports, closed pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lgserve as package

if TYPE_CHECKING:
    from tests.cli.conftest import Api, Lgserve

ROOT = Path(package.__file__).parent.parent
#: What only a server, or a table on a terminal, needs.
HEAVY = {
    "aiohttp",
    "langchain_core",
    "langgraph",
    "langgraph_sdk",
    "orjson",
    "pydantic",
    "rich",
    "yaml",
}


def run_process(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    program = ["-c", code] if code else ["-m", "lgserve"]
    return subprocess.run(
        [sys.executable, *program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def imported_by(*arguments: str) -> set[str]:
    code = (
        "import sys; from lgserve.cli.main import run; run(sys.argv[1:]);"
        "sys.stderr.write('\\nMODULES ' + ' '.join(m.partition('.')[0] for m in sys.modules))"
    )
    result = run_process(*arguments, code=code)
    return set(result.stderr.partition("\nMODULES ")[2].split())


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ()])
def test_help_names_every_command(lgserve: Lgserve, arguments: tuple[str, ...]) -> None:
    result = lgserve(*arguments)
    assert result.status == 0
    for name in ("dev", "serve", "info", "metrics", "threads", "runs", "store", "doctor"):
        assert f"\n  {name} " in result.out


@pytest.mark.parametrize(
    "name",
    [
        "dev",
        "serve",
        "info",
        "metrics",
        "doctor",
        "threads list",
        "threads show",
        "threads state",
        "threads history",
        "threads create",
        "threads delete",
        "runs ls",
        "runs show",
        "runs start",
        "runs stream",
        "runs cancel",
        "assistants list",
        "assistants show",
        "store put",
        "store get",
        "store delete",
        "store list",
        "store search",
        "store namespaces",
        "store export",
        "store import",
        "store stats",
        "config validate",
        "config show",
        "config schema",
        "completion show",
        "completion install",
        "help",
    ],
)
def test_every_command_has_help(lgserve: Lgserve, name: str) -> None:
    result = lgserve(*name.split(), "-h")
    assert result.status == 0
    assert result.out.startswith(f"Usage: lgserve {name.replace('ls', 'list')}")


def test_the_version_is_told(lgserve: Lgserve) -> None:
    assert lgserve("--version").out == f"lgserve {package.__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    assert imported_by("--help") & HEAVY == set()


def test_an_admin_command_in_a_pipe_imports_nothing_heavy(api: Api) -> None:
    imported = imported_by("threads", "list", "--url", api.url)
    assert imported & HEAVY <= {"pydantic"}  # Typer's, for reading options
    assert "http" in imported


@pytest.mark.parametrize(
    "arguments", [("metrics",), ("store", "list"), ("runs", "start", "-a", "x"), ("help",)]
)
def test_no_command_imports_rich_or_the_server_in_a_pipe(
    api: Api, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LGSERVE_URL", api.url)
    assert imported_by(*arguments) & (HEAVY | {"prometheus_client"}) <= {"pydantic"}


def test_wrong_usage_is_json_too_where_json_was_asked_for(lgserve: Lgserve) -> None:
    result = lgserve("threads", "list", "--limit", "x", "-o", "json")
    assert (result.status, result.out) == (2, "")
    error = json.loads(result.err)["error"]
    assert (error["code"], error["hint"]) == ("E_USAGE", "lgserve threads list --help")


def test_topics_are_explained(lgserve: Lgserve) -> None:
    assert "5    not found" in lgserve("help", "exit-codes").out
    assert "lgserve help output\n" in lgserve("help").out
    result = lgserve("help", "exit-code")
    assert (result.status, result.out) == (2, "")
    assert "did you mean `lgserve help exit-codes`?" in result.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion_script(lgserve: Lgserve, shell: str) -> None:
    assert "_LGSERVE_COMPLETE=complete_" in lgserve("completion", "show", shell).out


@pytest.mark.parametrize(
    ("shell", "startup", "said"),
    [
        ("bash", ".bashrc", "complete -o default -F _lgserve_completion lgserve"),
        ("zsh", ".zshrc", "#compdef lgserve"),
        ("fish", None, "complete --command lgserve"),
    ],
)
def test_completion_is_installed_for_a_shell(
    lgserve: Lgserve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shell: str,
    startup: str | None,
    said: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = Path(lgserve("completion", "install", shell).out.strip())
    assert said in file.read_text()
    if startup:
        start = (tmp_path / startup).read_text()
        assert (str(file) if shell == "bash" else "~/.zfunc") in start


def test_a_shell_gets_the_commands_that_begin_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_LGSERVE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "lgserve store na")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert run_process().stdout.split() == ["namespaces"]


def test_help_of_dev_does_not_import_the_server() -> None:
    assert (
        imported_by("dev", "--help") & {"aiohttp", "langgraph", "langchain_core", "rich"} == set()
    )


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (
            ("thread", "lst"),
            "lgserve threads has no command 'lst'",
            "did you mean `lgserve threads list`?",
        ),
        (("nothing",), "lgserve has no command 'nothing'", "lgserve --help"),
        (("--nothing",), "No such option: --nothing", "lgserve --help"),
        (("threads", "show"), "Missing argument 'ID'", "lgserve threads show --help"),
        (
            ("graph", "draw", "x", "--xray"),
            "Option '--xray' requires an argument",
            "lgserve graphs draw --help",
        ),
        (
            ("completion", "show"),
            "Missing argument 'SHELL'. Choose from: bash, ",
            "lgserve completion show --help",
        ),
        (
            ("threads", "list", "--limit", "x"),
            "Invalid value for '--limit'",
            "lgserve threads list --help",
        ),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_sentence_and_a_hint(
    lgserve: Lgserve, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    result = lgserve(*arguments)
    assert (result.status, result.out) == (2, "")
    lines = result.err.splitlines()
    assert lines[0].startswith(f"error: {message}")
    assert lines[1:] == [f"hint:  {hint}", "code:  E_USAGE"]


def test_a_fault_of_ours_is_one_sentence_too(
    lgserve: Lgserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lgserve.cli.context.find_connection", lambda *_: 1 // 0)
    result = lgserve("info")
    assert result.status == 1
    assert result.err.startswith("error: internal error: ZeroDivisionError: ")
    assert "--debug" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("arguments", [["--help"], ["threads", "list"]])
def test_a_closed_pipe_ends_quietly(api: Api, arguments: list[str]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as closed:
        result = subprocess.run(
            [sys.executable, "-m", "lgserve", *arguments],
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT), "LGSERVE_URL": api.url},
        )
    assert (result.returncode, b"Error" in result.stderr) == (0, False)


def piped(api: Api, *arguments: str, out: Any = subprocess.PIPE, **environment: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "lgserve", *arguments],
        stdout=out, stderr=subprocess.PIPE, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LGSERVE_URL": api.url, **environment},
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_an_encoding_lacks_is_escaped_as_in_json(api: Api, encoding: str) -> None:
    given = {"version": "0", "said": "caf\u00e9 \u65e5\u672c \U0001f600 \ud83d \u2026"}
    api.info = given
    shown = piped(api, "info", "-o", "json", PYTHONIOENCODING=encoding)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert json.loads(shown.stdout.decode(encoding))["said"] == given["said"]
    table = piped(api, "threads", "list", "--limit", "1", PYTHONIOENCODING=encoding)
    assert table.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", [["info"], ["info", "-o", "json"]])
def test_a_full_disk_is_not_a_fault_of_ours(api: Api, command: list[str], unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        result = piped(api, *command, out=full, PYTHONUNBUFFERED=unbuffered)
    assert result.returncode == 1
    assert b"cannot write to stdout: No space left on device" in result.stderr
    assert b"Traceback" not in result.stderr


def test_a_closed_stdout_is_no_fault_either(api: Api) -> None:
    command = [sys.executable, "-m", "lgserve", "info"]
    result = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command],
        stderr=subprocess.PIPE, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LGSERVE_URL": api.url},
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, b"")
