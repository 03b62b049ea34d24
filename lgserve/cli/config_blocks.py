"""The JSON Schema of what no table of settings declares: authentication, webhooks, blocks."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}
DURATION: Schema = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^\s*[0-9.]+\s*(ms|s|m|h|d)?\s*$"},
    ]
}
_SWITCH: Schema = {"type": "boolean"}
_MINUTES: Schema = {"type": "number", "exclusiveMinimum": 0}
_COUNT: Schema = {"type": "integer", "minimum": 1}
_OBJECT: Schema = {"type": "string", "pattern": ".:."}
_HEADERS: Schema = {"type": "object"}


def _key(schema: Schema, about: str, default: Any = None) -> Schema:
    said = {**schema, "description": about}
    return said if default is None else {**said, "default": default}


def _of(about: str, members: dict[str, Schema], *, closed: bool = True) -> Schema:
    block = {"type": ["object", "null"], "description": about, "properties": members}
    return {**block, "additionalProperties": False} if closed else block


def _off(what: str) -> Schema:
    return _key(_SWITCH, f"answer 404 to {what}", default=False)


AUTH = _of(
    "who may call the API",
    {
        "type": _key({"enum": ["none", "api_keys", "jwt"]}, "how callers are known", "none"),
        "protect": _key(TEXTS, "routes to close that are open to all, such as /metrics", []),
        "keys": _key(
            {"type": "object", "additionalProperties": TEXT},
            "type api_keys: keys by owner, for development",
            {},
        ),
        "secret": _key(TEXT, "type jwt: the shared secret"),
        "secret_env": _key(TEXT, "type jwt: the environment variable with the secret"),
        "jwks": _key(TEXT, "type jwt: URL or file of the issuer's public keys"),
        "algorithms": _key(
            TEXTS, "type jwt: algorithms to accept; left out: HS256 with a secret, all with jwks"
        ),
        "issuer": _key(TEXTS, "type jwt: issuers to accept; left out: any"),
        "audience": _key(TEXTS, "type jwt: audiences to accept; left out: any"),
        "leeway": _key(DURATION, "type jwt: how far clocks may differ", "0s"),
        "owner_claim": _key(TEXT, "type jwt: the claim that names the owner", "sub"),
        "unmatched": _key(
            {"enum": ["allow", "deny"]},
            "beside the block auth: what becomes of what no handler decides about",
            "allow",
        ),
    },
)
WEBHOOKS = _of(
    "how webhooks are signed, and how long they are tried",
    {
        "secret": _key(
            TEXTS,
            "signs them: whsec_ and a key in base64, several while receivers change over; the"
            " variable LGSERVE_WEBHOOKS_SECRET goes before it",
        ),
        "secret_env": _key(TEXT, "the environment variable with the secret"),
        "timeout": _key(DURATION, "time a receiver has for its answer", "15s"),
        "retry_for": _key(DURATION, "how long a delivery is tried", "24h"),
        "keep": _key(DURATION, "how long the log of deliveries is kept", "7d"),
        "allow_loopback": _key(
            _SWITCH,
            "whether they may call this machine; left out: lgserve dev lets them, serve does not",
        ),
    },
)
#: The blocks of langgraph.json, beside `graphs`, `dependencies` and `env`.
BLOCKS: dict[str, Schema] = {
    "http": _of(
        "the HTTP API; cors and mount_prefix as under lgserve",
        {
            "app": _key(_OBJECT, "an ASGI app of yours beside the API: ./file.py:app"),
            "cors": _key({"type": ["object", "null"]}, "as lgserve.cors, which goes before it"),
            "mount_prefix": _key(TEXT, "as lgserve.mount_prefix, which goes before it"),
            "middleware_order": _key(
                {"enum": ["middleware_first", "auth_first"]},
                "whether the app's middleware sees requests before they are authenticated",
                "middleware_first",
            ),
            "enable_custom_route_auth": _key(
                _SWITCH, "authenticate who asks for the app's own routes", default=False
            ),
            "configurable_headers": _key(
                _HEADERS, "includes and excludes: headers that graphs find in configurable", {}
            ),
            "logging_headers": _key(
                _HEADERS, "includes and excludes: headers that go to the log", {}
            ),
            "disable_assistants": _off("/assistants"),
            "disable_threads": _off("/threads"),
            "disable_runs": _off("runs and crons"),
            "disable_store": _off("/store"),
            "disable_mcp": _off("/mcp"),
            "disable_a2a": _off("/a2a and agent cards"),
            "disable_meta": _off("/info, /metrics and /docs"),
            "disable_webhooks": _key(
                _SWITCH, "send no webhooks, and refuse runs that ask for one", default=False
            ),
            "disable_event_streaming": _off("protocol v2"),
            "disable_ui": _key(_SWITCH, "nothing: there is no UI to disable", default=False),
        },
        closed=False,
    ),
    "store": _of(
        "items that graphs and people keep",
        {
            "index": _of(
                "semantic search",
                {
                    "dims": _key(_COUNT, "how many numbers a vector has"),
                    "embed": _key(_OBJECT, "what embeds texts: ./file.py:object, provider:model"),
                    "fields": _key(TEXTS, "paths of a value's texts to embed", ["$"]),
                },
            ),
            "ttl": _of(
                "how long items are kept",
                {
                    "default_ttl": _key(_MINUTES, "minutes; left out: for good"),
                    "refresh_on_read": _key(
                        _SWITCH, "reading an item begins its time anew", default=True
                    ),
                    "sweep_interval_minutes": _key(_MINUTES, "minutes between two cleanings", 1),
                },
            ),
            "path": _key(_OBJECT, "a store of your own: ./file.py:factory"),
        },
    ),
    "checkpointer": _of(
        "where checkpoints are, and how long threads are kept",
        {
            "ttl": _of(
                "how long threads are kept; the variable LANGGRAPH_THREAD_TTL goes before it",
                {
                    "strategy": _key(
                        {"enum": ["delete", "keep_latest"]},
                        "delete the thread, or all checkpoints but the newest",
                        "delete",
                    ),
                    "default_ttl": _key(
                        _MINUTES, "minutes after the last change; left out: for good"
                    ),
                    "sweep_interval_minutes": _key(_MINUTES, "minutes between two cleanings", 5),
                    "sweep_limit": _key(_COUNT, "threads that one cleaning takes care of", 1000),
                },
            ),
            "path": _key(_OBJECT, "a checkpointer of your own: ./file.py:factory"),
            "backend": _key(
                {"enum": ["default", "custom"]}, "custom needs a path; default ignores it"
            ),
            "uri": _key({}, "nothing: lgserve has one database"),
            "serde": _key({}, "nothing: checkpoints are never pickles"),
        },
    ),
    "auth": _of(
        "who may call, decided by your own langgraph_sdk.Auth",
        {
            "path": _key(_OBJECT, "the Auth object: ./auth.py:auth"),
            "openapi": _key({"type": "object"}, "what it adds to /openapi.json", {}),
            "disable_studio_auth": _key({}, "nothing: Studio has no way in of its own here"),
            "cache": _key({}, "nothing: each request is authenticated"),
        },
    ),
    "webhooks": _of(
        "where webhooks may go, and what they say",
        {
            "env_prefix": _key(TEXT, "how variables must begin that headers name", "LG_WEBHOOK_"),
            "headers": _key(
                {"type": "object", "additionalProperties": TEXT},
                "headers to send; ${{ env.NAME }} is a variable's value",
                {},
            ),
            "url": _of(
                "rules for addresses, which hold once there is this key",
                {
                    "require_https": _key(_SWITCH, "https only", default=True),
                    "allowed_domains": _key(TEXTS, "such as *.example.com; left out: any"),
                    "allowed_ports": _key({}, "a list of ports; left out: any"),
                    "max_url_length": _key(_COUNT, "longest address", 2048),
                    "disable_loopback": _key(
                        _SWITCH, "not this machine; left out: as lgserve.webhooks.allow_loopback"
                    ),
                    "disable_private_ips": _key(_SWITCH, "no private networks", default=False),
                },
            ),
            "allowed_fields": _key(TEXTS, "members of the run to send; left out: all"),
        },
    ),
    "encryption": _of(
        "encrypts what is stored; without it AES-GCM, if LANGGRAPH_AES_KEY is set",
        {"path": _key(_OBJECT, "the langgraph_sdk.Encryption object: ./file.py:encryption")},
        closed=False,
    ),
    "priority": _key(
        {"type": ["object", "null"]}, "nothing: runs have no priorities in this version"
    ),
}
