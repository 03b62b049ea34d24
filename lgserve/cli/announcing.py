"""What `dev` and `serve` tell people: the banner, reloads, the end; or JSON lines."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lgserve import __version__, logs
from lgserve.cli.binding import is_loopback
from lgserve.cli.errors import say
from lgserve.cli.graph_lines import (
    broken,
    broken_lines,
    detail_lines,
    graph_text,
    in_line,
    problems_of,
    side_by_side,
)
from lgserve.cli.state_file import write_state
from lgserve.config_document import shown
from lgserve.core.errors import ConfigurationError
from lgserve.settings import Settings
from lgserve.watching import code_folders

_WIDTH = 100
_LABEL = 13
#: Seconds after which people are told that a change is being loaded.
_PATIENCE = 1.0


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
        self._broken: Mapping[str, Mapping[str, Any]] = {}
        self._changed: set[Path] = set()
        self._loading: threading.Timer | None = None

    def ready(self, report: dict[str, Any], *, reloaded: bool) -> None:
        """Leave word for other commands, and write the banner, or after a reload one line."""
        write_state(self._launch.settings.project.root, report["url"], __version__)
        seconds = time.monotonic() - self._began
        if self._json:
            event = "server.reloaded" if reloaded else "server.ready"
            self._event(event, **self._facts(report), seconds=round(seconds, 3))
        elif reloaded:
            self._reloaded(report, seconds)
        elif self._banner:
            self._write_banner(report, seconds)
        else:
            facts = self._facts(report)
            say(
                f"lgserve {__version__} ready at {facts['url']} in {seconds:.1f} s, "
                f"data {facts['data']}, config {facts['config']}, graphs: "
                + "   ".join(graph_text(graph, self._paint) for graph in report["graphs"])
            )
            self._broken_graphs(report, indent=2)

    def changed(self, paths: Sequence[Path]) -> None:
        """Say which files have changed: once they are loaded, or when that takes long."""
        if self._json:
            self._began = time.monotonic()
            self._event("server.reloading", changed=[str(path) for path in paths])
            return
        if not self._stop_waiting():
            self._changed.clear()
            self._began = time.monotonic()
        self._changed.update(paths)
        self._loading = threading.Timer(_PATIENCE, self._line, ("reload", self._what() + " …"))
        self._loading.daemon = True
        self._loading.start()

    def _stop_waiting(self) -> bool:
        """Tell whether a change was being loaded; from now on it is not."""
        loading, self._loading = self._loading, None
        if loading is not None:
            loading.cancel()
        return loading is not None

    def _what(self) -> str:
        paths = sorted(self._changed)
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        return f"{', '.join(shown(path) for path in paths[:3])}{more} changed"

    def _reloaded(self, report: dict[str, Any], seconds: float) -> None:
        self._stop_waiting()
        graphs = in_line(report["graphs"], self._is_touched, self._paint)
        runs = report["running_runs"]
        going_on = f" · {runs} running {'run goes' if runs == 1 else 'runs go'} on" if runs else ""
        what = self._what() if self._changed else "started again"
        self._line("reload", f"{what} → {graphs}   in {logs.duration(seconds)}{going_on}")
        self._broken_graphs(report, indent=10)

    def _is_touched(self, graph: Mapping[str, Any]) -> bool:
        """Tell whether the file of a graph is among those that changed."""
        spec = self._launch.settings.project.graphs.get(graph["graph_id"])
        return spec is not None and spec.file is not None and spec.file.resolve() in self._changed

    def not_reloaded(self, error: ConfigurationError) -> None:
        """Say why a change is not taken up."""
        self._stop_waiting()
        if self._json:
            self._event("server.not_reloaded", level="error", error=error.message, hint=error.hint)
            return
        problems = problems_of(getattr(error, "details", {}).get("graphs", {}))
        for problem in problems:
            self._kept(f"{problem.place} {problem.headline}".lstrip())
            self._indented([", ".join(problem.graphs), *detail_lines(problem)])
        if not problems:
            self._kept(error.message)
            self._indented([f"hint: {error.hint}"] if error.hint else [])

    def _kept(self, why: str) -> None:
        red = self._paint(logs.printable(why), "31")
        self._line("reload", f"{red} → the last good version stays")

    def _indented(self, lines: Iterable[str], indent: int = 10) -> None:
        for line in lines:
            say(f"{' ' * indent}{line}")

    def died(self, status: int) -> None:
        """Say that the server has ended without being told to."""
        self._stop_waiting()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        if self._json:
            self._event("server.died", level="error", status=status)
        else:
            text = f"the server ended by itself ({how}); it starts again on the next change"
            self._line("exit", self._paint(text, "31"))

    def stopping(self) -> None:
        """Say that runs may finish."""
        self._stop_waiting()
        if self._json:
            self._event("server.stopping")
        elif self._banner:
            grace = self._launch.settings.grace_seconds
            sys.stderr.write("\r")  # over the ^C that the terminal has shown
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
            "running_runs": report["running_runs"],
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
        self._addresses(report["url"])
        if launch.studio_url:
            studio = f"{launch.studio_url.rstrip('/')}/studio/?baseUrl={report['url']}"
            self._row("Studio", studio)
        self._row("Config", _shown(settings.project.path), f"({settings.project.found_how})")
        kept = self._data() != ":memory:"
        about = "SQLite, kept between starts · --fresh to reset" if kept else "gone at the stop"
        self._row("Data", self._data(), about)
        self._row("Auth", self._auth())
        self._row("Runs", f"{settings.n_jobs_per_worker} at once", self._recovered(report))
        lines = side_by_side(report["graphs"], self._paint, _WIDTH - _LABEL)
        for number, line in enumerate(lines):
            self._row("" if number else "Graphs", line)
        self._broken_graphs(report, indent=_LABEL)
        self._row("Reload", f"on: {self._watched()}" if launch.reload else "off")
        say("")

    def _addresses(self, url: str) -> None:
        """Write where everything is, but for what the config takes away."""
        settings = self._launch.settings
        http, prefix = settings.project.blocks.get("http", {}), settings.mount_prefix
        served = {name: http.get(f"disable_{name}") is not True for name in ("meta", "mcp", "a2a")}
        about = f"docs {prefix}/docs · metrics {prefix}/metrics · " if served["meta"] else ""
        self._row("API", f"{url}{prefix}", f"{about}health /ok")
        a2a = f"{prefix}/a2a/{{assistant_id}}"
        if served["mcp"]:
            self._row("MCP", f"{url}{prefix}/mcp", f"A2A {a2a}" if served["a2a"] else "")
        elif served["a2a"]:
            self._row("A2A", f"{url}{a2a}")

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
        settings = self._launch.settings
        folders = [shown(folder) for folder in code_folders(settings)]
        files = [shown(file) for file in settings.project.files]
        return ", ".join(["./" if name == "." else f"{name}/" for name in folders] + files)

    def _broken_graphs(self, report: dict[str, Any], *, indent: int) -> None:
        """Say why graphs do not load, once for as long as it stays the same."""
        known, self._broken = self._broken, broken(report["graphs"])
        self._indented(broken_lines(report["graphs"], known, self._paint), indent)

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
