"""What `crons create` and `crons update` have in common: options, and the body made of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import typer

from lgserve.cli.arguments import read_json
from lgserve.cli.errors import usage_error
from lgserve.cli.options import parse_pairs

Timezone: TypeAlias = Annotated[
    str | None, typer.Option("--timezone", help="Of the schedule: Europe/Paris. [UTC]")
]
EndTime: TypeAlias = Annotated[
    str | None, typer.Option("--end-time", help="Fire no more after it: 2027-01-31T18:00:00Z.")
]
Pairs: TypeAlias = list[str] | None
Webhook: TypeAlias = Annotated[
    str | None, typer.Option("--webhook", help="An address that is told how each run ended.")
]
Completed: TypeAlias = Annotated[
    Literal["delete", "keep"] | None,
    typer.Option("--on-run-completed", help="Without a thread: what becomes of a run's. [delete]"),
]


def body_of(
    *, given_input: str | None, metadata: Pairs, config: Pairs, context: Pairs, **plain: Any
) -> dict[str, Any]:
    """Return a body with the fields that were given; `plain` are fields by their names."""
    body = {name: value for name, value in plain.items() if value is not None}
    if given_input is not None:
        body["input"] = read_json(given_input, "--input")
    if metadata:
        body["metadata"] = parse_pairs("--metadata", metadata)
    if config:
        body["config"] = {"configurable": parse_pairs("--config", config)}
    if context:
        body["context"] = parse_pairs("--context", context)
    return body


def refuse_empty(body: dict[str, Any]) -> None:
    """Refuse a change of nothing."""
    if not body:
        raise usage_error("nothing to change", "name what is to change, as --schedule '0 9 * * *'")
