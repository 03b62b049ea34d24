"""Every error lgserve raises on purpose.

    LgserveError                    500
    ├── InvalidRequestError         422   the request cannot be understood
    ├── BadRequestError             400   understood, but it makes no sense here
    ├── NotFoundError               404
    │   └── GraphNotFoundError      404
    ├── ConflictError               409
    ├── PayloadTooLargeError        413
    ├── UnavailableError            503   starting or stopping; try later
    ├── GraphLoadError              500   the user's graph cannot be imported or built
    ├── StorageError                500   the database refused
    └── ConfigurationError                the project's config is wrong; the CLI exits with 3

The class docstring is the default message; `status` is the HTTP status.
"""

from __future__ import annotations

from typing import ClassVar


class LgserveError(Exception):
    """Something went wrong inside lgserve."""

    status: ClassVar[int] = 500

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


class NotFoundError(LgserveError):
    """Not Found"""

    status = 404


class GraphNotFoundError(NotFoundError):
    """No such graph."""


class ConflictError(LgserveError):
    """Conflict"""

    status = 409


class PayloadTooLargeError(LgserveError):
    """The request body is too large."""

    status = 413


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
