"""Groups whose commands are imported only when one of them is called: `--help` stays quick."""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command

from lgserve.cli.errors import usage_error

#: Options every level understands.
CONTEXT_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


class Entry(NamedTuple):
    """A command of a group: the module whose `app` it is, and its line in the group's help."""

    module: str
    about: str
    aliases: tuple[str, ...] = ()


class LazyGroup(TyperGroup):
    """A group that knows its commands by name; subclasses bring the table."""

    entries: ClassVar[dict[str, Entry]] = {}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        """Name the commands in the order of the table."""
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's signature
        """Import a command, by its name or an alias."""
        name = next((n for n, e in self.entries.items() if cmd_name in (n, *e.aliases)), None)
        if name is None:
            return None
        if name not in self.commands:
            self.commands[name] = get_command(
                importlib.import_module(self.entries[name].module).app
            )
        return self.commands[name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Show a command under its own name, also when it was called by an alias."""
        known = [name for n, entry in self.entries.items() for name in (n, *entry.aliases)]
        _refuse_unknown(ctx.command_path, args[0], known)
        _, command, rest = super().resolve_command(ctx, args)
        return (command.name if command else None), command, rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer's signature
        """Write the help lines from the table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.about) for name, entry in self.entries.items()])


def _refuse_unknown(group: str, name: str, known: list[str]) -> None:
    if name not in known and not name.startswith("-"):
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean `{group} {near[0]}`?" if near else f"{group} --help"
        raise usage_error(f"{group} has no command {name!r}", hint)


def new_app(name: str, about: str, entries: dict[str, Entry] | None = None) -> typer.Typer:
    """Return a Typer application with the settings all of ours share."""
    return typer.Typer(
        name=name,
        help=about,
        cls=type("Group", (LazyGroup,), {"entries": entries}) if entries else None,
        context_settings=CONTEXT_SETTINGS,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        invoke_without_command=entries is not None,
    )


def show_help_without_command(ctx: typer.Context) -> None:
    """Write a group's help when no command of it was named."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
