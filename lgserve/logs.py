"""The server's log: one line a run on a terminal, one JSON object a line elsewhere.

Lines go to stderr by a thread of their own, so that a reader that stops reading stops nothing else:
lines that find no room are counted and dropped.

    14:02:13  run     agent     019aa3c2-1f3e  thread 7d1f0e88  success  2.11 s  14 steps  38 events
    14:02:15  run     agent     019aa3c2-2d01  thread 7d1f0e88  error    48 ms  1 step
              in node "retrieve"  given: question, documents
              File "src/agent.py", line 41, in retrieve
                  answer = ask(state["question"])
              ConnectionError: no answer from http://db:5432
    14:02:40  block   agent     node "retrieve" blocked the event loop 480 ms: work() at agent.py:57
              hint: use an async call, or asyncio.to_thread
    14:02:41  warn    httpx     …
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TextIO

LogFormat = Literal["auto", "pretty", "json"]
AccessLog = Literal["off", "errors", "all"]

RUNS = "lgserve.runs"
STALLS = "lgserve.loop"
ACCESS = "lgserve.access"

#: The loggers whose records are events, and the `extra` that holds their fields.
_EXTRAS = {RUNS: "run", STALLS: "stall", ACCESS: "access"}
#: Libraries that say at INFO what is of no interest to those who run a server.
_TALKATIVE = ("aiohttp", "asyncio", "httpcore", "httpx", "urllib3", "watchfiles")
#: Events of a run that are worth a line of their own only to those who look closely.
_MINOR_EVENTS = ("queued", "started")
_PROBES = ("/ok", "/ready", "/health", "/metrics")
_STATUS_COLORS = {
    "success": "32", "error": "31", "timeout": "31", "interrupted": "33", "requeued": "33",
    "rolled back": "33",
}  # fmt: skip
_LEVEL_NAMES = {"DEBUG": "debug", "INFO": "info", "WARNING": "warn", "ERROR": "error"}
_LEVEL_COLORS = {"warn": "33", "error": "31", "CRITICAL": "31"}
#: How the lines of frames begin in the details of an error.
_FRAME = ('File "', "    ")
_UNBLOCK = "hint: use an async call, or asyncio.to_thread"
_LINES_HELD = 10_000
_GATHER_SECONDS = 0.02


def configure(
    *,
    format: LogFormat = "auto",
    level: str = "info",
    access: AccessLog = "errors",
    color: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Set up logging for this process; a second call replaces the first.

    `auto` is pretty when the stream (stderr) is a terminal and JSON when it is not.
    """
    target = stream if stream is not None else sys.stderr
    threshold = logging.getLevelNamesMapping()[level.upper()]
    handler = _Handler(LineWriter(target))
    handler.setFormatter(_formatter(format, target, color=color))
    handler.addFilter(_worth_a_line(threshold, access))
    root = logging.getLogger()
    for old in [item for item in root.handlers if isinstance(item, _Handler)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(threshold)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    logging.getLogger(ACCESS).setLevel(logging.CRITICAL if access == "off" else logging.INFO)
    logging.captureWarnings(capture=True)


def is_pretty(format: LogFormat, stream: TextIO) -> bool:
    """Say whether a log of this format on this stream is for people."""
    return format == "pretty" or (format == "auto" and stream.isatty())


def _formatter(name: LogFormat, stream: TextIO, *, color: bool) -> logging.Formatter:
    return PrettyFormatter(color=color) if is_pretty(name, stream) else JsonFormatter()


def _worth_a_line(threshold: int, access: AccessLog) -> Callable[[logging.LogRecord], bool]:
    """Return the filter for records that only those who ask for it want to see."""
    detailed = threshold <= logging.DEBUG

    def keep(record: logging.LogRecord) -> bool:
        if run := _fields(record, RUNS):
            return detailed or run.get("event") not in _MINOR_EVENTS
        if access != "all" and (request := _fields(record, ACCESS)):
            return bool(request["status"] >= 400 and request["path"] not in _PROBES)
        return True

    return keep


def _fields(record: logging.LogRecord, logger: str) -> Mapping[str, Any] | None:
    """Return the fields of an event of ours; anybody may log an extra of the same name."""
    if record.name != logger:
        return None
    return record.__dict__.get(_EXTRAS[logger])


class LineWriter:
    """Writes lines to a stream from a thread of its own; it never holds up its caller."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="lgserve-log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Hand over a line, its end included."""
        if len(self._lines) >= _LINES_HELD:
            self._dropped += 1
            return
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()

    def close(self, timeout: float = 2.0) -> None:
        """Write what is left, for at most so many seconds, and end the thread."""
        self._closed = True
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not (self._closed and not self._lines):
            self._wake.wait()
            if not self._closed:
                time.sleep(_GATHER_SECONDS)  # gathers what comes together into one write
            self._wake.clear()
            self._write_out()

    def _write_out(self) -> None:
        batch = [self._lines.popleft() for _ in range(len(self._lines))]
        if self._dropped:
            batch.append(f"({self._dropped} log lines were dropped: nobody read them in time)\n")
            self._dropped = 0
        try:
            self._stream.write("".join(batch))
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads any more: serving goes on
            return


class _Handler(logging.Handler):
    """Formats in the caller's thread, where the record is whole, and writes elsewhere."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Format a record and hand it over."""
        try:
            self._writer.write(self.format(record) + "\n")
        except Exception:  # noqa: BLE001 - a record that cannot be formatted must not fail its caller
            self.handleError(record)

    def close(self) -> None:
        """Write what is left; `logging.shutdown` calls this at exit."""
        self._writer.close()
        super().close()


class _Seconds:
    """Formats the time of records; the text of a second is made once."""

    def __init__(self, make: Callable[[int], str]) -> None:
        self._make = make
        self._last: tuple[int, str] = (-1, "")

    def text(self, created: float) -> str:
        """Return the text of the second a record was made in."""
        second = int(created)
        last = self._last
        if last[0] != second:
            last = self._last = (second, self._make(second))
        return last[1]


def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def clock(second: int) -> str:
    """Return the local time of day, as log lines for people begin."""
    return time.strftime("%H:%M:%S", time.localtime(second))


#: What every record has; the rest was given by `extra`.
_USUAL = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, event, and the fields of the event."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = _Seconds(_utc)

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as JSON."""
        moment = f"{self._seconds.text(record.created)}.{int(record.created % 1 * 1e6):06d}Z"
        fields: dict[str, Any] = {
            "time": moment,
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields.update(_event_fields(record))
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str, separators=(",", ":"))


def _event_fields(record: logging.LogRecord) -> Mapping[str, Any]:
    """Return what a record says, flat: an event of ours, or a message and its extras."""
    if run := _fields(record, RUNS):
        return {**run, "event": f"run.{run.get('event')}"}
    if stall := _fields(record, STALLS):
        return {"event": "loop.stall", **stall}
    if request := _fields(record, ACCESS):
        return {"event": "http.request", **request}
    extras = {key: value for key, value in record.__dict__.items() if key not in _USUAL}
    return {"message": record.getMessage(), **extras}


class PrettyFormatter(logging.Formatter):
    """One line a run for people, coloured if they like."""

    def __init__(self, *, color: bool) -> None:
        super().__init__()
        self._color = color
        self._seconds = _Seconds(clock)

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as a line, and its details below."""
        if run := _fields(record, RUNS):
            text = self._run(run)
        elif stall := _fields(record, STALLS):
            text = self._stall(stall)
        elif request := _fields(record, ACCESS):
            text = self._access(request)
        else:
            text = self._plain(record)
        if record.exc_info:
            text += "\n" + _indented(self.formatException(record.exc_info))
        return f"{self._paint(self._seconds.text(record.created), '2')}  {text}"

    def _run(self, run: Mapping[str, Any]) -> str:
        event = run.get("event")
        status = str(run.get("status") or event)
        shown = status if event == "finished" else str(event)
        head = f"run     {run.get('graph_id') or '-':<8}  {short_id(run.get('run_id'))}"
        parts = [head, f"thread {short_id(run.get('thread_id'))}", self._status(shown)]
        parts += _measures(run)
        lines = ["  ".join(parts)]
        if run.get("node"):
            lines.append(_indented(f'in node "{run["node"]}"{_given(run.get("input_keys"))}'))
        if why := run.get("error_details") or run.get("error"):
            lines.append(self._error(str(why)))
        return "\n".join(lines)

    def _error(self, text: str) -> str:
        """Show the user's frames, and what was raised in red."""
        return "\n".join(
            _indented(line) if line.startswith(_FRAME) else self._paint(_indented(line), "31")
            for line in text.splitlines()
        )

    def _stall(self, stall: Mapping[str, Any]) -> str:
        who = f'node "{stall["node"]}"' if stall.get("node") else "code outside a node"
        over = stall.get("over", True)
        took = f"{duration(stall.get('seconds'))}{'' if over else ' so far'}"
        code = f": {printable(str(stall['code']))}" if stall.get("code") else ""
        line = (
            f"{self._paint('block', '33')}   {stall.get('graph_id') or '-':<8}  "
            f"{who} blocked the event loop {took}{code} at {stall.get('where')}"
        )
        return f"{line}\n{_indented(_UNBLOCK)}" if over else line

    def _access(self, access: Mapping[str, Any]) -> str:
        status = int(access["status"])
        code = self._paint(str(status), "31" if status >= 500 else "33" if status >= 400 else "32")
        path = str(access["path"])
        shown = path if path.isprintable() else repr(path)  # a path is written by a stranger
        return f"http    {access['method']} {shown}  {code}  {duration(access['seconds'])}"

    def _plain(self, record: logging.LogRecord) -> str:
        level = _LEVEL_NAMES.get(record.levelname, record.levelname)
        name = self._paint(record.name, "2")
        label = self._paint(f"{level:<6}", _LEVEL_COLORS.get(level, ""))
        first, _, rest = record.getMessage().rstrip().partition("\n")
        return f"{label}  {name}  {first}" + (f"\n{_indented(rest)}" if rest else "")

    def _status(self, status: str) -> str:
        return self._paint(f"{status:<7}", _STATUS_COLORS.get(status, ""))

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color and code else text


def _measures(run: Mapping[str, Any]) -> list[str]:
    """Write what a run took."""
    parts = []
    if run.get("seconds") is not None:
        parts.append(duration(run["seconds"]))
    parts += [_counted(run[name], name) for name in ("steps", "events") if run.get(name)]
    if run.get("first_event_seconds") is not None:
        parts.append(f"first event {duration(run['first_event_seconds'])}")
    if (run.get("queue_seconds") or 0) >= 0.1:
        parts.append(f"waited {duration(run['queue_seconds'])}")
    return parts


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun.removesuffix('s') if count == 1 else noun}"


def _given(keys: Sequence[str] | None) -> str:
    return f"  given: {', '.join(keys)}" if keys else ""


def duration(seconds: Any) -> str:
    """Write a length of time: `3 ms`, `2.11 s`, `250 s`."""
    if not isinstance(seconds, int | float):
        return "?"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:.0f} s"


def short_id(value: Any) -> str:
    """Shorten an id to a prefix that is still one of a kind: UUIDv7 needs its milliseconds."""
    text = str(value)
    return text[:13] if text[14:15] == "7" else text[:8]


def _indented(text: str) -> str:
    return "\n".join(f"          {printable(line)}" for line in text.splitlines())


def printable(line: str) -> str:
    """Escape what would do something to a terminal; a message may quote a stranger."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in line)
