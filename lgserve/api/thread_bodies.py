"""Members of the bodies about threads: how long one is kept, and supersteps."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from lgserve.api.fields import Body, Values, describe
from lgserve.api.run_bodies import Command
from lgserve.core.errors import InvalidRequestError
from lgserve.core.vocabulary import TtlStrategy
from lgserve.services.supersteps import Supersteps, SuperstepUpdate
from lgserve.services.thread_ttl import TtlWish

#: About 1,900 years: what can still be added to a date.
_MOST_MINUTES = 10**9


def _minutes(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("minutes", "Input should be a number of minutes")
    return value


def _as_object(value: Any) -> Any:
    """Let a number of minutes stand for an object with nothing else."""
    return {"ttl": value} if isinstance(value, int | float) else value


Minutes = Annotated[float | int, Field(gt=0, le=_MOST_MINUTES), BeforeValidator(_minutes)]


class TtlObject(TypedDict, total=False):
    """After how many minutes without a change what happens to a thread."""

    strategy: TtlStrategy
    ttl: Minutes


Ttl = Annotated[
    TtlObject | None,
    BeforeValidator(_as_object, json_schema_input_type=TtlObject | Minutes | None),
]
_TTL: TypeAdapter[TtlObject | None] = TypeAdapter(Ttl)


def ttl_wish(value: TtlObject | None) -> TtlWish | None:
    """Return what a member that was given wishes: null is for good, an empty object nothing."""
    if value is None:
        return TtlWish(forever=True)
    if not value:
        return None
    return TtlWish(strategy=value.get("strategy", "delete"), minutes=value.get("ttl"))


def checked_ttl(value: Any) -> TtlObject | None:
    """Return a TTL that did not come with the body.

    Raises:
        InvalidRequestError: it is none.
    """
    try:
        return _TTL.validate_python(value)
    except ValidationError as exc:
        raise InvalidRequestError(f"ttl: {describe(exc)}") from None


class ThreadSuperstepUpdate(Body):
    """What one node is to have written: values, or a command."""

    as_node: str
    values: Values = None
    command: Command | None = None


class ThreadSuperstep(Body):
    """What nodes are to have written at once."""

    updates: list[ThreadSuperstepUpdate] = Field(fail_fast=True)


def supersteps_of(given: list[ThreadSuperstep]) -> Supersteps:
    """Return supersteps as the service takes them."""
    return [
        [
            SuperstepUpdate(as_node=each.as_node, values=each.values, command=each.command)
            for each in superstep.updates
        ]
        for superstep in given
    ]
