"""What `dev` and `serve` tell people: the banner, reloads, the end; or JSON lines."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lgserve import __version__, logs
from lgserve.cli.binding import is_loopback
from lgserve.cli.errors import say
from lgserve.cli.state_file import write_state
from lgserve.config_document import shown
from lgserve.core.errors import ConfigurationError
from lgserve.settings import Settings
from lgserve.watching import folders_to_watch

_WIDTH = 100
_LABEL = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is known before the server says that it is ready."""

    title: str
    settings: Settings
    reload: bool
    started: float
    studio_url: str | None = None


class Announcer:
    """Tells people on stderr; one JSON object an event where the log is JSON."""

    def __init__(self, launch: Launch, *, color: bool) -> None:
        self._launch = launch
        self._began = launch.started
        self._color = color
        self._json = not logs.is_pretty(launch.settings.log_format, sys.stderr)  # type: ignore[arg-type]
        self._banner = not self._json and sys.stderr.isatty()

    def ready(self, report: dict[str, Any], *, reloaded: bool) -> None:
        """Leave word for other commands, and write the banner, or after a reload one line."""
        write_state(self._launch.settings.project.root, report["url"], __version__)
        seconds = time.monotonic() - self._began
        if self._json:
            event = "server.reloaded" if reloaded else "server.ready"
            self._event(event, **self._facts(report), seconds=round(seconds, 3))
        elif reloaded:
            self._line("reload", f"ready in {seconds:.1f} s   {self._graphs_in_line(report)}")
            self._broken_graphs(report, indent=10)
        elif self._banner:
            self._write_banner(report, seconds)
        else:
            facts = self._facts(report)
            say(
                f"lgserve {__version__} ready at {facts['url']} in {seconds:.1f} s, "
                f"data {facts['data']}, config {facts['config']}, "
                f"graphs: {self._graphs_in_line(report)}"
            )
            self._broken_graphs(report, indent=2)

    def changed(self, paths: Sequence[Path]) -> None:
        """Say which files have changed."""
        self._began = time.monotonic()
        if self._json:
            self._event("server.reloading", changed=[str(path) for path in paths])
        else:
            more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
            self._line("reload", f"{', '.join(shown(path) for path in paths[:3])}{more} changed")

    def not_reloaded(self, error: ConfigurationError) -> None:
        """Say why a change of the config is not taken up."""
        if self._json:
            self._event("server.not_reloaded", level="error", error=error.message, hint=error.hint)
        else:
            self._line(
                "reload", f"{self._paint(error.message, '31')} → the last good version stays"
            )
            if error.hint:
                say(f"          hint: {error.hint}")

    def died(self, status: int) -> None:
        """Say that the server has ended without being told to."""
        how = f"signal {-status}" if status < 0 else f"status {status}"
        if self._json:
            self._event("server.died", level="error", status=status)
        else:
            text = f"the server ended by itself ({how}); it starts again on the next change"
            self._line("exit", self._paint(text, "31"))

    def stopping(self) -> None:
        """Say that runs may finish."""
        if self._json:
            self._event("server.stopping")
        elif self._banner:
            grace = self._launch.settings.grace_seconds
            self._line("stop", f"runs may finish for {grace:g} s · Ctrl-C again leaves at once")

    def not_watching(self, reason: str) -> None:
        """Say that changes will not be seen."""
        self.warn(f"files cannot be watched, so changes need a restart: {reason}")

    def warn(self, text: str) -> None:
        """Write a warning."""
        if self._json:
            self._event("server.warning", level="warning", message=text)
        else:
            say(f"{self._paint('warning:', '33')} {text}")

    def note(self, text: str) -> None:
        """Write a remark."""
        if self._json:
            self._event("server.note", message=text)
        else:
            say(f"note: {text}")

    def _facts(self, report: dict[str, Any]) -> dict[str, Any]:
        settings = self._launch.settings
        return {
            "version": __version__,
            "pid": os.getpid(),
            "url": report["url"],
            "data": self._data(),
            "config": _shown(settings.project.path),
            "recovered_runs": report["recovered_runs"],
            "graphs": [
                {
                    "graph_id": graph["graph_id"],
                    "seconds": round(graph["seconds"], 3),
                    "error": graph["error"],
                }
                for graph in report["graphs"]
            ],
        }

    def _data(self) -> str:
        database = self._launch.settings.database
        return ":memory:" if database is None else _shown(database)

    def _write_banner(self, report: dict[str, Any], seconds: float) -> None:
        launch, settings = self._launch, self._launch.settings
        head = f"lgserve {__version__}   {launch.title}"
        ready = f"ready in {seconds:.1f} s"
        say(f"{self._paint(head, '1')}{ready:>{max(len(ready) + 3, 90 - len(head))}}")
        self._row("API", report["url"], "health /ok")
        if launch.studio_url:
            studio = f"{launch.studio_url.rstrip('/')}/studio/?baseUrl={report['url']}"
            self._row("Studio", studio)
        self._row("Config", _shown(settings.project.path), f"({settings.project.found_how})")
        kept = self._data() != ":memory:"
        about = "SQLite, kept between starts · --fresh to reset" if kept else "gone at the stop"
        self._row("Data", self._data(), about)
        self._row("Auth", self._auth())
        self._row("Runs", f"{settings.n_jobs_per_worker} at once", self._recovered(report))
        for number, line in enumerate(self._graph_lines(report)):
            self._row("" if number else "Graphs", line)
        self._broken_graphs(report, indent=_LABEL)
        self._row("Reload", f"on: {self._watched()}" if launch.reload else "off")
        say("")

    def _auth(self) -> str:
        auth = self._launch.settings.auth
        if auth.type == "custom":
            return auth.path
        if auth.type == "none" and is_loopback(self._launch.settings.host):
            return "none (loopback only)"
        return auth.type

    def _recovered(self, report: dict[str, Any]) -> str:
        count = report["recovered_runs"]
        return f"{count} of the last start go on" if count else ""

    def _row(self, label: str, text: str, about: str = "") -> None:
        tail = f"  {self._paint(about, '2')}" if about else ""
        say(f"  {label:<{_LABEL - 2}}{text:<{30 if about else 0}}{tail}")

    def _watched(self) -> str:
        folders = [shown(folder) for folder in folders_to_watch(self._launch.settings)]
        return ", ".join("./" if folder == "." else f"{folder}/" for folder in folders)

    def _graphs_in_line(self, report: dict[str, Any]) -> str:
        return "   ".join(self._graph(graph) for graph in report["graphs"])

    def _graph(self, graph: dict[str, Any]) -> str:
        if graph["error"]:
            return f"{graph['graph_id']} {self._paint('✗', '31')}"
        return f"{graph['graph_id']} {self._paint('✓', '32')} {logs.duration(graph['seconds'])}"

    def _graph_lines(self, report: dict[str, Any]) -> list[str]:
        """Write the graphs side by side, as many a line as fit."""
        lines: list[list[str]] = [[]]
        width = 0
        for graph in report["graphs"]:
            text = self._graph(graph)
            size = len(graph["graph_id"]) + 12
            if lines[-1] and width + size > _WIDTH - _LABEL:
                lines.append([])
                width = 0
            lines[-1].append(text)
            width += size
        return ["   ".join(line) for line in lines]

    def _broken_graphs(self, report: dict[str, Any], *, indent: int) -> None:
        """Write why graphs do not load: the error, and the user's own frames."""
        blanks = " " * indent
        broken = [graph for graph in report["graphs"] if graph["error"]]
        for graph in broken:
            say(f"{blanks}{self._paint('✗', '31')} {graph['graph_id']}: {graph['error']}")
            if frames := _frames(graph["details"]):
                say(textwrap.indent(frames, f"{blanks}  "))
        if broken:
            names = ", ".join(f'"{graph["graph_id"]}"' for graph in broken)
            rest = " · other graphs are served" if len(broken) < len(report["graphs"]) else ""
            say(f"{blanks}hint: correct it, or remove {names} from graphs{rest}")

    def _line(self, label: str, text: str) -> None:
        now = self._paint(logs.clock(int(time.time())), "2")
        say(f"{now}  {label:<6}  {text}")

    def _event(self, event: str, *, level: str = "info", **fields: Any) -> None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = {"time": moment, "level": level, "logger": "lgserve", "event": event, **fields}
        say(json.dumps(line, default=str))

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color else text


def _shown(path: Path) -> str:
    """Write a path below the current folder as `./…`, which can be clicked in many terminals."""
    text = shown(path)
    return text if Path(text).is_absolute() else f"./{text}"


def _frames(details: str | None) -> str:
    """Return the frames of a traceback without the error at its end, which is told before."""
    lines = (details or "").rstrip().splitlines()
    return "\n".join(lines[:-1])
