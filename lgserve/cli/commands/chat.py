"""`lgserve chat`: talk to an assistant in this terminal."""

from __future__ import annotations

import http.client
import json
import shlex
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from lgserve.cli.chat_lines import Lines
from lgserve.cli.chatting import Turn, answer_to, question_of, value_of
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode, say, usage_error
from lgserve.cli.events import follow
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_assistant, find_thread_id, search_assistants
from lgserve.cli.options import command
from lgserve.cli.output import write

_HELP = """\
/state      the values of the thread
/history    its checkpoints, the latest first
/new        go on with a new thread
/quit       leave (or Ctrl-D); Ctrl-C stops an answer
//text      say /text
"""
_MODES = ["messages-tuple", "updates"]

app = new_app("chat", "Talk to an assistant in this terminal.")


@command(app, "chat", shared=open_session)
def chat(
    session: Session,
    assistant: Annotated[
        str | None,
        typer.Argument(metavar="[ASSISTANT]", help="Graph, name or id. [the only graph, or agent]"),
    ] = None,
    thread: Annotated[
        str | None, typer.Option("--thread", "-t", help="Go on with this thread.")
    ] = None,
) -> None:
    """Talk to an assistant: its words come as it finds them, tool calls are dimmed.

    What a run waits for is asked. /help lists what else there is. Without a terminal, each line
    that comes in is a message.

    Examples: lgserve chat agent; echo "what is 2 + 3?" | lgserve chat agent
    """
    found = _assistant(session, assistant)
    _refuse_speechless(session, found)
    _Chat(
        session=session,
        assistant_id=found["assistant_id"],
        name=found.get("name") or found["graph_id"],
        thread_id=find_thread_id(session.client, thread) if thread else None,
        lines=Lines(color=session.out.color),
    ).run()


def _assistant(session: Session, named: str | None) -> dict[str, Any]:
    """Return the assistant that is named; else that of the only graph, or of `agent`."""
    if named is not None:
        return find_assistant(session.client, named)
    rows = list(search_assistants(session.client, {}))
    graphs = sorted({row["graph_id"] for row in rows})
    if len(graphs) == 1 or "agent" in graphs:
        wanted = graphs[0] if len(graphs) == 1 else "agent"
        return find_assistant(session.client, wanted)
    raise usage_error(
        "which assistant?", f"lgserve chat NAME; graphs: {', '.join(graphs) or 'none'}"
    )


def _refuse_speechless(session: Session, assistant: dict[str, Any]) -> None:
    """Refuse a graph that says what it takes, and that messages are not among it."""
    schemas = session.client.get(f"/assistants/{assistant['assistant_id']}/schemas")
    taken = ((schemas or {}).get("input_schema") or {}).get("properties") or {}
    if taken and "messages" not in taken:
        raise usage_error(
            f"{assistant['graph_id']} takes no messages but {', '.join(taken)}",
            f"lgserve runs start -a {assistant['graph_id']} --input '{{…}}'",
        )


