"""`lgserve.callbacks`: the project's LangChain callback handlers, which hear of every run."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
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
                handler = await user_loop.run(lambda path=path: _make(loader.load(path)))
            except (Exception, SystemExit) as exc:
                error = describe_error(exc, project.root, project.import_paths)
                raise ConfigurationError(
                    f'{where}: "{path}" cannot be loaded:\n{error.text}'
                ) from exc
            if not isinstance(handler, BaseCallbackHandler):
                kind = type(handler).__name__
                raise ConfigurationError(
                    f'{where}: "{path}" is no LangChain callback handler but a {kind}',
                    hint="name a BaseCallbackHandler, its class, or a function that returns one",
                )
            made.append(handler)
        self.found = tuple(made)


async def _make(found: Any) -> Any:
    """Return a handler: the object itself, or what the class or function makes, async or not."""
    if isinstance(found, BaseCallbackHandler) or not callable(found):
        return found
    made = found()
    return await made if inspect.isawaitable(made) else made
