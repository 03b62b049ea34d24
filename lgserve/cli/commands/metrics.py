"""`lgserve metrics`: the counters of a server, once or again and again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Annotated, Literal

import typer

from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.keys import Wait, leaving_by
from lgserve.cli.lazy import new_app
from lgserve.cli.metrics_view import (
    Selection,
    Tick,
    Watcher,
    digest,
    seconds_text,
    short,
    value_text,
)
from lgserve.cli.options import command, parse_seconds
from lgserve.cli.output import Column, Noun, Row, write
from lgserve.cli.prometheus_text import Series, lines_of, write_label_set

MetricsFormat = Literal["table", "json", "jsonl", "yaml", "prom"]

_LEAST_INTERVAL = 0.05
_COLUMNS = (
    Column(name="metric", path="metric"),
    Column(name="labels", path="labels"),
    Column(name="value", path="shown", kind="number"),
)
_METRICS = Noun(id_field="metric", columns=_COLUMNS, fields=("metric", "labels", "shown"))
_WITH_RATES = Noun(
    id_field="metric",
    columns=(*_COLUMNS, Column(name="per_second", path="rate", kind="number")),
    fields=("metric", "labels", "shown", "rate"),
)

app = new_app("metrics", "Show or watch counters.")


@command(app, "metrics", shared=open_session)
def show_metrics(
    session: Session,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Such as requests, runs.error, 'agent_*'."),
    ] = None,
    output: Annotated[
        MetricsFormat | None, typer.Option("--output", "-o", help="How to write.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again and again.")] = False,
    interval: Annotated[
        str, typer.Option("--interval", "-n", help="How often; also the time that --rate takes.")
    ] = "1s",
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="So many times, then end.")
    ] = None,
    pattern: Annotated[
        str | None, typer.Option("--filter", help="Only names like this: 'agent_*', '*'.")
    ] = None,
    rate: Annotated[bool, typer.Option("--rate", help="Show growth per second.")] = False,
) -> None:
    """Show the counters of a server; --watch shows them live, or a line a tick in a pipe."""
    form = output or session.out.format
    seconds = _interval(interval)
    _refuse_contradictions(form, watch=watch, count=count)
    selection = Selection(names=tuple(names or ()), pattern=pattern)
    summary = form in ("json", "jsonl", "yaml")
    watcher = Watcher(session.client, selection, summary=summary, note=session.out.note)
    if not watch:
        _show_once(session, watcher, form, selection, seconds, rate=rate)
    elif form == "table" and session.out.terminal:
        _show_live(session, watcher, selection, seconds, count)
    else:
        for tick in _ticks(session, watcher, seconds, count, _sleep):
            if tick is not None:
                write(_line(tick, form, selection, rate=rate))


def _interval(text: str) -> float:
    seconds = parse_seconds(text, "--interval")
    if seconds < _LEAST_INTERVAL:
        raise usage_error(f"--interval {text!r} is too short", "50ms is the least")
    return seconds


def _refuse_contradictions(form: str, *, watch: bool, count: int | None) -> None:
    if form == "id":
        raise usage_error("metrics have no ids", "-o table, json, jsonl, yaml or prom")
    if watch and form == "json" and count != 1:
        raise usage_error("--watch writes many documents, JSON is one", "-o jsonl")
    if count is not None and not watch:
        raise usage_error("--count is for --watch", "add --watch")


def _show_once(
    session: Session,
    watcher: Watcher,
    form: str,
    selection: Selection,
    seconds: float,
    *,
    rate: bool,
) -> None:
    tick = watcher.look()
    if rate:
        time.sleep(seconds)
        tick = watcher.look()
    if form == "prom":
        write(_prometheus(tick, selection))
    elif form == "table":
        rows = [_table_row(item, tick.rate(item)) for item in tick.series]
        session.out.rows(_WITH_RATES if rate else _METRICS, rows)
    else:
        session.out.value(tick.to_json())


def _show_live(
    session: Session, watcher: Watcher, selection: Selection, seconds: float, count: int | None
) -> None:
    """Keep a panel on the screen, until q or Ctrl-C."""
    from lgserve.cli.metrics_panel import Panel, terminal  # Rich, a tenth of a second

    console = terminal(color=session.out.color)
    panel = Panel(session.client.connection.url, seconds, selection, console)
    first = watcher.look()  # a wrong name or address is an error, not a panel
    with leaving_by("q") as wait, panel.live() as live:
        live.update(panel.draw(first), refresh=True)
        left = None if count is None else count - 1
        if left == 0 or wait(seconds):
            return
        failures = 0
        for tick in _ticks(session, watcher, seconds, left, wait):
            failures = 0 if tick is not None else failures + 1
            shown = panel.lost(failures) if tick is None else panel.draw(tick)
            live.update(shown, refresh=True)


def _ticks(
    session: Session, watcher: Watcher, seconds: float, count: int | None, wait: Wait
) -> Iterator[Tick | None]:
    """Yield a tick at each interval; None while the server is lost, as long as it may be."""
    number, lost_at, due = 0, 0.0, time.monotonic()
    while count is None or number < count:
        try:
            tick = watcher.look()
        except CliError as exc:
            lost_at = lost_at or time.monotonic()
            patience = session.client.connection.timeout_seconds
            too_long = time.monotonic() - lost_at > patience
            if not watcher.has_looked or not _may_pass(exc) or too_long:
                raise
            yield None
        else:
            lost_at, number = 0.0, number + 1
            yield tick
        if number == count:
            return
        due = max(due + seconds, time.monotonic())
        if wait(due - time.monotonic()):
            return


def _may_pass(exc: CliError) -> bool:
    return exc.exit_code in (ExitCode.UNREACHABLE, ExitCode.LATER, ExitCode.TIMED_OUT)


def _sleep(seconds: float) -> bool:
    time.sleep(max(seconds, 0.0))
    return False


def _line(tick: Tick, form: str, selection: Selection, *, rate: bool) -> str:
    """Write a tick as a line; Prometheus text has many, and an empty one at its end."""
    if form == "prom":
        return _prometheus(tick, selection) + "\n"
    if form != "table":
        return json.dumps(tick.to_json(), ensure_ascii=False, separators=(",", ":")) + "\n"
    clock = time.strftime("%H:%M:%S", time.localtime(tick.moment))
    if selection.is_default:
        cells = [f"{name}={text}" for name, text in digest(tick)]
    else:
        cells = [_cell(item, tick.rate(item), rate=rate) for item in tick.series]
    return "\t".join((clock, *cells)) + "\n"


def _cell(series: Series, growth: float | None, *, rate: bool) -> str:
    said = [(name, text) for name, text in series.labels if text]
    labels = f"{{{write_label_set(said)}}}" if said else ""
    value = f"{growth or 0:.1f}/s" if rate else value_text(series.value)
    return f"{short(series.name)}{labels}={value}"


def _prometheus(tick: Tick, selection: Selection) -> str:
    if selection.is_default:
        return tick.text
    return lines_of(tick.text, {item.name for item in tick.series})


def _table_row(series: Series, growth: float | None) -> Row:
    shown = value_text(series.value)
    if series.kind == "histogram" and series.value:
        seconds = series.name.endswith("_seconds")
        tell = seconds_text if seconds else lambda value: value_text(value or 0)
        quantiles = [tell(series.quantile(part)) for part in (0.5, 0.95)]
        shown = f"{shown}  p50 {quantiles[0]}  p95 {quantiles[1]}"
    return {
        "metric": short(series.name),
        "labels": {name: text for name, text in series.labels if text},
        "shown": shown,
        "rate": None if growth is None else f"{growth:.1f}",
    }
