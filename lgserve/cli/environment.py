"""The environment as client commands see it; servers read theirs in `lgserve.settings`.

A module of its own, because an admin command must start without the server's settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TextIO

ColorChoice = Literal["auto", "always", "never"]

#: The SDK's order, with our own name in front.
API_KEY_NAMES = ("LGSERVE_API_KEY", "LANGGRAPH_API_KEY", "LANGSMITH_API_KEY", "LANGCHAIN_API_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEnvironment:
    """The variables that client commands honour."""

    url: str | None
    api_key: str | None
    api_key_name: str | None
    output: str | None
    debug: bool
    no_color: bool
    force_color: bool
    dumb_terminal: bool
    #: Nobody sits in front of this: a pipeline, or a program that types.
    unattended: bool
    #: A shell asks for completions.
    completing: bool
    #: The config file of the project.
    config: str | None

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None) -> ClientEnvironment:
        """Read this process's environment, or the given one."""
        env = os.environ if variables is None else variables
        key_name = next((name for name in API_KEY_NAMES if env.get(name)), None)
        return cls(
            url=env.get("LGSERVE_URL") or None,
            api_key=env[key_name] if key_name else None,
            api_key_name=key_name,
            output=env.get("LGSERVE_OUTPUT") or None,
            debug=_on(env.get("LGSERVE_DEBUG")),
            no_color=bool(env.get("NO_COLOR")),
            force_color=_on(env.get("CLICOLOR_FORCE")) or _on(env.get("FORCE_COLOR")),
            dumb_terminal=env.get("TERM") == "dumb",
            completing="_LGSERVE_COMPLETE" in env,
            config=env.get("LGSERVE_CONFIG") or None,
            unattended=any(_on(env.get(name)) for name in ("CI", "AI_AGENT", "CLAUDECODE")),
        )

    def wants_color(self, choice: ColorChoice, stream: TextIO) -> bool:
        """Decide on colour: flag, then NO_COLOR, then a forcing variable, then the terminal."""
        if choice != "auto":
            return choice == "always"
        if self.no_color:
            return False
        return self.force_color or (stream.isatty() and not self.dumb_terminal)


def _on(value: str | None) -> bool:
    return (value or "").strip().lower() not in ("", "0", "false", "no", "off")
