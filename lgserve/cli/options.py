"""How a command gets the options that many commands share.

`@command(app, "list", shared=open_session)` gives the command the options of `open_session` besides
its own, and passes what `open_session` yields as the first argument. A command that declares an
option of the same name has it its own way, and both get its value. Errors are reported here, in one
place.
"""

from __future__ import annotations

import inspect
import math
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, get_type_hints

import typer

from lgserve.cli.completing import with_completion
from lgserve.cli.environment import ClientEnvironment
from lgserve.cli.errors import CliError, report, usage_error

#: With these, errors are JSON too.
JSON_FORMATS = ("json", "jsonl")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def command(
    app: typer.Typer,
    name: str,
    shared: Callable[..., AbstractContextManager[Any]],
    translate: Callable[[Exception], CliError | None] = lambda _: None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register `verb(shared, …)` under a name; `translate` puts errors into the command's words."""

    def register(verb: Callable[..., None]) -> Callable[..., None]:
        own = {item.name: item for item in _parameters(verb)[1:]}
        theirs = {item.name: item for item in _parameters(shared)}
        shown = (own | {name: item for name, item in theirs.items() if name not in own}).values()

        def run(**given: Any) -> None:
            common = {name: given[name] for name in theirs}
            with _Reporting(common, translate), shared(**common) as value:
                verb(value, **{name: given[name] for name in own})

        run.__signature__ = inspect.Signature(list(shown))  # type: ignore[attr-defined]
        run.__annotations__ = {item.name: item.annotation for item in shown}
        run.__doc__ = verb.__doc__
        app.command(name)(run)
        return verb

    return register


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return a function's parameters, keyword-only, with evaluated annotations."""
    inner = inspect.unwrap(function)
    hints = get_type_hints(inner, include_extras=True)
    return [
        with_completion(
            item.replace(annotation=hints.get(item.name, str), kind=inspect.Parameter.KEYWORD_ONLY)
        )
        for item in inspect.signature(inner).parameters.values()
    ]


class _Reporting:
    """Turns errors into a message on stderr and an exit status."""

    def __init__(
        self, common: dict[str, Any], translate: Callable[[Exception], CliError | None]
    ) -> None:
        environment = ClientEnvironment.read()
        self._debug = bool(common.get("debug")) or environment.debug
        self._json = (common.get("output") or environment.output) in JSON_FORMATS
        self._translate = translate

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, exc: BaseException | None, trace: Any) -> None:
        if not isinstance(exc, Exception):
            return
        error = self._translate(exc) or (exc if isinstance(exc, CliError) else None)
        if error is None:
            return
        if self._debug:
            traceback.print_exception(exc, file=sys.stderr)
        report(error, as_json=self._json)
        raise typer.Exit(error.exit_code) from exc


def parse_seconds(text: str, option: str | None = None) -> float:
    """Read a duration: 30s, 5m, 2h, 7d, 250ms or a bare number of seconds; never nothing."""
    number = text.strip().lower()
    unit = next((name for name in ("ms", "s", "m", "h", "d") if number.endswith(name)), "")
    try:
        seconds = float(number.removesuffix(unit)) * (_SECONDS[unit] if unit else 1.0)
    except ValueError:
        seconds = math.nan
    if 0 < seconds < 1e10:
        return seconds
    what = f"{option} {text!r}" if option else repr(text)
    why = ": it must be more than 0" if seconds <= 0 else ""
    raise usage_error(f"{what} is not a duration{why}", "write it as 30s, 5m, 2h or 7d")


def parse_pairs(option: str, pairs: list[str]) -> dict[str, Any]:
    """Read `key=text` and `key:=json` pairs."""
    import json  # only for the commands that take pairs

    result: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip(":"):
            raise usage_error(f"{option} {pair!r} has no key and value", "write key=value")
        try:
            result[key.removesuffix(":")] = json.loads(value) if key.endswith(":") else value
        except ValueError:
            raise usage_error(f"{option} {pair!r}: {value!r} is not JSON") from None
    return result
