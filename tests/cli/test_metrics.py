"""`lgserve metrics`: the parser, one look, a line a tick, and the live panel on a terminal."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

import lgserve as package
from lgserve.cli.client import ApiClient, Connection
from lgserve.cli.metrics_panel import Panel, sparkline
from lgserve.cli.metrics_view import Selection, Watcher
from lgserve.cli.prometheus_text import parse

if TYPE_CHECKING:
    from tests.cli.conftest import Api, Lgserve
    from tests.servers import ServerProcess

ROOT = Path(package.__file__).parent.parent
SECONDS = 40
TEXT = r"""# HELP lgserve_requests_total Requests.
# TYPE lgserve_requests_total counter
lgserve_requests_total{path="/a{b}",note="q\"\\\n,"} 3.0
lgserve_requests_total{path="/c",note=""} 1e3
# TYPE lgserve_wait_seconds histogram
lgserve_wait_seconds_bucket{le="0.1"} 2.0
lgserve_wait_seconds_bucket{le="1.0"} 4.0
lgserve_wait_seconds_bucket{le="+Inf"} 4.0
lgserve_wait_seconds_count 4.0
lgserve_wait_seconds_sum 1.5
# TYPE lgserve_errors_total counter
# TYPE lgserve_active gauge
lgserve_active 7.0 1700000000000
odd line that is none
bare_count 5
"""


def test_prometheus_text_is_read() -> None:
    scrape = parse(TEXT)
    assert [(item.name, item.kind, dict(item.labels), item.value) for item in scrape.series] == [
        ("lgserve_requests_total", "counter", {"path": "/a{b}", "note": 'q"\\\n,'}, 3.0),
        ("lgserve_requests_total", "counter", {"path": "/c", "note": ""}, 1000.0),
        ("lgserve_wait_seconds", "histogram", {}, 4.0),
        ("lgserve_active", "gauge", {}, 7.0),
        ("bare_count", "untyped", {}, 5.0),
    ]
    assert "lgserve_errors_total" in scrape.names


def test_quantiles_are_reckoned_within_a_bucket() -> None:
    histogram = parse(TEXT).series[2]
    assert histogram.quantile(0.25) == pytest.approx(0.05)
    assert histogram.quantile(0.75) == pytest.approx(0.55)
    assert histogram.quantile(1.0) == 1.0
    assert parse("# TYPE x histogram\nx_count 0\n").series[0].quantile(0.5) is None


def test_our_parser_reads_what_the_library_reads(server: ServerProcess, real: Lgserve) -> None:
    real("runs", "start", "-a", "echo", "-i", '{"text": "x"}')
    text = real("metrics", "-o", "prom", "--filter", "*").out
    theirs = {
        (sample.name, tuple(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if family.type in ("counter", "gauge")
    }
    ours = {
        (item.name, item.labels): item.value
        for item in parse(text).series
        if item.kind in ("counter", "gauge")
    }
    assert ours == theirs
    assert any(name == "lgserve_agent_invocations_total" for name, _ in ours)


def test_a_look_has_the_servers_summary_and_every_series(real: Lgserve) -> None:
    real("runs", "start", "-a", "echo", "-i", '{"text": "x"}')
    found = real("metrics", "-o", "json").json
    assert {"time", "uptime_seconds", "requests", "storage", "agent", "streams"} <= found.keys()
    rows = {
        row["name"]: row for row in found["metrics"] if row["labels"] in ({}, {"graph_id": "echo"})
    }
    assert rows["lgserve_agent_invocations_total"]["value"] >= 1
    assert rows["lgserve_run_duration_seconds"].keys() == {
        "name", "type", "labels", "count", "sum", "p50", "p95", "p99",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "name", "labels"),
    [
        (["runs.success"], "lgserve_runs_total", {"status": "success"}),
        (["lgserve_active_runs"], "lgserve_active_runs", {}),
        (["queue_*"], "lgserve_queue_pending", {}),
        (["--filter", "database_*"], "lgserve_database_bytes", {}),
    ],
)
def test_a_metric_is_picked_by_name_label_or_pattern(
    real: Lgserve, asked: list[str], name: str, labels: dict[str, str]
) -> None:
    rows = real("metrics", *asked, "-o", "json").json["metrics"]
    assert [(row["name"], row["labels"]) for row in rows] == [(name, labels)]


def test_an_unknown_metric_is_refused_with_what_is_near(real: Lgserve) -> None:
    result = real("metrics", "request")
    assert (result.status, result.out) == (2, "")
    assert "hint:  did you mean requests" in result.err


def test_a_table_has_rates_when_they_are_asked_for(real: Lgserve) -> None:
    head, *rows = real("metrics", "--rate", "--interval", "50ms").table
    assert head == ["METRIC", "LABELS", "VALUE", "PER_SECOND"]
    speeds = {row[0]: row[3] for row in rows if row[1] == "method=GET path=/metrics status=200"}
    assert float(speeds["requests"]) > 0


def test_watching_as_json_lines_is_exactly_a_line_a_tick(real: Lgserve) -> None:
    started = time.monotonic()
    result = real("metrics", "--watch", "--interval", "0.3s", "--count", "3", "-o", "jsonl")
    assert 0.6 <= time.monotonic() - started < 5
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert (result.status, len(lines), result.err) == (0, 3, "")
    assert "rate" not in lines[0]["metrics"][0]
    assert all("rate" in row for row in lines[2]["metrics"])
    assert lines[0]["time"] < lines[1]["time"] < lines[2]["time"]


def test_watching_in_a_pipe_is_a_line_a_tick(real: Lgserve) -> None:
    result = real("metrics", "-w", "-n", "50ms", "--count", "2")
    first, second = result.table
    assert re.fullmatch(r"\d\d:\d\d:\d\d", first[0])
    assert [cell.split("=")[0] for cell in first[1:]] == [
        "pending", "running", "streams", "requests", "errors", "runs", "failed", "tokens",
        "threads", "req/s", "err/s", "runs/s", "db_mb",
    ]  # fmt: skip
    assert (first[10], second[11]) == ("req/s=-", "err/s=0.0")
    named = real("metrics", "-w", "-n", "50ms", "--count", "2", "active_runs", "--rate")
    assert [row[1:] for row in named.table] == [["active_runs=0.0/s"]] * 2


def test_the_reference_servers_figures_are_shown_too(lgserve: Lgserve, api: Api) -> None:
    text = "# TYPE lg_api_workers_max gauge\nlg_api_workers_max 10\n"
    api.pages["/metrics"] = text.encode()
    api.pages["/metrics?format=json"] = b'{"queue": {"n_pending": 2}, "workers": {"max": 10}}'
    assert lgserve("metrics").table[1] == ["lg_api_workers_max", "", "10"]
    assert lgserve("metrics", "-o", "json").json["queue"] == {"n_pending": 2}
    line = lgserve("metrics", "-w", "--count", "1").table[0]
    assert line[1:] == ["queue.n_pending=2", "workers.max=10"]


def test_rates_begin_anew_when_the_server_has(api: Api) -> None:
    client = ApiClient(Connection(url=api.url, url_source="the test"))
    watcher = Watcher(client, Selection(names=("x",)), summary=False)
    api.pages["/metrics"] = b"# TYPE x counter\nx 100\n"
    watcher.look()
    api.pages["/metrics"] = b"# TYPE x counter\nx 5\n"
    tick = watcher.look()
    assert (tick.rate(tick.series[0]) or -1) > 0
    client.close()


def test_a_lost_server_is_waited_for_and_then_given_up(lgserve: Lgserve, api: Api) -> None:
    api.pages["/metrics"] = b"# TYPE x counter\nx 1\n"
    api.failing = 2
    result = lgserve("metrics", "x", "-w", "-n", "50ms", "--count", "2")
    assert (result.status, [row[1] for row in result.table]) == (7, [])
    api.pages_until_failure = 1
    api.failing = 2
    result = lgserve("metrics", "x", "-w", "-n", "50ms", "--count", "2")
    assert (result.status, [row[1] for row in result.table]) == (0, ["x=1", "x=1"])


def test_a_sparkline_has_its_highest_bar_full() -> None:
    assert sparkline([0, 1, 2, 4]) == "▁▂▄█"
    assert sparkline([0, 0]) == "▁▁"
    assert len(sparkline(range(100))) == 24


#: Makes stdin the controlling terminal of a new session, as a shell's terminal is.
ON_TERMINAL = (
    "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "from lgserve.cli.main import main; main()"
)


@contextmanager
def on_terminal(
    url: str, *arguments: str, **variables: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a command on a terminal of its own, for as long as the block lasts."""
    controller, terminal = pty.openpty()
    more = {"PYTHONPATH": str(ROOT), "LGSERVE_URL": url, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, *arguments],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        env={**os.environ, **more, **variables},
    )
    os.close(terminal)
    try:
        yield process, controller
    finally:
        process.kill()
        process.wait(SECONDS)
        os.close(controller)


