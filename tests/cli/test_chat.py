"""`lgserve chat`: from a pipe, on a terminal of its own, and in tmux."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lgserve as package
from lgserve.cli.chatting import Turn, answer_to, question_of
from lgserve.cli.events import Event
from lgserve.cli.output import Output
from tests.cli.test_metrics import SECONDS, on_terminal, read_until
from tests.servers import ServerProcess

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve, Result

ROOT = Path(package.__file__).parent.parent
CONFIG = """\
graphs:
  agent: lgserve.templates.demo.agent:graph
  counter: lgserve.templates.demo.counter:graph
"""


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of the demo agent."""
    folder = tmp_path_factory.mktemp("talker")
    (folder / "langgraph.yaml").write_text(CONFIG)
    server = ServerProcess(
        folder=folder, config=folder / "langgraph.yaml", arguments=["--no-reload"]
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def chat(
    real: Lgserve, talker: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Chat from a pipe."""
    monkeypatch.setenv("LGSERVE_URL", talker.url)

    def call(said: str, *arguments: str) -> Result:
        return real("chat", *arguments, stdin=said)

    return call


def test_each_line_of_a_pipe_is_a_message(chat: Callable[..., Result]) -> None:
    result = chat("hello there\n\nwhat is 2 + 3 * 4?\n")
    assert result.status == 0, result.err
    assert result.out.startswith("Hello! I am the demo agent")
    assert result.out.endswith("2 + 3 * 4 = 14.\n")
    assert '⚙ calculator({"expression": "2 + 3 * 4"})' in result.err
    assert "↳ 2 + 3 * 4 = 14." in result.err
    assert "\x1b" not in result.out + result.err


def test_it_asks_on_interrupts_and_goes_on_with_the_answer(chat: Callable[..., Result]) -> None:
    result = chat("refund order 7\napprove\n", "agent")
    assert "waits for: Refund order 7?" in result.err
    assert "Order 7 was refunded." in result.out
    left = chat("refund order 8\n", "agent")
    assert "it still waits for an answer" in left.err
    thread = left.err.split()[-1]
    assert "waits for: Refund order 8?" in chat("no\n", "agent", "-t", thread).err
    state = chat("/state\n/history\n", "agent", "-t", thread)
    assert "was not refunded" in state.out
    assert "\tinput\tnext: __start__\t" in state.out


def test_as_json_it_is_one_conversation(chat: Callable[..., Result]) -> None:
    talk = chat("what is 1 + 1?\nrefund order 3\n", "agent", "-o", "json").json
    first, second = talk["turns"]
    assert (first["you"], first["error"]) == ("what is 1 + 1?", None)
    assert first["tools"] == [{"name": "calculator", "args": {"expression": "1 + 1"}}]
    assert first["answer"].endswith("1 + 1 = 2.")
    assert second["waits_for"][0]["order_id"] == "3"
    assert first["thread_id"] == second["thread_id"] == talk["thread_id"]
    lines = chat("hello\nhello\n", "agent", "-o", "jsonl").out.splitlines()
    assert [json.loads(line)["you"] for line in lines] == ["hello", "hello"]


def test_commands_begin_with_a_slash_and_two_say_one(chat: Callable[..., Result]) -> None:
    result = chat("/help\n/nonsense\n/state\n//hm\n/new\n/quit\nnever said\n", "agent")
    assert result.status == 0
    assert "/history    its checkpoints" in result.err
    assert "there is no /nonsense" in result.err
    assert "nothing was said yet" in result.err
    assert "“/hm”" in result.out
    assert "never said" not in result.out


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("nobody",), 5, "E_NOT_FOUND"),
        (("counter",), 2, "E_USAGE"),
        (("agent", "-t", "00000000-0000-4000-8000-000000000000"), 5, "E_NOT_FOUND"),
        (("--url", "http://127.0.0.1:9"), 7, "E_UNREACHABLE"),
    ],
)
def test_what_cannot_be_talked_to_is_refused(
    chat: Callable[..., Result], arguments: tuple[str, ...], status: int, code: str
) -> None:
    result = chat("hello\n", *arguments, "-o", "json")
    assert (result.status, result.out) == (status, "")
    assert json.loads(result.err)["error"]["code"] == code


def test_an_error_of_the_graph_is_told_and_the_exit_status_says_so(real: Lgserve) -> None:
    result = real("chat", "nestedchat", stdin="hello\n")
    assert result.status == 0, result.err
    assert result.out.strip()


def test_on_a_terminal_it_prompts_dims_tools_and_leaves(talker: ServerProcess) -> None:
    with on_terminal(talker.url, "chat", "agent") as (process, controller):
        read_until(controller, "/quit leaves", "you> ")
        os.write(controller, b"refund order 42\n")
        screen = read_until(controller, "waits for: Refund order 42?", "answer> ")
        assert "\x1b[2m  ⚙ refund(" in screen
        os.write(controller, b"approve\n")
        read_until(controller, "Order 42 was refunded.", "you> ")
        os.write(controller, b"/quit\n")
        read_until(controller, "go on: lgserve chat agent -t ")
        assert process.wait(SECONDS) == 0


def test_without_colour_nothing_is_dimmed(talker: ServerProcess) -> None:
    with on_terminal(talker.url, "chat", "agent", NO_COLOR="1", TERM="dumb") as (process, term):
        read_until(term, "you> ")
        os.write(term, b"what is 2 + 2?\n")
        screen = read_until(term, "⚙ calculator", "2 + 2 = 4.", "you> ")
        assert re.findall(r"\x1b\[[0-9;]*m", screen) == []
        os.write(term, b"\x04")
        assert process.wait(SECONDS) == 0


def test_ctrl_c_stops_the_answer_and_not_the_chat(talker: ServerProcess) -> None:
    with on_terminal(talker.url, "chat", "agent") as (process, controller):
        read_until(controller, "you> ")
        os.write(controller, b"hello " + b"again " * 300 + b"\n")
        read_until(controller, "I am the demo")
        os.write(controller, b"\x03")
        read_until(controller, "stopped", "you> ")
        os.write(controller, b"what is 1 + 2?\n")
        read_until(controller, "1 + 2 = 3.", "you> ")
        assert interrupted(process, controller) == 0  # at the prompt it leaves


def interrupted(process: subprocess.Popen[bytes], controller: int) -> int:
    """Press Ctrl-C until it ends: Python's prompt misses one that comes as it begins to wait."""
    deadline = time.monotonic() + SECONDS
    while True:
        os.write(controller, b"\x03")
        with suppress(subprocess.TimeoutExpired):
            return process.wait(3)
        assert time.monotonic() < deadline


@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux here")
def test_in_tmux_the_screen_shows_the_conversation(talker: ServerProcess, tmp_path: Path) -> None:
    tmux = ["tmux", "-S", str(tmp_path / "tmux.sock")]
    command = f"{shlex.quote(sys.executable)} -m lgserve chat agent --url {talker.url}"
    subprocess.run(
        [*tmux, "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", command],
        check=True, env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
        timeout=SECONDS,
    )  # fmt: skip
    try:
        wait_for(tmux, "you>")
        subprocess.run([*tmux, "send-keys", "what is 6 * 7?", "Enter"], check=True)
        screen = wait_for(tmux, r"6 \* 7 = 42\.\n", "calculator")
        assert "you> what is 6 * 7?" in screen
        subprocess.run([*tmux, "send-keys", "Up"], check=True)  # readline remembers
        wait_for(tmux, r"you> what is 6 \* 7\?.*you> what is 6 \* 7\?")
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


def wait_for(tmux: list[str], *parts: str) -> str:
    """Return the screen once it shows all that is wanted."""
    deadline, screen = time.monotonic() + SECONDS, ""
    while not all(re.search(part, screen, re.DOTALL) for part in parts):
        assert time.monotonic() < deadline, screen
        capture = [*tmux, "capture-pane", "-p"]
        screen = subprocess.run(capture, check=True, capture_output=True, text=True).stdout
    return screen


def turn_of(*events: tuple[str, Any]) -> Turn:
    turn = Turn(Output(), silent=True)
    for name, data in events:
        turn.take(Event(event=name, data=data, id=None))
    turn.finish()
    return turn


def test_pieces_of_tool_calls_are_put_together() -> None:
    def piece(**fields: Any) -> list[Any]:
        return [{"type": "AIMessageChunk", "id": "m", "content": "", **fields}, {}]

    turn = turn_of(
        ("messages|sub:1", piece(tool_call_chunks=[{"name": "f", "args": '{"a"', "index": 0}])),
        ("messages|sub:1", piece(tool_call_chunks=[{"name": None, "args": ": 1}", "index": 0}])),
        ("messages", [{"type": "ai", "id": "n", "content": [{"type": "text", "text": "ok"}]}, {}]),
        ("error", {"error": "ValueError", "message": "no"}),
    )
    assert turn.tools == [{"name": "f", "args": {"a": 1}}]
    assert (turn.answer, turn.error) == ("ok", "ValueError: no")


def test_an_interrupt_seen_twice_is_asked_once() -> None:
    asked = [{"value": "sure?", "id": "1"}]
    turn = turn_of(
        ("updates|sub:1", {"__interrupt__": asked}), ("updates", {"__interrupt__": asked})
    )
    assert turn.interrupts == asked


def test_questions_are_put_in_words_and_answers_by_id() -> None:
    assert question_of({"value": "sure?\x1b[2J"}) == "sure?\N{REPLACEMENT CHARACTER}[2J"
    assert question_of({"value": {"question": "ok?", "n": 1}}) == 'ok?  {"n": 1}'
    assert question_of({"value": 3}) == "3"
    two = [{"id": "a", "value": 1}, {"id": "b", "value": 2}]
    assert answer_to(two[:1], ["x"]) == "x"
    assert answer_to(two, ["x", "y"]) == {"a": "x", "b": "y"}
