"""`lgserve completion`: what makes a shell complete commands and options."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from lgserve.cli.errors import CliError, usage_error
from lgserve.cli.lazy import new_app, show_help_without_command
from lgserve.cli.output import write

Shell = Literal["bash", "zsh", "fish", "powershell", "pwsh"]

_PROGRAM = "lgserve"
_VARIABLE = "_LGSERVE_COMPLETE"

app = new_app("completion", "Completion for your shell: bash, zsh, fish, powershell, pwsh.")


@app.callback(invoke_without_command=True)
def _completion(ctx: typer.Context) -> None:
    show_help_without_command(ctx)


@app.command("show")
def show(shell: Annotated[Shell, typer.Argument(metavar="SHELL")]) -> None:
    """Write the script; `source <(lgserve completion show bash)` tries it out."""
    from typer._completion_shared import get_completion_script  # only here

    script = get_completion_script(prog_name=_PROGRAM, complete_var=_VARIABLE, shell=shell)
    write(f"{script}\n")


@app.command("install")
def install(
    shell: Annotated[
        Shell | None, typer.Argument(metavar="[SHELL]", help="Without it, the one this runs in.")
    ] = None,
) -> None:
    """Put the script where the shell finds it, and say where that is."""
    from typer._completion_shared import _get_shell_name
    from typer._completion_shared import install as install_script

    found = shell or _get_shell_name()
    if found is None:
        raise usage_error("which shell this is cannot be told", "lgserve completion install bash")
    try:
        _, path = install_script(shell=found, prog_name=_PROGRAM, complete_var=_VARIABLE)
    except OSError as exc:
        raise CliError(f"cannot write {exc.filename}: {exc.strerror}", code="E_FILE") from exc
    typer.echo(str(path))
    typer.echo(f"completion for {found} works in new terminals", err=True)
