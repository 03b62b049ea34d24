"""Requests that name themselves: what they create is created once, however often they are sent.

The name is noted in the transaction that creates, with the answer. So a request that is repeated,
at the same time or after a crash, finds either nothing created or its own answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from lgserve import jsonio
from lgserve.core.errors import ConflictError, LgserveError
from lgserve.core.models import Answered, RequestKey, Run, Thread

if TYPE_CHECKING:
    from lgserve.core.ports import Transaction

T = TypeVar("T")
MadeT = TypeVar("MadeT", contravariant=True)


class AnsweredBeforeError(LgserveError):
    """The request was answered before: nothing is done, the answer is given again."""

    status = 409

    def __init__(self, answered: Answered) -> None:
        super().__init__()
        self.answered = answered


class OnlyOnce(Protocol[MadeT]):
    """What sees to it that something is created once, in the transaction that creates it."""

    def recall(self, tx: Transaction) -> None:
        """Raise if it was created before."""
        ...

    def note(self, tx: Transaction, made: MadeT) -> None:
        """Note that it is created now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Once(Generic[T]):
    """A request that has a name; `view` is what is answered to it."""

    key: RequestKey
    view: Callable[[T], Any]

    def recall(self, tx: Transaction) -> None:
        """Do nothing the first time.

        Raises:
            AnsweredBeforeError: it is a repetition.
            ConflictError: the name is that of another request.
        """
        answered = tx.requests.find(self.key)
        if answered is None:
            return
        if answered.fingerprint != self.key.fingerprint:
            raise ConflictError(
                f"Idempotency-Key '{self.key.name}' was used before, for another request"
            )
        raise AnsweredBeforeError(answered)

    def note(self, tx: Transaction, made: T) -> None:
        """Note what is answered, with the thread and the run that were made."""
        thread_id, run_id = None, None
        if isinstance(made, Run):
            run_id = made.run_id
            thread_id = None if made.temporary else made.thread_id
        elif isinstance(made, Thread):
            thread_id = made.thread_id
        answer = jsonio.dumps_wire(self.view(made))
        tx.requests.insert(self.key, answer, thread_id=thread_id, run_id=run_id)


def once_only(
    work: Callable[[Transaction], T], once: OnlyOnce[T] | None
) -> Callable[[Transaction], T]:
    """Return a creating unit of work that is done once for a name; without a name, always."""
    if once is None:
        return work

    def named(tx: Transaction) -> T:
        once.recall(tx)
        made = work(tx)
        once.note(tx, made)
        return made

    return named
