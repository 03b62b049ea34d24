"""WHERE clauses for metadata and values, written once for every noun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lgserve import jsonio

if TYPE_CHECKING:
    from lgserve.core.models import Page, Scope


@dataclass(slots=True)
class Where:
    """Conditions joined by AND, with their parameters in order."""

    conditions: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)

    def add(self, condition: str, *parameters: Any) -> None:
        """Add a condition."""
        self.conditions.append(condition)
        self.parameters.extend(parameters)

    def add_contains(self, column: str, wanted: Mapping[str, Any] | None) -> None:
        """Ask that a JSON column contains an object; nothing is asked by an empty one."""
        if wanted:
            self.add(f"json_contains({column}, ?)", jsonio.dumps_wire(wanted).decode())

    def add_scope(self, column: str, scope: Scope) -> None:
        """Ask that a row's metadata is within a scope."""
        if scope:
            self.add(f"scope_allows({column}, ?)", jsonio.dumps_wire(scope).decode())

    @property
    def sql(self) -> str:
        """The clause, with its keyword; empty if nothing is asked."""
        return f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


def order_and_page(column: str, tie: str, page: Page) -> str:
    """Return ORDER BY and LIMIT for a column that was checked against a list of known ones."""
    direction = "ASC" if page.sort_order == "asc" else "DESC"
    return (
        f" ORDER BY {column} {direction}, {tie} {direction}"
        f" LIMIT {int(page.limit)} OFFSET {int(page.offset)}"
    )
