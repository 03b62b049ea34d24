"""Handlers of a `langgraph_sdk.Auth`: what they are given, which is asked, what answers mean."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from langgraph_sdk import Auth

from lgserve.auth.custom import CustomAuthenticator, to_principal
from lgserve.core.errors import (
    AuthHandlerError,
    BadRequestError,
    ConfigurationError,
    ForbiddenError,
    LgserveError,
    UnavailableError,
)
from lgserve.core.models import EVERYTHING
from lgserve.core.principals import IncomingRequest, Principal
from lgserve.engine.user_loop import UserLoopThread

ALICE = Principal({"identity": "alice"})
Make = Callable[..., CustomAuthenticator]


@pytest.fixture(scope="module")
def user_loop() -> Iterator[UserLoopThread]:
    loop = UserLoopThread(2)
    loop.start()
    yield loop
    loop.stop(5)


@pytest.fixture
def make(user_loop: UserLoopThread) -> Make:
    """Make an authenticator that asks the handlers of an `Auth`."""

    def make(auth: Auth, unmatched: Literal["allow", "deny"] = "allow") -> CustomAuthenticator:
        authenticator = CustomAuthenticator(user_loop, unmatched)
        if auth._authenticate_handler is None:
            auth.authenticate(_alice)
        authenticator.use(auth)
        return authenticator

    return make


async def _alice() -> str:
    return "alice"


class Native:
    """What the web framework's request has."""

    cookies: Mapping[str, str] = {"c": "1"}
    query_string = "a=1"
    remote = "127.0.0.1"

    async def read(self) -> bytes:
        return b'{"x": 1}'


def incoming(**headers: str) -> IncomingRequest:
    return IncomingRequest(
        method="POST",
        path="/threads/t",
        headers={"Authorization": "Bearer t", "X-Two": "2", **headers},
        query={"a": "1"},
        path_params={"thread_id": "t"},
        native=Native(),
    )


async def test_a_handler_is_given_what_its_parameters_name(make: Make) -> None:
    auth = Auth()
    seen: dict[str, Any] = {}

    @auth.authenticate
    async def authenticate(
        headers: Any, method: str, path: str, path_params: Any, query_params: Any,
        request: Any, more: int = 3,
    ) -> str:  # fmt: skip
        seen.update(headers=headers, method=method, path=path, path_params=path_params)
        seen.update(query_params=query_params, request=request, body=await request.json())
        seen["thread"] = threading.current_thread().name
        return "alice"

    user = await make(auth).authenticate(incoming())

    assert user.identity == "alice"
    assert (seen["method"], seen["path"]) == ("POST", "/threads/t")
    assert (seen["path_params"], seen["query_params"]) == ({"thread_id": "t"}, {"a": "1"})
    assert seen["body"] == {"x": 1}
    assert seen["thread"] == "lgserve-user-loop"
    headers, request = seen["headers"], seen["request"]
    assert isinstance(headers, dict)
    assert dict(headers) == {b"authorization": b"Bearer t", b"x-two": b"2"}
    assert (headers[b"x-two"], headers["X-Two"], headers.get("none")) == (b"2", "2", None)
    assert (b"x-two" in headers, "x-TWO" in headers, "y" in headers) == (True, True, False)
    assert request.headers["X-TWO"] == request.headers.get("x-two") == "2"
    assert (request.url.path, request.cookies, request.client.host) == (
        "/threads/t", {"c": "1"}, "127.0.0.1",
    )  # fmt: skip


async def test_a_handler_that_is_no_coroutine_blocks_nobody(make: Make) -> None:
    auth = Auth()

    @auth.authenticate  # type: ignore[type-var]
    def authenticate(authorization: str) -> dict[str, str]:
        assert threading.current_thread().name != "lgserve-user-loop"
        return {"identity": authorization.removeprefix("Bearer ")}

    authenticator = make(auth)
    # aiohttp finds headers whatever their case; a plain mapping does not
    assert (
        await authenticator.authenticate(incoming(authorization="Bearer bob"))
    ).identity == "bob"


def test_users_come_in_many_shapes() -> None:
    class Model:
        def model_dump(self) -> dict[str, Any]:
            return {"identity": "model", "team": "red"}

    class Slotted:
        __slots__ = ("identity", "permissions")

        def __init__(self) -> None:
            self.identity, self.permissions = "slotted", ("a",)

    plain = SimpleNamespace(identity="plain", display_name="Plain", permissions=("a",), _hidden=1)

    assert to_principal("text") == {
        "identity": "text", "display_name": "text", "is_authenticated": True, "permissions": [],
    }  # fmt: skip
    assert to_principal({"identity": "map", "token": "t"})["token"] == "t"
    assert to_principal(Model()).team == "red"
    assert to_principal(Slotted()).permissions == ["a"]
    assert dict(to_principal(plain)) == {
        "identity": "plain", "display_name": "Plain", "is_authenticated": True,
        "permissions": ["a"],
    }  # fmt: skip
    assert to_principal(Auth.types.StudioUser("s", is_authenticated=True)).identity == "s"


