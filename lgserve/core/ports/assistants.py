"""Assistants as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lgserve.core.models import Assistant, AssistantFilter, Page, Scope


class Assistants(Protocol):
    """Assistants and their versions."""

    def find(self, assistant_id: str, scope: Scope) -> Assistant | None:
        """Return the assistant, or None if there is none in the scope."""
        ...

    def insert(self, assistant: Assistant) -> bool:
        """Add the assistant and its first version; False, and nothing done, if its id is taken."""
        ...

    def add_version(self, assistant: Assistant) -> Assistant:
        """Store the assistant as a new version, numbered after the highest, and make it current."""
        ...

    def versions(
        self, assistant_id: str, metadata: Mapping[str, Any] | None, page: Page, scope: Scope
    ) -> list[Assistant]:
        """Return what the assistant was at its versions, newest first.

        Of each, `created_at` and `updated_at` are when that version was made. Those whose metadata
        does not contain `metadata`, or lies outside the scope, are left out.
        """
        ...

    def find_version(self, assistant_id: str, version: int, scope: Scope) -> Assistant | None:
        """Return one version as `versions` does, or None if there is none in the scope."""
        ...

    def set_current(self, assistant: Assistant) -> None:
        """Make the assistant stand as given, `version` included; no version is added or changed."""
        ...

    def delete(self, assistant_id: str) -> None:
        """Remove the assistant and its versions; its runs keep its id."""
        ...

    def search(self, where: AssistantFilter, page: Page, scope: Scope) -> list[Assistant]:
        """Return a page of matching assistants; names sort without regard to case."""
        ...

    def count(self, where: AssistantFilter, scope: Scope) -> int:
        """Return how many assistants match."""
        ...
