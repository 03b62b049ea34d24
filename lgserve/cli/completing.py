"""What shells complete beyond commands and options: the ids and names that a server holds.

Which parameter names what is told by its name, here in one place. Answers come from the server that
the command would talk to, or from the file that `--db` names; nobody who presses a key is kept
waiting, and what goes wrong is silence.
"""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, suppress
from copy import copy
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.models import ArgumentInfo, ParameterInfo

from lgserve.cli.environment import ClientEnvironment

#: A value, and what is said of it by shells that say something.
Candidate = tuple[str, str]

_SECONDS = 0.5
_MOST = 100
#: Without quotes; shells disagree on what they do to candidates that need them.
_PLAIN = re.compile(r"[\w%+,./-]+")
#: What a parameter of this name holds; of arguments only: options called so hold something new.
_ARGUMENTS = {
    "thread_id": "threads", "thread_ids": "threads", "run_id": "runs", "run_ids": "runs",
    "cron": "crons", "crons": "crons", "webhook": "webhooks", "webhooks": "webhooks",
    "assistants": "assistants", "graphs": "graphs", "namespace": "namespaces",
    "key": "keys", "keys": "keys",
}  # fmt: skip
_EVERYWHERE = {"thread": "threads", "assistant": "assistants", "graph": "graphs"}


def with_completion(item: inspect.Parameter) -> inspect.Parameter:
    """Return a parameter that completes what its name tells it holds."""
    if get_origin(item.annotation) is not Annotated:
        return item
    base, *told = get_args(item.annotation)
    told = [_completed(info, item.name) for info in told]
    return item.replace(annotation=Annotated[base, *told])


def _completed(info: Any, name: str) -> Any:
    kind = _EVERYWHERE.get(name)
    if isinstance(info, ArgumentInfo):
        kind = kind or _ARGUMENTS.get(name)
    if kind is None or not isinstance(info, ParameterInfo):
        return info
    completed = copy(info)
    completed.autocompletion = _completion(kind)
    return completed


def _completion(kind: str) -> Callable[..., list[Candidate]]:
    def complete(ctx: typer.Context, incomplete: str) -> list[Candidate]:
        # Imports do not count: the time is for those who answer.
        found = (_file_says if ctx.params.get("db") else _server_says)(kind, ctx.params, incomplete)
        return _in_time(found, incomplete)

    return complete


def _in_time(asked: Generator[Candidate], incomplete: str) -> list[Candidate]:
    """Return what fits and is known when the time is over, be it nothing."""
    found: list[Candidate] = []

    def collect() -> None:
        with suppress(Exception), closing(asked):  # in this thread: it may hold a connection
            fitting = (one for one in asked if _fits(one[0], incomplete))
            for candidate in islice(fitting, _MOST):
                found.append(candidate)  # noqa: PERF402 - one by one: the time may end at any

    worker = threading.Thread(target=collect, daemon=True)
    worker.start()
    worker.join(_SECONDS)
    return list(found)


def _fits(value: str, incomplete: str) -> bool:
    return value.startswith(incomplete) and _PLAIN.fullmatch(value) is not None


def _server_says(kind: str, given: Mapping[str, Any], incomplete: str) -> Generator[Candidate]:
    from lgserve.cli.client import ApiClient
    from lgserve.cli.completing_server import ASKING
    from lgserve.cli.context import find_connection

    def ask() -> Generator[Candidate]:
        found = find_connection(
            ClientEnvironment.read(),
            given.get("url"),
            given.get("api_key"),
            list(given.get("header") or ()),
            f"{_SECONDS}s",
        )
        with closing(ApiClient(found)) as client:
            yield from ASKING[kind](client, given, incomplete)

    return ask()


def _file_says(kind: str, given: Mapping[str, Any], incomplete: str) -> Generator[Candidate]:
    from lgserve.cli.completing_file import ids_in
    from lgserve.cli.database import NAME, find_folder, opened

    def ask() -> Generator[Candidate]:
        with opened(find_folder(Path(given["db"]), None) / NAME) as connection:
            yield from ids_in(connection, kind, given, incomplete)

    return ask()
