"""Handlers that say how long threads are kept, and who may change and delete them."""

from typing import Any

from langgraph_sdk import Auth

auth = Auth()


@auth.authenticate
async def authenticate(authorization: str | None) -> str:
    return (authorization or "").removeprefix("Bearer ")


@auth.on.threads
async def own(ctx: Auth.types.AuthContext, value: dict) -> dict:
    return {"owner": ctx.user.identity}


@auth.on.threads.create
async def create(ctx: Auth.types.AuthContext, value: dict) -> dict:
    value["metadata"] = {**value["metadata"], "made_by": ctx.user.identity}
    if ctx.user.identity == "guest":
        value["ttl"] = {"ttl": 5, "strategy": "delete"}
    if ctx.user.identity == "odd":
        value["ttl"] = "for ever"
    return {"owner": ctx.user.identity}


@auth.on.threads.update
async def update(ctx: Auth.types.AuthContext, value: dict) -> Any:
    return ctx.user.identity != "reader" and {"owner": ctx.user.identity}


@auth.on.threads.delete
async def delete(ctx: Auth.types.AuthContext, value: dict) -> Any:
    if "thread_ids" in value:  # one may ask for many, of which each is asked for then
        value["thread_ids"] = value["thread_ids"][:3]
        return None
    return ctx.user.identity != "reader" and {"owner": ctx.user.identity}
