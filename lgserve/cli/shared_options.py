"""The options that commands of several kinds have, each written once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, get_args

import typer

from lgserve.cli.environment import ClientEnvironment, ColorChoice
from lgserve.cli.errors import usage_error
from lgserve.cli.output import Format, Output, TimeStyle

# How to write
OutputFormat: TypeAlias = Annotated[
    Format | None, typer.Option("--output", "-o", help="How to write. [env: LGSERVE_OUTPUT]")
]
Fields: TypeAlias = Annotated[str | None, typer.Option("--fields", help="Only these fields: a,b.c")]
Color: TypeAlias = Annotated[ColorChoice, typer.Option("--color", help="Colour.")]
Times: TypeAlias = Annotated[
    TimeStyle | None,
    typer.Option("--time", help="How to write times; relative on a terminal, else iso."),
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No notes on stderr.")]
Debug: TypeAlias = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]

# What to write about
Config: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Config file or its folder. [env: LGSERVE_CONFIG]"),
]
Metadata: TypeAlias = Annotated[
    list[str] | None, typer.Option("--metadata", help="key=text or key:=json. Repeatable.")
]
Limit: TypeAlias = Annotated[int, typer.Option("--limit", min=1, help="How many.")]
Offset: TypeAlias = Annotated[int, typer.Option("--offset", min=0, help="How many to skip.")]
Order: TypeAlias = Annotated[
    Literal["asc", "desc"], typer.Option("--order", help="Which end comes first.")
]
Everything: TypeAlias = Annotated[bool, typer.Option("--all", help="All of them.")]
ThreadId: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID", help="Thread id, or at least 6 first characters of it.")
]
RunId: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID", help="Run id, or at least 6 first characters of it.")
]
ThreadOfRun: TypeAlias = Annotated[
    str | None,
    typer.Option("--thread", "-t", help="The thread it belongs to (faster, and exact)."),
]

# What a run is to be like
RunInput: TypeAlias = Annotated[
    str | None, typer.Option("--input", "-i", help="The input: JSON, @file, or -.")
]
RunConfig: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--config", help="Of config.configurable: key=text or key:=json. Repeatable."),
]
RunContext: TypeAlias = Annotated[
    list[str] | None, typer.Option("--context", help="key=text or key:=json. Repeatable.")
]
Multitask: TypeAlias = Annotated[
    Literal["reject", "enqueue", "interrupt", "rollback"] | None,
    typer.Option("--multitask", help="When the thread is busy. [enqueue]"),
]
Stream: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--stream", help="Show events: values, updates, messages, … Repeatable."),
]
Wait: TypeAlias = Annotated[
    bool | None, typer.Option("--wait/--background", help="Wait for the result (the default).")
]
ExitStatus: TypeAlias = Annotated[
    bool, typer.Option("--exit-status", help="Exit with 8 when the run does not end well.")
]


def settle_output(
    environment: ClientEnvironment,
    *,
    output: Format | None,
    fields: str | None,
    color: ColorChoice,
    quiet: bool,
    time: TimeStyle | None = None,
) -> Output:
    """Return how to write, by what the options and the environment say."""
    return Output(
        format=output or default_format(environment),
        fields=tuple(name.strip() for name in (fields or "").split(",") if name.strip()),
        color=environment.wants_color(color, sys.stdout),
        terminal=sys.stdout.isatty(),
        times=time,
        quiet=quiet,
    )


def default_format(environment: ClientEnvironment) -> Format:
    """Return the format to write in when no flag names one."""
    if environment.output is None:
        return "table"
    for known in get_args(Format):
        if environment.output == known:
            return environment.output  # type: ignore[return-value]
    raise usage_error(
        f"LGSERVE_OUTPUT={environment.output} is none of {', '.join(get_args(Format))}"
    )
