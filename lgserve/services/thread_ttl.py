"""How long threads are kept: from what clients wish and the project's default. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lgserve.core.errors import InvalidRequestError
from lgserve.core.models import ThreadTtl

if TYPE_CHECKING:
    from lgserve.core.vocabulary import TtlStrategy


@dataclass(frozen=True, slots=True, kw_only=True)
class TtlWish:
    """What a client says of how long a thread is to be kept."""

    strategy: TtlStrategy = "delete"
    #: None: as long as was said before, or as the project's default says.
    minutes: float | None = None
    #: It is to be kept for good.
    forever: bool = False


def chosen_ttl(wish: TtlWish, before: ThreadTtl | None, default: ThreadTtl | None) -> ThreadTtl:
    """Return the TTL of a thread for which somebody wishes one.

    Raises:
        InvalidRequestError: nobody has ever said how many minutes.
    """
    if wish.forever:
        return ThreadTtl(minutes=None)
    known = [each.minutes for each in (before, default) if each and each.minutes is not None]
    minutes = wish.minutes if wish.minutes is not None else next(iter(known), None)
    if minutes is None:
        raise InvalidRequestError("ttl.ttl: Field required: there is no default number of minutes")
    return ThreadTtl(strategy=wish.strategy, minutes=minutes)