def read_until(controller: int, *texts: str) -> str:
    """Read a terminal until all texts have come, one behind the other."""
    seen, deadline = b"", time.monotonic() + SECONDS
    wanted = re.compile(b".*".join(re.escape(text.encode()) for text in texts), re.DOTALL)
    while not wanted.search(seen):
        ready, _, _ = select.select([controller], [], [], max(deadline - time.monotonic(), 0))
        assert ready, seen
        seen += os.read(controller, 10_000)
    return seen.decode(errors="replace")


SHOW_CURSOR = "\x1b[?25h"


def test_on_a_terminal_the_panel_lives_until_q(server: ServerProcess) -> None:
    watch = ("metrics", "--watch", "--interval", "100ms")
    with on_terminal(server.url, *watch) as (process, controller):
        screen = read_until(controller, "COUNTER", "LAST 2 S", "GAUGE", "TIMING", "█")
        assert "\x1b[1m" in screen  # the head is bold
        os.write(controller, b"q")
        read_until(controller, SHOW_CURSOR)
        assert process.wait(SECONDS) == 0


def test_on_a_terminal_without_colour_nothing_is_painted(server: ServerProcess) -> None:
    watch = ("metrics", "-w", "-n", "50ms", "--count", "2")
    with on_terminal(server.url, *watch, NO_COLOR="1") as (process, controller):
        screen = read_until(controller, "COUNTER", SHOW_CURSOR)
        assert process.wait(SECONDS) == 0
    assert re.findall(r"\x1b\[[0-9;]*m", screen) == []


