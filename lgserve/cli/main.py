"""The command `lgserve`: which commands there are, and what happens when one fails."""

from __future__ import annotations

import itertools
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.main import get_command

from lgserve import __version__
from lgserve.cli.environment import ClientEnvironment
from lgserve.cli.errors import CliError, ExitCode, report, usage_error
from lgserve.cli.lazy import Entry, LazyGroup, new_app, show_help_without_command
from lgserve.cli.options import JSON_FORMATS
from lgserve.cli.streams import forget_unwritten, open_standard_streams, writing

_COMMANDS = "lgserve.cli.commands"

app = new_app(
    "lgserve",
    "An open server for the LangGraph API, and the command line to run and administer it.",
    {
        "dev": Entry(
            f"{_COMMANDS}.dev", "Serve the graphs of this folder, and reload on a change."
        ),
        "serve": Entry(f"{_COMMANDS}.serve", "Serve the graphs of this folder, for production."),
        "chat": Entry(f"{_COMMANDS}.chat", "Talk to an assistant in this terminal."),
        "new": Entry(f"{_COMMANDS}.new", "Make a project from a template."),
        "info": Entry(f"{_COMMANDS}.info", "Show a server: versions, graphs, counts."),
        "metrics": Entry(f"{_COMMANDS}.metrics", "Show or watch a server's counters."),
        "threads": Entry(
            f"{_COMMANDS}.threads", "Threads: their states and histories.", ("thread",)
        ),
        "runs": Entry(f"{_COMMANDS}.runs", "Runs: start, follow and cancel them.", ("run",)),
        "crons": Entry(f"{_COMMANDS}.crons", "Crons: runs that recur by a schedule.", ("cron",)),
        "webhooks": Entry(
            f"{_COMMANDS}.webhooks", "Webhooks: what was delivered, and a receiver.", ("webhook",)
        ),
        "assistants": Entry(f"{_COMMANDS}.assistants", "Assistants of a server.", ("assistant",)),
        "graphs": Entry(f"{_COMMANDS}.graphs", "Graphs: list, draw and check them.", ("graph",)),
        "store": Entry(f"{_COMMANDS}.store", "Items that graphs and people keep."),
        "auth": Entry(f"{_COMMANDS}.auth", "API keys: make, list and revoke them."),
        "config": Entry(f"{_COMMANDS}.config", "The project's config: check it, show it."),
        "db": Entry(f"{_COMMANDS}.db", "The database: its state, backups, upkeep."),
        "doctor": Entry(f"{_COMMANDS}.doctor", "Check this machine, project and server."),
        "whoami": Entry(f"{_COMMANDS}.whoami", "Show what commands would talk to, and why."),
        "api": Entry(f"{_COMMANDS}.api", "Send a request as it is."),
        "openapi": Entry(f"{_COMMANDS}.openapi", "Write the OpenAPI document of a server."),
        "bench": Entry(f"{_COMMANDS}.bench", "Load a server, and measure it."),
        "completion": Entry(f"{_COMMANDS}.completion", "Completion for your shell."),
        "help": Entry(f"{_COMMANDS}.topics", "Exit codes, environment, output."),
    },
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lgserve {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback has answered
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    show_help_without_command(ctx)


def main() -> None:
    """Run the command line of this process and exit."""
    open_standard_streams()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status; nothing escapes as a traceback."""
    if ClientEnvironment.read().completing:
        from typer._completion_classes import completion_init  # only for a shell that asks

        completion_init()
    try:
        status = get_command(app).main(
            list(arguments), prog_name="lgserve", standalone_mode=False, obj=tuple(arguments)
        )
        with writing():
            sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return _closed_pipe()
    except SystemExit as exc:
        # Typer itself leaves like this when stdout is closed, also outside of its standalone mode.
        if isinstance(exc.__context__, BrokenPipeError):
            return _closed_pipe()
        raise
    except Exception as exc:  # noqa: BLE001 - the boundary: a fault of ours is shown as one sentence
        return _fail(exc, arguments)
    return status if isinstance(status, int) else ExitCode.DONE


def _closed_pipe() -> int:
    """End quietly when nobody reads on (`… | head`)."""
    forget_unwritten()
    return ExitCode.DONE


def _fail(exc: Exception, arguments: Sequence[str]) -> int:
    error = _describe(exc, arguments)
    environment = ClientEnvironment.read()
    if environment.debug or "--debug" in arguments:
        traceback.print_exception(exc, file=sys.stderr)
    report(error, as_json=(_format_in(arguments) or environment.output) in JSON_FORMATS)
    forget_unwritten()
    return error.exit_code


def _format_in(arguments: Sequence[str]) -> str | None:
    """Return what -o says in a command line that could not be understood as a whole."""
    for option, value in itertools.pairwise([*arguments, ""]):
        if option in ("-o", "--output"):
            return value
        for start in ("--output=", "-o"):
            if option.startswith(start):
                return option.removeprefix(start)
    return None


def _command_in(arguments: Sequence[str]) -> str:
    """Return the command that a command line begins with, for errors that do not know it."""
    command: Any = get_command(app)
    words = ["lgserve"]
    for argument in arguments:
        command = command.get_command(None, argument) if isinstance(command, LazyGroup) else None
        if command is None:
            break
        words.append(command.name)
    return " ".join(words)


def _describe(exc: Exception, arguments: Sequence[str]) -> CliError:
    """Return the error to show for an exception that no command has reported."""
    if isinstance(exc, CliError):
        return exc
    describe: Any = getattr(exc, "format_message", None)
    if describe is None:
        return CliError(
            f"internal error: {type(exc).__name__}: {exc}",
            code="E_INTERNAL",
            hint="this is a fault of lgserve; --debug or LGSERVE_DEBUG=1 shows the traceback",
        )
    path = getattr(getattr(exc, "ctx", None), "command_path", None) or _command_in(arguments)
    said = " ".join(str(describe()).replace("Value error, ", "").split())
    return usage_error(said.rstrip("."), f"{path} --help")
