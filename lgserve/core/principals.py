"""Who calls, what a call looks like to an authenticator, and the keys that callers hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Resource: TypeAlias = Literal["threads", "assistants", "crons", "store"]
Action: TypeAlias = Literal[
    "create", "read", "update", "delete", "search", "create_run",
    "put", "get", "list_namespaces",
]  # fmt: skip

#: What a run's object shows of its user; all else may be a secret.
_PUBLIC = ("identity", "display_name", "is_authenticated", "permissions")


class Principal(dict[str, Any]):
    """An authenticated user, with the members of LangGraph's `BaseUser`; further ones as given.

    It is a mapping, because graphs ask `config["configurable"]["langgraph_auth_user"]["token"]`;
    its members are attributes too, because auth handlers ask `ctx.user.identity`.
    """

    def __init__(self, members: Mapping[str, Any]) -> None:
        identity = members["identity"]
        super().__init__(
            {
                "identity": identity,
                "display_name": identity,
                "is_authenticated": True,
                **members,
                "permissions": list(members.get("permissions") or ()),
            }
        )

    @property
    def identity(self) -> str:
        """The name that rows are owned by."""
        return str(self["identity"])

    @property
    def permissions(self) -> list[str]:
        """What the user may do, in the words of the project."""
        return list(self["permissions"])

    @property
    def public(self) -> dict[str, Any]:
        """What may be shown in a run's object: no member that the project added."""
        return {name: self[name] for name in _PUBLIC}

    @property
    def has_secrets(self) -> bool:
        """Whether there are members that must not be shown."""
        return len(self) > len(_PUBLIC)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return Principal, (dict(self),)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingRequest:
    """What an authenticator sees of a request; headers are found whatever their case."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    path_params: Mapping[str, str]
    #: The web framework's own request.
    native: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key as it is stored: never the key, only its hash. Times are ISO-8601 UTC text."""

    key_id: str
    owner: str
    name: str | None
    #: SHA-256 of the whole key, which is random: nothing slower is needed to protect it.
    hash: bytes
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None

    def is_valid(self, now: str) -> bool:
        """Tell whether the key opens anything at this moment."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
