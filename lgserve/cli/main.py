"""The command `lgserve`: which commands there are, and what happens when one fails."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.main import get_command

from lgserve import __version__
from lgserve.cli.environment import ClientEnvironment
from lgserve.cli.errors import CliError, ExitCode, report, usage_error
from lgserve.cli.lazy import Entry, new_app, show_help_without_command

_COMMANDS = "lgserve.cli.commands"

app = new_app(
    "lgserve",
    "An open server for the LangGraph API, and the command line to run and administer it.",
    {
        "dev": Entry(
            f"{_COMMANDS}.dev", "Serve the graphs of this folder, and reload on a change."
        ),
        "serve": Entry(f"{_COMMANDS}.serve", "Serve the graphs of this folder, for production."),
        "info": Entry(f"{_COMMANDS}.info", "Show a server: versions, graphs, counts."),
        "threads": Entry(f"{_COMMANDS}.threads", "List and show threads.", ("thread",)),
        "runs": Entry(f"{_COMMANDS}.runs", "List and show runs.", ("run",)),
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
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status; nothing escapes as a traceback."""
    try:
        status = get_command(app).main(list(arguments), prog_name="lgserve", standalone_mode=False)
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
        return _fail(exc)
    return status if isinstance(status, int) else ExitCode.DONE


def _closed_pipe() -> int:
    """End quietly when nobody reads on (`… | head`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.DONE


def _fail(exc: Exception) -> int:
    error = _describe(exc)
    if ClientEnvironment.read().debug or "--debug" in sys.argv:
        traceback.print_exception(exc, file=sys.stderr)
    report(error)
    return error.exit_code


def _describe(exc: Exception) -> CliError:
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
    path = getattr(getattr(exc, "ctx", None), "command_path", "lgserve")
    return usage_error(str(describe()).replace("Value error, ", "").rstrip("."), f"{path} --help")
