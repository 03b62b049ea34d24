"""Every error lgserve raises on purpose.

    LgserveError                    500
    ├── InvalidRequestError         422   the request cannot be understood
    ├── BadRequestError             400   understood, but it makes no sense here
    ├── UnauthorizedError           401   nobody knows who calls
    ├── ForbiddenError              403   known, but not allowed
    ├── AuthHandlerError            any   the project's auth handler said so
    ├── NotFoundError               404
    │   └── GraphNotFoundError      404
    ├── ConflictError               409
    │   ├── UnknownInterruptError   409   an answer to nothing that waits for one
    │   └── ReadOnlyError           409   another process has the database
    ├── PayloadTooLargeError        413
    ├── CommandError                400   a command of protocol v2 that cannot be carried out
    ├── A2aError                    400   an A2A call that cannot be carried out
    ├── UnavailableError            503   starting or stopping; try later
    ├── GraphLoadError              500   the user's graph cannot be imported or built
    ├── StorageError                500   the database refused
    ├── EmbeddingError              500   the user's embedding function failed
    └── ConfigurationError                the project's config is wrong; the CLI exits with 3

The class docstring is the default message; `status` is the HTTP status.
"""

from __future__ import annotations

from collections.abc import Mapping


class LgserveError(Exception):
    """Something went wrong inside lgserve."""

    status: int = 500
    #: Headers of the answer.
    headers: Mapping[str, str] = {}

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)

    @property
    def message(self) -> str:
        """The sentence shown to people."""
        return str(self.args[0])


class InvalidRequestError(LgserveError):
    """The request is not valid."""

    status = 422


class BadRequestError(LgserveError):
    """The request cannot be carried out as given."""

    status = 400


class UnauthorizedError(LgserveError):
    """Authentication is needed: send a valid API key or token."""

    status = 401
    headers = {"WWW-Authenticate": "Bearer"}  # noqa: RUF012 - as above


class ForbiddenError(LgserveError):
    """Forbidden"""

    status = 403


class AuthHandlerError(LgserveError):
    """The project's auth handler refused the request."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class NotFoundError(LgserveError):
    """Not Found"""

    status = 404


class GraphNotFoundError(NotFoundError):
    """No such graph."""


class ConflictError(LgserveError):
    """Conflict"""

    status = 409


class UnknownInterruptError(ConflictError):
    """The resume answers no interrupt that waits for an answer."""


class ReadOnlyError(ConflictError):
    """A server has this database, so it can only be read here; ask that server."""


class PayloadTooLargeError(LgserveError):
    """The request body is too large."""

    status = 413


class CommandError(LgserveError):
    """The command cannot be carried out."""

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        #: A word of protocol v2, as `no_such_interrupt`.
        self.code = code


class A2aError(LgserveError):
    """The call cannot be carried out."""

    status = 400

    def __init__(self, code: int, message: str, *, field: str | None = None, **about: str) -> None:
        super().__init__(message)
        #: Of JSON-RPC, as A2A numbers them.
        self.code = code
        #: The parameter that is wrong.
        self.field = field
        #: What the error is about: ids and the like.
        self.about = about


class UnavailableError(LgserveError):
    """The server is starting or stopping; try again shortly."""

    status = 503


class GraphLoadError(LgserveError):
    """The graph cannot be loaded."""


class StorageError(LgserveError):
    """The database refused the operation."""


class ConfigurationError(LgserveError):
    """The configuration is wrong."""

    def __init__(self, message: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class EmbeddingError(LgserveError):
    """The project's embedding function failed."""
