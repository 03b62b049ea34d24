"""`lgserve.callbacks`: the project's LangChain callback handlers, which hear of every run."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler

from lgserve.core.errors import ConfigurationError
from lgserve.graphs.loader import ExportLoader
from lgserve.graphs.tracebacks import describe_error

if TYPE_CHECKING:
    from lgserve.engine.user_loop import UserLoopThread
    from lgserve.settings import Settings


@dataclass(slots=True)
class Handlers:
    """The handlers of all runs; there are none until they are loaded."""

    found: Sequence[BaseCallbackHandler] = field(default=())

    def __call__(self) -> Sequence[BaseCallbackHandler]:
        """Return them."""
        return self.found

    async def load(self, settings: Settings, user_loop: UserLoopThread) -> None:
        """Import and make them, on the user loop.

        Raises:
            ConfigurationError: one cannot be had; the message has file, line and key.
        """
        if not settings.callbacks:
            return
        project = settings.project
        where = settings.origins.get("callbacks") or project.where("lgserve", "callbacks")
        loader = ExportLoader(project.root, project.import_paths)
        made = []
        for path in settings.callbacks:
            try:
                handler = await user_loop.run(partial(_load, loader, path))
            except (Exception, SystemExit) as exc:
                told = describe_error(exc, project.root, project.import_paths).text
                raise ConfigurationError(f'{where}: "{path}" cannot be loaded:\n{told}') from exc
            made.append(_checked(handler, f'{where}: "{path}"'))
        self.found = tuple(made)


async def _load(loader: ExportLoader, path: str) -> Any:
    """Return a handler: the object itself, or what the class or function makes, async or not."""
    found = loader.load(path)
    if isinstance(found, BaseCallbackHandler) or not callable(found):
        return found
    made = found()
    return await made if inspect.isawaitable(made) else made


def _checked(handler: Any, where: str) -> BaseCallbackHandler:
    if isinstance(handler, BaseCallbackHandler):
        return handler
    raise ConfigurationError(
        f"{where} is no LangChain callback handler: it is of type {type(handler).__name__}",
        hint="name a BaseCallbackHandler, its class, or a function that returns one",
    )
