"""Which request headers go on: into runs, or into the log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote

#: Credentials go nowhere, whatever the project's config says.
_NEVER = frozenset(
    {"authorization", "cookie", "proxy-authorization", "x-api-key", "x-tenant-id", "x-service-key",
     "x-lgserve-ticket"}
)  # fmt: skip
_TRACE, _BAGGAGE = "langsmith-trace", "baggage"
_BAGGAGE_PARTS = ("langsmith-metadata", "langsmith-tags", "langsmith-project")


@dataclass(frozen=True)
class HeaderRules:
    """Patterns in which only `*` means something; what is excluded is not included."""

    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    def chosen(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that go on, by their names in lower case."""
        if not self.includes:
            return {}
        return {name: headers[name] for name in map(str.lower, headers) if self._takes(name)}

    def _takes(self, name: str) -> bool:
        included, excluded = self._patterns
        if name in _NEVER or excluded.fullmatch(name):
            return False
        return included.fullmatch(name) is not None

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        return _any_of(self.includes), _any_of(self.excludes)


def _any_of(globs: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern for all of them; of none, one that nothing matches."""
    parts = (".*".join(map(re.escape, glob.lower().split("*"))) for glob in globs)
    return re.compile("|".join(parts) if globs else r"(?!)", re.DOTALL)


def configurable_of(headers: Mapping[str, str], rules: HeaderRules) -> dict[str, Any]:
    """Return what a request's headers add to the `configurable` of its runs."""
    found: dict[str, Any] = rules.chosen(headers)
    if (trace := headers.get(_TRACE)) is not None:
        found |= {_TRACE: trace, **dict(_trace_parts(headers.get(_BAGGAGE, "")))}
    return found


def _trace_parts(baggage: str) -> Iterator[tuple[str, Any]]:
    for part in baggage.split(","):
        name, _, value = part.strip().partition("=")
        if name in _BAGGAGE_PARTS:
            yield name, _baggage_value(name, unquote(value))


def _baggage_value(name: str, text: str) -> Any:
    if name == "langsmith-tags":
        return text.split(",")
    if name == "langsmith-metadata":
        try:
            return json.loads(text)
        except ValueError:
            return {}
    return text