@pytest.mark.parametrize("user", [None, "", {}, {"identity": 5}, {"identity": ""}, object(), 7])
def test_a_user_needs_an_identity(user: Any) -> None:
    with pytest.raises(BadRequestError, match="identity"):
        to_principal(user)


async def test_the_closest_handler_is_asked_and_no_other(make: Make) -> None:
    auth = Auth()

    def register(name: str, **where: Any) -> None:
        async def handler(ctx: Any, value: Any) -> dict[str, Any]:
            assert (ctx.user.identity, ctx.permissions) == ("alice", [])
            return {"asked": f"{name} for {ctx.resource}.{ctx.action}"}

        decorate: Any = auth.on(**where) if where else auth.on
        decorate(handler)

    register("exact", resources="threads", actions="create")
    register("resource", resources="threads")
    register("action", actions="search")
    register("all")
    authenticator = make(auth)

    for resource, action, expected in (
        ("threads", "create", "exact"),
        ("threads", "read", "resource"),
        ("threads", "search", "resource"),
        ("assistants", "search", "action"),
        ("store", "put", "all"),
    ):
        scope = await authenticator.authorize(ALICE, resource, action, {})  # type: ignore[arg-type]
        assert scope == {"asked": f"{expected} for {resource}.{action}"}


async def test_what_no_handler_decides_is_allowed_or_forbidden_by_the_setting(make: Make) -> None:
    auth = Auth()

    @auth.on.threads
    async def own(ctx: Any, value: Any) -> None:
        return None

    assert await make(auth).authorize(ALICE, "store", "get", {}) == EVERYTHING
    strict = make(auth, "deny")
    with pytest.raises(ForbiddenError):
        await strict.authorize(ALICE, "store", "get", {})
    assert await strict.authorize(ALICE, "threads", "read", {}) == EVERYTHING
    assert "store.get" in strict.unmatched()
    assert "threads.read" not in strict.unmatched()


async def _answer(make: Make, answer: Any) -> Any:
    auth = Auth()

    @auth.on
    async def handler(ctx: Any, value: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return await make(auth).authorize(ALICE, "threads", "read", {})


async def test_answers_mean_what_the_sdk_says(make: Make) -> None:
    assert await _answer(make, None) == EVERYTHING
    assert await _answer(make, True) == EVERYTHING
    assert await _answer(make, {"owner": {"$eq": "a"}}) == {"owner": {"$eq": "a"}}
    with pytest.raises(ForbiddenError, match="Forbidden"):
        await _answer(make, False)
    with pytest.raises(ForbiddenError, match="not yours"):
        await _answer(make, AssertionError("not yours"))
    with pytest.raises(AuthHandlerError, match="gone") as refused:
        await _answer(make, Auth.exceptions.HTTPException(410, "gone", {"X-A": "b"}))
    assert (refused.value.status, refused.value.headers) == (410, {"X-A": "b"})
    with pytest.raises(RuntimeError, match="its own"):
        await _answer(make, RuntimeError("its own"))
    for wrong in ("yes", 1, {"a": {"$in": [1]}}):
        with pytest.raises(LgserveError, match=r"threads\.read returned"):
            await _answer(make, wrong)


async def test_ids_are_uuids_and_changes_come_back(make: Make) -> None:
    auth, seen = Auth(), []

    @auth.on
    async def handler(ctx: Any, value: Any) -> None:
        seen.append(dict(value))
        value["metadata"] = {"new": True}

    value: dict[str, Any] = {"thread_id": str(uuid4()), "run_id": None, "metadata": {}}
    await make(auth).authorize(ALICE, "threads", "update", value)

    assert isinstance(seen[0]["thread_id"], UUID)
    assert value["metadata"] == {"new": True}


def test_what_is_no_auth_or_asks_for_the_impossible_is_a_sentence(make: Make) -> None:
    authenticator = CustomAuthenticator(None, "allow")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"must be a langgraph_sdk\.Auth, not dict"):
        authenticator.use({})
    with pytest.raises(ConfigurationError, match="has no handler"):
        authenticator.use(Auth())
    auth = Auth()

    @auth.authenticate
    async def authenticate(database: Any) -> str:
        return "x"

    with pytest.raises(ConfigurationError, match="asks for 'database'; it can have request, auth"):
        authenticator.use(auth)


async def test_nobody_is_let_in_before_the_handlers_are_loaded(user_loop: UserLoopThread) -> None:
    with pytest.raises(UnavailableError):
        await CustomAuthenticator(user_loop, "allow").authenticate(incoming())


async def test_a_route_that_does_not_ask_the_handlers_is_closed(make: Make) -> None:
    with pytest.raises(ForbiddenError):
        make(Auth()).scope(ALICE)
