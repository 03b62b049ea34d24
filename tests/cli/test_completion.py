"""What a shell is told when the tab key is pressed: by Typer's protocol, and in a real bash."""

from __future__ import annotations

import os
import re
import resource
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

import lgserve as package
from lgserve.cli.main import app
from tests.cli.test_chat import wait_for
from tests.servers import ServerProcess, command_in, serving

if TYPE_CHECKING:
    from tests.cli.conftest import Api, Lgserve

ROOT = Path(package.__file__).parent.parent
_SECONDS = 60.0
GRAPHS = {"echo", "ask", "count"}


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def asked(line: str, shell: str = "bash", **variables: str) -> subprocess.CompletedProcess[str]:
    """Ask as the script of a shell does, with the cursor at the end of the line."""
    words = shlex.split(line) + [""] * line.endswith(" ")
    return subprocess.run(
        [sys.executable, "-m", "lgserve"],
        env=environment(
            _LGSERVE_COMPLETE=f"complete_{shell}",
            COMP_WORDS=line,
            COMP_CWORD=str(len(words) - 1),
            _TYPER_COMPLETE_ARGS=line,
            _TYPER_COMPLETE_FISH_ACTION="get-args",
            **variables,
        ),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def offered(line: str, expected: str = "") -> list[str]:
    """Return the words a shell is told; on a slow machine they may need to be asked for again."""
    return again(lambda: asked(line), expected).split()


def again(ask: Callable[[], subprocess.CompletedProcess[str]], expected: str) -> str:
    """Return what is said once it has a text, or what was said last."""
    deadline = time.monotonic() + _SECONDS
    while True:
        result = ask()
        assert result.stderr == ""
        said = result.stdout.strip()
        if (said and expected in said) or time.monotonic() > deadline:
            return result.stdout


@pytest.fixture
def held(real: Lgserve) -> dict[str, str]:
    """Put one of each thing on the server, and return how they are called."""
    thread = real("threads", "create", "-o", "json").json["thread_id"]
    started = ("runs", "start", "-a", "echo", "-t", thread, "-i", '{"text": "hi"}', "-o", "json")
    assert real(*started).status == 0
    run = real("runs", "list", "--thread", thread, "-o", "json").json[0]["run_id"]
    made = ("assistants", "create", "-g", "echo", "--name", "two words", "-o", "json")
    assistant = real(*made).json["assistant_id"]
    schedule = ("-s", "0 0 1 1 *", "-i", '{"text": "hi"}')
    cron = real("crons", "create", "-a", "echo", *schedule, "-o", "json").json["cron_id"]
    real("store", "put", "tab.prefs", "theme", '{"mode": "dark"}')
    real("store", "put", "tab.prefs", "not plain", '{"mode": "dark"}')
    return {"thread": thread, "run": run, "assistant": assistant, "cron": cron}


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("lgserve threads show {thread:.8}", "{thread}"),
        ("lgserve threads delete --yes {thread:.8}", "{thread}"),
        ("lgserve thread state --key x {thread:.8}", "{thread}"),
        ("lgserve runs start -a echo -t {thread:.8}", "{thread}"),
        ("lgserve runs show --thread {thread} ", "{run}"),
        ("lgserve runs cancel {run:.8}", "{run}"),
        ("lgserve assistants show {assistant:.8}", "{assistant}"),
        ("lgserve assistants delete {assistant:.8}", "{assistant}"),
        ("lgserve runs start -a ec", "echo"),
        ("lgserve chat ec", "echo"),
        ("lgserve graphs draw ec", "echo"),
        ("lgserve threads list --graph ec", "echo"),
        ("lgserve crons show {cron:.8}", "{cron}"),
        ("lgserve crons pause {cron:.8}", "{cron}"),
        ("lgserve store get ta", "tab.prefs"),
        ("lgserve store list tab.", "tab.prefs"),
        ("lgserve store get tab.prefs ", "theme"),
        ("lgserve store delete tab.prefs th", "theme"),
    ],
)
def test_ids_and_names_are_those_of_the_server(held: dict[str, str], line: str, what: str) -> None:
    expected = what.format(**held)
    found = offered(line.format(**held), expected)
    assert expected in found
    assert "not" not in found


