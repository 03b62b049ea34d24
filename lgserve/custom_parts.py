"""The custom app's part of the composition root: the app, imported and started, and its place."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from lgserve.api.asgi_lifespan import LifespanError
from lgserve.api.custom_app import CustomApp, CustomAppOptions, Surroundings
from lgserve.api.custom_routes import why_not
from lgserve.api.openapi import served_routes
from lgserve.core.errors import ConfigurationError
from lgserve.graphs.loader import ExportLoader
from lgserve.graphs.tracebacks import describe_error

if TYPE_CHECKING:
    from aiohttp import web

    from lgserve.api.asgi_bridge import Spawn
    from lgserve.api.keys import ApiOptions
    from lgserve.core.principals import Principal
    from lgserve.engine.loopback import Loopback
    from lgserve.engine.user_loop import UserLoopThread
    from lgserve.project_config import ProjectConfig
    from lgserve.settings import Settings

_log = logging.getLogger("lgserve")


@dataclass(slots=True, kw_only=True)
class CustomAppParts:
    """The custom app of one server; without one, nothing."""

    app: CustomApp | None
    _routes: Sequence[tuple[str, str]] = field(default=())

    def stands_in(self, api: web.Application, options: ApiOptions) -> None:
        """Learn which routes the API has."""
        if self.app is not None:
            self._routes = served_routes(api, options)

    async def start(self, project: ProjectConfig, user_loop: UserLoopThread) -> None:
        """Import the app and run its lifespan's first half, on the user loop.

        Raises:
            ConfigurationError: it cannot be imported or started; the message has file and frame.
        """
        if self.app is None:
            return
        try:
            found = await user_loop.run(lambda: _load(project))
            shape = await self.app.start(found, self._routes)
        except ConfigurationError:
            raise
        except LifespanError as exc:
            raise _failure(project, "cannot start", exc.error or exc) from exc
        except (Exception, SystemExit) as exc:
            raise _failure(project, "cannot be loaded", exc) from exc
        for method, path in shape.shadowed:
            _log.warning(
                "%s: its route %s %s is not reached: the API has one there, and comes first",
                project.http.where, method, path,
            )  # fmt: skip

    async def stop(self) -> None:
        """Run the second half of the app's lifespan."""
        if self.app is not None:
            await self.app.stop()


def wire_custom_app(
    settings: Settings, user_loop: UserLoopThread, spawn: Spawn, loopback: Loopback
) -> CustomAppParts:
    """Return the project's app as its config wants it; nothing starts here."""
    http = settings.project.http
    if http.app is None:
        return CustomAppParts(app=None)

    def calls_as(principal: Principal | None) -> AbstractContextManager[None]:
        return loopback.called_by(None, principal)

    options = CustomAppOptions(
        auth_first=http.auth_first,
        route_auth=http.route_auth,
        cors_configured=any(name.startswith("cors.") for name in settings.origins),
    )
    around = Surroundings(
        user_loop=user_loop,
        spawn=spawn,
        calls_as=calls_as,
        from_here=loopback.knows,
        trim=partial(_told, settings.project),
    )
    return CustomAppParts(app=CustomApp(options, around))


async def _load(project: ProjectConfig) -> Any:
    path = project.http.app or ""
    found = ExportLoader(project.root, project.import_paths).load(path)
    if reason := why_not(found):
        raise ConfigurationError(f'{project.http.where}: "{path}" {reason}')
    return found


def _failure(project: ProjectConfig, verb: str, error: BaseException) -> ConfigurationError:
    where = f'{project.http.where}: "{project.http.app}" {verb}'
    return ConfigurationError(f"{where}:\n{_told(project, error)}")


def _told(project: ProjectConfig, error: BaseException) -> str:
    return describe_error(error, project.root, project.import_paths).text
