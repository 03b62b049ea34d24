"""What the config says about who may call; a mistake is one sentence and never shows a secret."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from lgserve.auth_settings import AuthSettings
from lgserve.core.errors import ConfigurationError
from lgserve.settings import ServerFlags, Settings, load_settings

Load = Callable[[str], Settings]
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.json").write_text('{"keys": []}')

    def load(config: str) -> Settings:
        (tmp_path / "langgraph.yaml").write_text(f"graphs: {{a: m:g}}\n{config}\n")
        return load_settings(ServerFlags())

    return load


def test_without_a_word_everybody_may_call(load: Load) -> None:
    assert load("").auth == AuthSettings()
    assert load("lgserve: {auth: {type: none}}").auth.type == "none"


def test_keys_by_owner(load: Load) -> None:
    auth = load(
        "lgserve: {auth: {type: api_keys, keys: {alice: secret-a}, protect: /metrics}}"
    ).auth

    assert (auth.type, auth.keys, auth.protect) == (
        "api_keys", {"alice": "secret-a"}, ("/metrics",),
    )  # fmt: skip
    assert "secret-a" not in repr(auth)
    assert pickle.loads(pickle.dumps(auth)) == auth
    assert load("lgserve: {auth: {type: api_keys}}").auth.keys == {}


def test_tokens(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auth = load(
        f"lgserve: {{auth: {{type: jwt, secret: {SECRET}, issuer: i,"
        " audience: [a, b], leeway: 5s}}"
    ).auth
    assert (auth.secret, auth.algorithms, auth.owner_claim) == (SECRET, ("HS256",), "sub")
    assert (auth.issuer, auth.audience, auth.leeway_seconds) == (("i",), ("a", "b"), 5.0)
    assert SECRET not in repr(auth)
    assert auth.warnings == ()

    monkeypatch.setenv("TOKENS", SECRET)
    assert load("lgserve: {auth: {type: jwt, secret_env: TOKENS}}").auth.secret == SECRET
    monkeypatch.delenv("TOKENS")
    project = f"env: {{TOKENS: '{SECRET}'}}\nlgserve: {{auth: {{type: jwt, secret_env: TOKENS}}}}"
    assert load(project).auth.secret == SECRET

    auth = load("lgserve: {auth: {type: jwt, jwks: ./keys.json}}").auth
    assert auth.jwks == str(tmp_path / "keys.json")
    assert {"RS256", "ES256"} <= set(auth.algorithms)
    assert not [name for name in auth.algorithms if name.startswith("HS")]
    assert load("lgserve: {auth: {type: jwt, jwks: 'https://id/k'}}").auth.jwks == "https://id/k"
    (weak,) = load("lgserve: {auth: {type: jwt, secret: short}}").auth.warnings
    assert "shorter than 32 bytes" in weak
    assert "short:" not in weak.replace("shorter", "")


def test_the_project_s_own(load: Load) -> None:
    auth = load("auth: {path: './a.py:auth', disable_studio_auth: true}").auth
    assert (auth.type, auth.path, auth.unmatched) == ("custom", "./a.py:auth", "allow")
    strict = load("auth: {path: './a.py:auth'}\nlgserve: {auth: {unmatched: deny}}").auth
    assert strict.unmatched == "deny"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("lgserve: {auth: x}", "line 2: lgserve.auth must be a mapping"),
        ("lgserve: {auth: {keys: {a: b}}}", "lgserve.auth needs a type: none, api_keys, jwt"),
        ("lgserve: {auth: {type: apikey}}", "must be one of none, api_keys, jwt"),
        ("lgserve: {auth: {type: api_keys, key: {}}}", 'key: unknown key, did you mean "keys"?'),
        ("lgserve: {auth: {type: api_keys, keys: [s3cret]}}", "a mapping of owners to keys"),
        ("lgserve: {auth: {type: api_keys, keys: {a: 123}}}", "keys.a must be text"),
        ("lgserve: {auth: {type: api_keys, keys: {a: ' s3cret'}}}", "keys.a must be text"),
        (
            "lgserve: {auth: {type: api_keys, keys: {a: s3cret, b: s3cret}}}",
            "has the key of another owner",
        ),
        ("lgserve: {auth: {type: jwt}}", "needs either a secret or jwks"),
        ("lgserve: {auth: {type: jwt, secret: s3cret, jwks: ./keys.json}}", "either a secret or"),
        ("lgserve: {auth: {type: jwt, secret_env: NOT_THERE}}", "that is not set"),
        ("lgserve: {auth: {type: jwt, secret: 123}}", "secret must be text"),
        ("lgserve: {auth: {type: jwt, jwks: ./none.json}}", 'file "./none.json" does not exist'),
        (
            "lgserve: {auth: {type: jwt, jwks: ./keys.json, algorithms: [HS256]}}",
            "algorithms with jwks can be RS256",
        ),
        ("lgserve: {auth: {type: jwt, secret: s3cret, algorithms: [none]}}", "can be HS256"),
        ("lgserve: {auth: {type: jwt, secret: s3cret, leeway: x}}", "leeway must be"),
        ("auth: {path: nothing}", 'auth.path must be "path:object"'),
        ("auth: {pat: './a.py:auth'}", 'auth.pat: unknown key, did you mean "path"?'),
        ("auth: {disable_studio_auth: true}", "auth needs a path"),
        ("auth: {path: './a.py:b'}\nlgserve: {auth: {type: jwt}}", "exclude each other"),
        ("auth: {path: './a.py:b'}\nlgserve: {auth: {unmatched: x}}", "must be one of allow, deny"),
    ],
)
def test_a_mistake_is_one_sentence_without_the_secret(
    load: Load, config: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(config)
    assert message in refused.value.message
    assert "langgraph.yaml, line" in refused.value.message
    assert "s3cret" not in refused.value.message


def test_what_the_project_s_auth_adds_to_the_document_is_taken_over(load: Load) -> None:
    auth = load("auth: {path: ./a.py:auth, openapi: {securitySchemes: {Login: {type: http}}}}").auth

    assert auth.openapi == {"securitySchemes": {"Login": {"type": "http"}}}
    assert load("auth: {path: ./a.py:auth}").auth.openapi == {}


@pytest.mark.parametrize(
    "openapi", ["x", "[1]", "{paths: []}", "{paths: {/a: []}}", "{security: {}}",
                "{securitySchemes: 1}", "{paths: {/a: {get: 1}}}"],
)  # fmt: skip
def test_what_cannot_be_added_to_the_document_is_refused(load: Load, openapi: str) -> None:
    with pytest.raises(ConfigurationError, match=r"auth\.openapi must have securitySchemes"):
        load(f"auth: {{path: ./a.py:auth, openapi: {openapi}}}")