def test_the_same_is_read_from_a_file(
    held: dict[str, str], server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LGSERVE_URL", "http://127.0.0.1:9")
    db = f"--db {shlex.quote(str(server.folder / 'data'))}"
    assert offered(f"lgserve threads show {db} {held['thread'][:13]}") == [held["thread"]]
    assert offered(f"lgserve runs show {db} --thread {held['thread']} ") == [held["run"]]
    cut = held["assistant"][:13]
    assert offered(f"lgserve assistants show {db} {cut}") == [held["assistant"]]
    assert offered(f"lgserve graphs draw {db} ec") == ["echo"]
    assert offered(f"lgserve crons show {db} {held['cron'][:13]}") == [held["cron"]]
    assert "tab.prefs" in offered(f"lgserve store get {db} ", "tab.prefs")
    assert offered(f"lgserve store get {db} tab.prefs ") == ["theme"]
    assert asked(f"lgserve threads show --db {ROOT}/nowhere ").stdout.split() == []


def test_the_server_of_this_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LGSERVE_URL", raising=False)
    with serving(tmp_path) as process:
        monkeypatch.chdir(process.config.parent)
        assert "echo" in offered("lgserve graphs draw ", "echo")


def test_zsh_and_fish_say_more(held: dict[str, str]) -> None:
    line = f"lgserve assistants show {held['assistant'][:13]}"
    assert offered(line) == [held["assistant"]]
    fish = again(lambda: asked(line, "fish"), held["assistant"])
    assert fish == f"{held['assistant']}\ttwo words\n"
    zsh = again(lambda: asked(line, "zsh"), held["assistant"])
    assert zsh.strip() == f'_arguments \'*: :(("{held["assistant"]}":"two words"))\''


def test_the_key_and_the_headers_go_along(api: Api, lgserve: Lgserve) -> None:
    line = f"lgserve threads show --url {api.url} --api-key k1 -H x-more:1 00000003"
    assert offered(line) == [api.threads[0]["thread_id"]]
    assert api.headers[-1]["x-api-key"] == "k1"
    assert api.headers[-1]["x-more"] == "1"


@pytest.mark.parametrize(
    "line",
    [
        "lgserve threads show --url http://127.0.0.1:9 ",
        "lgserve threads show --url nonsense ",
        "lgserve store get --url http://127.0.0.1:9 [ ",
        "lgserve runs show --header nonsense ",
    ],
)
def test_what_goes_wrong_is_silence(line: str) -> None:
    result = asked(line, LGSERVE_URL="http://127.0.0.1:9")
    assert (result.stdout.strip(), result.stderr) == ("", "")


def test_strangers_and_broken_servers_are_told_nothing_of(api: Api, lgserve: Lgserve) -> None:
    api.closed = True
    assert asked("lgserve threads show ").stdout.split() == []
    api.answer = (200, b"<html>")
    result = asked("lgserve threads show ")
    assert (result.stdout.split(), result.stderr) == ([], "")


def test_a_server_that_never_answers_keeps_nobody_waiting() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        assert asked("lgserve threads show ", LGSERVE_URL=url).stdout.split() == []


def test_completing_costs_little(held: dict[str, str]) -> None:
    """Half a second of CPU is the bar: the suite only sees that LangGraph is not imported."""

    def cost() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        asked("lgserve threads show ")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def start_of_python() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", "import typer, json, http.client"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cost() for _ in range(3)) < 5 * min(start_of_python() for _ in range(3))


def commands(found: Any, path: str = "lgserve") -> Any:
    if not hasattr(found, "list_commands"):
        yield path, found
        return
    for name in found.list_commands(None):
        yield from commands(found.get_command(None, name), f"{path} {name}")


def test_every_id_that_a_command_takes_is_completed() -> None:
    """An argument that is shown as an id, a graph, an assistant, a namespace or a key."""
    named = re.compile(r"\[?(ID|RUN|GRAPH|ASSISTANT|NAMESPACE|KEY)\]?(\.\.\.)?\]?")
    without = {
        f"{path} {item.name}"
        for path, found in commands(get_command(app))
        for item in found.params
        if item.param_type_name == "argument"
        and named.fullmatch(item.metavar or "")
        and item._custom_shell_complete is None
    }
    # Its ids are in a file that only the machine of the server has.
    assert without == {"lgserve auth key revoke key_id"}


def install_in(home: Path) -> None:
    """Put a command `lgserve` on a PATH, and install its completion as its users do."""
    script = command_in(home / "bin")
    subprocess.run(
        [script, "completion", "install", "bash"],
        check=True, capture_output=True, env=environment(HOME=str(home)), timeout=_SECONDS,
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_with_what_was_installed(held: dict[str, str], tmp_path: Path) -> None:
    install_in(tmp_path)
    line = f"lgserve threads show {held['thread'][:13]}"
    assert offered(line) == [held["thread"]]
    press = f"""
        . ~/.bashrc
        COMP_WORDS=({line}); COMP_CWORD=3; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}
        "$(complete -p lgserve | sed 's/.*-F \\([^ ]*\\).*/\\1/')" lgserve
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"

    def pressed() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "--norc", "-c", press],
            capture_output=True, text=True, check=True, timeout=_SECONDS,
            env=environment(HOME=str(tmp_path), PATH=path),
        )  # fmt: skip

    assert again(pressed, held["thread"]).split() == [held["thread"]]


@pytest.mark.skipif(
    shutil.which("tmux") is None or shutil.which("bash") is None, reason="no tmux or bash here"
)
def test_in_tmux_the_tab_key_completes(held: dict[str, str], tmp_path: Path) -> None:
    install_in(tmp_path)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    tmux = ["tmux", "-S", str(tmp_path / "tmux.sock")]
    bash = f"env HOME={shlex.quote(str(tmp_path))} PATH={shlex.quote(path)} PS1=ready: bash -i"
    subprocess.run(
        [*tmux, "-f", "/dev/null", "new-session", "-d", "-x", "200", "-y", "40", bash],
        check=True, cwd=tmp_path, timeout=_SECONDS, env=environment(LC_ALL="C.UTF-8"),
    )  # fmt: skip
    try:
        wait_for(tmux, "ready:|[$#]")
        line = f"lgserve threads show {held['thread'][:13]}"
        subprocess.run([*tmux, "send-keys", "-l", line], check=True)
        wait_for(tmux, re.escape(line))
        assert any(completed(tmux, held["thread"]) for _ in range(12))
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


def completed(tmux: list[str], text: str) -> bool:
    """Press the key and look for a while: on a slow machine it may need to be pressed again."""
    subprocess.run([*tmux, "send-keys", "Tab"], check=True)
    deadline = time.monotonic() + _SECONDS / 12
    while time.monotonic() < deadline:
        capture = [*tmux, "capture-pane", "-p"]
        if text in subprocess.run(capture, check=True, capture_output=True, text=True).stdout:
            return True
    return False
