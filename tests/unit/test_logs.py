from __future__ import annotations

import io
import json
import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lgserve import logs

RUN = {
    "event": "finished",
    "run_id": "019aa3c2-1f3e-7000-8000-000000000001",
    "thread_id": "7d1f0e88-0000-4000-8000-000000000002",
    "graph_id": "agent",
    "status": "success",
    "seconds": 2.11,
    "queue_seconds": 0.003,
    "steps": 14,
    "events": 38,
}
TIME = r"\d\d:\d\d:\d\d"


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Put logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in [item for item in root.handlers if item not in handlers]:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in (logs.ACCESS, *logs._TALKATIVE):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)


def close() -> None:
    """Wait until all lines are written."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logs._Handler):
            handler.close()


def logged(**options: Any) -> str:
    """Configure, log one run, and return what was written."""
    stream = io.StringIO()
    logs.configure(stream=stream, **options)
    logging.getLogger("lgserve.runs").info("run", extra={"run": RUN})
    close()
    return stream.getvalue()


def written(record: Any, **options: Any) -> str:
    stream = io.StringIO()
    logs.configure(stream=stream, **options)
    record()
    close()
    return stream.getvalue()


def test_a_run_is_one_line_for_people() -> None:
    assert re.fullmatch(
        TIME + "  run     agent     019aa3c2-1f3e  thread 7d1f0e88  success  2.11 s  "
        "14 steps  38 events\n",
        logged(format="pretty"),
    )


def test_a_run_is_one_json_object_for_programs() -> None:
    line = json.loads(logged(format="json"))
    moment = line.pop("time")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", moment)
    assert line == {**RUN, "level": "info", "logger": "lgserve.runs", "event": "run.finished"}


def test_auto_is_json_where_the_stream_is_no_terminal() -> None:
    assert logged(format="auto").startswith("{")


def test_colours_appear_only_when_they_are_allowed() -> None:
    assert "\x1b[32msuccess" in logged(format="pretty", color=True)
    assert "\x1b" not in logged(format="pretty", color=False)


def finished(**facts: Any) -> str:
    """Log the end of a run, and return what people see of it."""
    return written(
        lambda: logging.getLogger("lgserve.runs").info("run", extra={"run": RUN | facts}),
        format="pretty",
        color=facts.pop("color", False),
    )


def test_a_failed_run_shows_node_input_keys_and_the_frames_of_the_user() -> None:
    details = 'File "src/agent.py", line 5, in node\n    raise ValueError("boom")\nValueError: boom'
    text = finished(
        status="error",
        error="ValueError: An internal error occurred",  # as clients are told
        error_details=details,
        node="outer > node",
        input_keys=("question", "documents"),
    )
    assert text.splitlines()[1:] == [
        '          in node "outer > node"  given: question, documents',
        '          File "src/agent.py", line 5, in node',
        '              raise ValueError("boom")',
        "          ValueError: boom",
    ]


def test_an_error_without_frames_is_told() -> None:
    assert finished(error="TimeoutError: too long").splitlines()[1:] == [
        "          TimeoutError: too long"
    ]


def test_what_was_raised_is_red() -> None:
    details = 'File "a.py", line 5, in node\n    raise ValueError\nValueError: boom'
    lines = finished(error_details=details, color=True).splitlines()
    assert [line for line in lines if "\x1b[31m" in line] == [
        "\x1b[31m          ValueError: boom\x1b[0m"
    ]


def test_an_error_that_quotes_a_stranger_cannot_write_to_the_terminal() -> None:
    text = finished(error_details="ValueError: \x1b[2J\x07é\t", input_keys=("\x1b",), node="n\r")
    assert r"ValueError: \x1b[2J\x07é" in text
    assert not set("\x1b\x07\r") & set(text)


def test_the_time_of_the_first_event_is_told() -> None:
    assert finished(events=1, steps=1, first_event_seconds=0.041).endswith(
        "2.11 s  1 step  1 event  first event 41 ms\n"
    )


def test_a_long_wait_in_the_queue_is_told() -> None:
    text = written(
        lambda: logging.getLogger("lgserve.runs").info(
            "run", extra={"run": RUN | {"queue_seconds": 1.5}}
        ),
        format="pretty",
    )
    assert text.endswith("waited 1.50 s\n")


@pytest.mark.parametrize(
    ("level", "lines"), [("info", ["requeued"]), ("debug", ["queued", "started", "requeued"])]
)
def test_the_small_steps_of_a_run_are_told_on_request(level: str, lines: list[str]) -> None:
    def steps() -> None:
        for event in ("queued", "started", "requeued"):
            logging.getLogger("lgserve.runs").info("run", extra={"run": {"event": event}})

    text = written(steps, format="json", level=level)
    assert [json.loads(line)["event"] for line in text.splitlines()] == [
        f"run.{event}" for event in lines
    ]


def test_a_stall_names_the_place() -> None:
    stall = {"where": "src/agent.py:57", "node": "retrieve", "seconds": 0.48, "graph_id": "agent"}
    assert blocked(stall | {"code": "time.sleep(1)"}) == (
        '  block   agent     node "retrieve" blocked the event loop 480 ms: time.sleep(1) '
        "at src/agent.py:57\n          hint: use an async call, or asyncio.to_thread\n"
    )
    assert blocked(stall | {"over": False}) == (
        '  block   agent     node "retrieve" blocked the event loop 480 ms so far '
        "at src/agent.py:57\n"
    )


def blocked(stall: dict[str, Any]) -> str:
    """Log a stall, and return what people see of it but for the time."""
    text = written(
        lambda: logging.getLogger("lgserve.loop").warning("stall", extra={"stall": stall}),
        format="pretty",
    )
    assert re.match(TIME, text)
    return text[8:]


@pytest.mark.parametrize(
    ("access", "told"),
    [("off", []), ("errors", [404, 500]), ("all", [200, 200, 404, 503, 500])],
)
def test_requests_are_logged_as_asked(access: logs.AccessLog, told: list[int]) -> None:
    def requests() -> None:
        for path, status in (("/a", 200), ("/ok", 200), ("/b", 404), ("/ready", 503), ("/c", 500)):
            fields = {"method": "GET", "path": path, "status": status, "seconds": 0.01}
            logging.getLogger("lgserve.access").info("access", extra={"access": fields})

    text = written(requests, format="json", access=access)
    assert [json.loads(line)["status"] for line in text.splitlines()] == told


def test_a_path_of_a_stranger_cannot_write_to_the_terminal() -> None:
    fields = {"method": "GET", "path": "/\x1b[2J\n", "status": 404, "seconds": 0.01}
    text = written(
        lambda: logging.getLogger("lgserve.access").info("access", extra={"access": fields}),
        format="pretty",
    )
    assert r"GET '/\x1b[2J\n'  404" in text


def test_the_records_of_others_are_logged_with_their_extras() -> None:
    text = written(
        lambda: logging.getLogger("my.agent").info("hello %s", "you", extra={"run": "mine"}),
        format="json",
    )
    line = json.loads(text)
    assert (line["message"], line["run"], line["logger"]) == ("hello you", "mine", "my.agent")


def test_a_value_without_a_json_form_is_written_as_text() -> None:
    text = written(
        lambda: logging.getLogger("my.agent").info("x", extra={"thing": {1, 2}, "bad": "\ud800"}),
        format="json",
    )
    assert json.loads(text)["thing"] == "{1, 2}"


def test_libraries_that_talk_much_are_heard_from_warnings_on() -> None:
    def talk() -> None:
        logging.getLogger("httpx").info("HTTP Request")
        logging.getLogger("httpx").warning("odd")

    text = written(talk, format="pretty")
    assert re.fullmatch(TIME + "  warn    httpx  odd\n", text)


def test_an_exception_is_shown_below_its_line() -> None:
    def fail() -> None:
        try:
            raise KeyError("lost")
        except KeyError:
            logging.getLogger("x").exception("bad\nthing")

    lines = written(fail, format="pretty").splitlines()
    assert lines[1] == "          thing"
    assert lines[2] == "          Traceback (most recent call last):"
    assert lines[-1] == "          KeyError: 'lost'"


def test_a_second_configuration_replaces_the_first() -> None:
    first = io.StringIO()
    logs.configure(stream=first, format="json")
    assert logged(format="json").count("\n") == 1
    assert first.getvalue() == ""


def test_a_reader_that_stops_reading_stops_no_logger_and_is_told_what_it_missed() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "w") as stream, os.fdopen(read_end) as reader:
        writer = logs.LineWriter(stream)
        began = time.monotonic()
        for _ in range(3 * logs._LINES_HELD):
            writer.write("x" * 99 + "\n")
        assert time.monotonic() - began < 5
        lines: list[str] = []
        reading = threading.Thread(target=lambda: lines.extend(reader))
        reading.start()
        writer.close(10)
        stream.close()
        reading.join(10)
    told = [re.match(r"\((\d+) log lines were dropped", line) for line in lines]
    dropped = sum(int(match[1]) for match in told if match)
    assert dropped > 0
    assert dropped + sum(match is None for match in told) == 3 * logs._LINES_HELD


def test_a_closed_stream_fails_nobody() -> None:
    stream = io.StringIO()
    logs.configure(stream=stream, format="json")
    stream.close()
    logging.getLogger("x").warning("lost")
    close()


def test_logging_a_run_is_cheap() -> None:
    logs.configure(stream=io.StringIO(), format="json")
    log, count = logging.getLogger("lgserve.runs"), 2000
    began = time.process_time()
    for _ in range(count):
        log.info("run", extra={"run": RUN})
    # 13 us where nothing else runs; the bound allows for a busy machine.
    assert (time.process_time() - began) / count < 100e-6