@dataclass(slots=True, kw_only=True)
class _Chat:
    """A conversation on one thread."""

    session: Session
    assistant_id: str
    name: str
    thread_id: str | None
    lines: Lines
    turns: list[dict[str, Any]] = field(default_factory=list)
    failed: str | None = None

    def run(self) -> None:
        """Talk until the end of input, or /quit."""
        if self.lines.asking:
            self.session.out.note(f"{self.name} · /help lists the commands, /quit leaves")
        waiting = self._waiting() if self.thread_id else []
        while (line := self._line(waiting)) is not None:
            if line.startswith("/") and not line.startswith("//"):
                if not self._obey(line, waiting):
                    break
                continue
            waiting = self._say(line.removeprefix("/") if line[0] == "/" else line, waiting)
        self._leave(waiting)

    def _line(self, waiting: list[Any]) -> str | None:
        if waiting:
            self._tell(f"waits for: {question_of(waiting[0])}")
        try:
            return self.lines.read("answer> " if waiting else "you> ")
        except KeyboardInterrupt:
            if not self.lines.asking:
                raise
            write("\n")
            return None

    def _say(self, line: str, waiting: list[Any]) -> list[Any]:
        """Send a message, or the answers a run waits for; return what it waits for then."""
        if not waiting:
            return self._turn(line, {"input": {"messages": [{"role": "user", "content": line}]}})
        answers: list[Any] = [_json_or_text(line)]
        for asked in waiting[1:]:
            following = self._line([asked])
            if following is None:
                return waiting
            answers.append(_json_or_text(following))
        return self._turn(line, {"command": {"resume": answer_to(waiting, answers)}})

    def _turn(self, line: str, what: dict[str, Any]) -> list[Any]:
        turn = Turn(self.session.out, silent=self.session.out.format != "table")
        try:
            self._stream(turn, what)
        except KeyboardInterrupt:
            self._stop(turn)
            if not self.lines.asking:
                raise
        except CliError as exc:
            if not self.lines.asking or exc.exit_code is ExitCode.DENIED:
                raise
            say(exc.as_text())
        turn.finish()
        self.failed = turn.error
        self._keep(line, turn)
        if turn.error:
            say(f"error: {turn.error}")
        return turn.interrupts

    def _stream(self, turn: Turn, what: dict[str, Any]) -> None:
        """Start a run and show it; when the connection is lost, from the last event seen."""
        self.thread_id = self.thread_id or str(uuid.uuid4())
        client, path = self.session.client, f"/threads/{self.thread_id}/runs"
        body = {
            **what, "assistant_id": self.assistant_id, "stream_mode": _MODES,
            "stream_subgraphs": True, "stream_resumable": True, "if_not_exists": "create",
        }  # fmt: skip
        opened = client.open("POST", f"{path}/stream", body)
        turn.run_id = _run_id(opened)

        def reopen(last_id: str | None) -> http.client.HTTPResponse:
            headers = {"last-event-id": last_id or "-1"}
            return client.open("GET", f"{path}/{turn.run_id}/stream", headers=headers)

        for event in follow(client, opened, reopen, self.session.out.note):
            turn.take(event)

    def _stop(self, turn: Turn) -> None:
        """Cancel the run whose answer nobody wants."""
        if turn.run_id is None:
            return
        path = f"/threads/{self.thread_id}/runs/{turn.run_id}/cancel"
        try:
            self.session.client.post(path, query={"wait": "1", "action": "interrupt"})
            self._tell("\nstopped")
        except CliError as exc:
            self._tell(f"\nnot stopped: {exc.message}")

    def _keep(self, line: str, turn: Turn) -> None:
        record = {
            "you": line, "answer": turn.answer, "tools": turn.tools,
            "waits_for": [value_of(item) for item in turn.interrupts], "error": turn.error,
            "thread_id": self.thread_id, "run_id": turn.run_id,
        }  # fmt: skip
        if self.session.out.format == "jsonl":
            self.session.out.value(record)
        else:
            self.turns.append(record)

    def _waiting(self) -> list[Any]:
        """Return what the thread's last run waits for."""
        thread = self.session.client.get(f"/threads/{self.thread_id}")
        found = thread.get("interrupts") or {}
        return [item for items in found.values() for item in items]

    def _obey(self, line: str, waiting: list[Any]) -> bool:
        """Carry out a command; false is the wish to leave."""
        word = line.split()[0].lower()
        if word in ("/quit", "/exit", "/q"):
            return False
        if word == "/help":
            say(_HELP.rstrip())
        elif word == "/new":
            self.thread_id = None
            waiting.clear()
            self._tell("a new thread")
        elif word in ("/state", "/history"):
            self._show(word)
        else:
            say(f"there is no {word}; /help lists what there is")
        return True

    def _show(self, word: str) -> None:
        if self.thread_id is None:
            self._tell("nothing was said yet")
            return
        try:
            if word == "/state":
                state = self.session.client.get(f"/threads/{self.thread_id}/state")
                write(json.dumps(state["values"], indent=2, ensure_ascii=False) + "\n")
            else:
                path = f"/threads/{self.thread_id}/history"
                for state in self.session.client.get(path, {"limit": 20}):
                    write(_checkpoint(state))
        except CliError as exc:
            say(exc.as_text())

    def _leave(self, waiting: list[Any]) -> None:
        if self.session.out.format in ("json", "yaml"):
            self.session.out.value({"thread_id": self.thread_id, "turns": self.turns})
        elif self.session.out.format == "id" and self.thread_id:
            write(f"{self.thread_id}\n")
        if self.thread_id:
            again = shlex.join(["lgserve", "chat", self.name, "-t", self.thread_id])
            self._tell(f"{'it still waits for an answer; ' if waiting else ''}go on: {again}")
        if self.failed and not self.lines.asking:
            raise typer.Exit(ExitCode.UNSOUND)

    def _tell(self, text: str) -> None:
        self.session.out.note(text)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _checkpoint(state: dict[str, Any]) -> str:
    metadata = state.get("metadata") or {}
    name = str((state.get("checkpoint") or {}).get("checkpoint_id") or "")
    following = ", ".join(state.get("next") or ()) or "end"
    step, source = metadata.get("step", ""), metadata.get("source", "")
    return f"{name}\t{step}\t{source}\tnext: {following}\t{state.get('created_at') or ''}\n"


def _run_id(response: http.client.HTTPResponse) -> str | None:
    location = response.headers.get("content-location") or response.headers.get("location") or ""
    _, found, rest = location.partition("/runs/")
    return rest.split("/")[0] if found else None