def test_ctrl_c_leaves_the_terminal_as_it_was(server: ServerProcess) -> None:
    with on_terminal(server.url, "metrics", "-w", "-n", "10s") as (process, controller):
        read_until(controller, "COUNTER", "TIMING")
        os.write(controller, b"\x03")
        read_until(controller, SHOW_CURSOR)
        assert process.wait(SECONDS) == 130


#: What the panel must have shown: its two tables, a counter that moves, and a gauge.
_SHOWN = (
    r"COUNTER +TOTAL +/S +LAST 2 S",
    r"GAUGE +VALUE",
    r"requests 200 +\d+ +\d+\.\d +[▁▂▃▄▅▆▇█]*█",
    r"queue_pending +\d+",
)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux here")
def test_in_tmux_the_screen_shows_counters_and_bars(server: ServerProcess, tmp_path: Path) -> None:
    tmux = ["tmux", "-S", str(tmp_path / "tmux.sock")]
    command = f"{shlex.quote(sys.executable)} -m lgserve metrics -w -n 100ms --url {server.url}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [*tmux, "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", command],
        check=True, env=environment, timeout=SECONDS,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + SECONDS
        screen = ""
        while not all(re.search(part, screen) for part in _SHOWN):
            assert time.monotonic() < deadline, screen
            capture = [*tmux, "capture-pane", "-p"]
            screen = subprocess.run(capture, check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


@pytest.mark.parametrize(("width", "height"), [(120, 40), (120, 12), (80, 24), (60, 15)])
def test_the_panel_fits_the_terminal(api: Api, width: int, height: int) -> None:
    lines = [f'lgserve_runs_total{{status="status {n} of many"}} {n}' for n in range(30)]
    text = "# TYPE lgserve_runs_total gauge\n" + "\n".join(lines) + "\n" + TEXT
    api.pages["/metrics"] = text.encode()
    client = ApiClient(Connection(url=api.url, url_source="the test"))
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    panel = Panel(api.url, 1.0, Selection(), console)
    watcher = Watcher(client, Selection(), summary=False)
    drawn = console.render_lines(panel.draw(watcher.look()), pad=False)
    client.close()
    screen = ["".join(segment.text for segment in line) for line in drawn]
    assert len(screen) <= height
    assert any("TOTAL" in line for line in screen)
    assert any("TIMING" in line for line in screen)
    assert any(line.strip().startswith("active") or " active " in line for line in screen)
    assert any("runs status 29 of many" in line for line in screen) is (height == 40)


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("request", "requests"),
        ("run_seconds", "run_duration_seconds"),
        ("lgserve_agent_token", "agent_tokens"),
        ("streams", "active_streams"),
        ("database", "database_bytes"),
    ],
)
def test_an_unknown_name_brings_those_that_are_like_it(
    real: Lgserve, name: str, suggested: str
) -> None:
    result = real("metrics", name)
    assert (result.status, result.out) == (2, "")
    assert suggested in result.err.partition("did you mean")[2]


def test_a_filter_that_nothing_matches_says_so(real: Lgserve) -> None:
    result = real("metrics", "--filter", "nothing_like_it*", "-o", "json")
    assert (result.status, result.json["metrics"]) == (0, [])
    assert "no metric matches --filter 'nothing_like_it*'" in result.err


def test_a_label_that_is_not_there_yet_brings_those_that_are(real: Lgserve) -> None:
    real("threads", "create")
    result = real("metrics", "threads.eror")
    assert "threads.eror has no value yet · there are: " in result.err
    assert "threads.idle" in result.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0", "--interval '0' is not a duration: it must be more than 0"),
        ("-1s", "--interval '-1s' is not a duration: it must be more than 0"),
        ("soon", "--interval 'soon' is not a duration"),
        ("1ms", "--interval '1ms' is too short"),
    ],
)
def test_an_interval_that_is_none_is_named(real: Lgserve, text: str, said: str) -> None:
    result = real("metrics", "--watch", "--interval", text, "--count", "1")
    assert result.status == 2
    assert said in result.err
