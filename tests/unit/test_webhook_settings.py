from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lgserve.core.errors import ConfigurationError
from lgserve.core.webhook_signing import read_secret, signature
from lgserve.settings import ServerFlags, load_settings
from lgserve.webhook_settings import WebhookSettings

KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 24).decode()


@pytest.fixture(autouse=True)
def _no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LGSERVE_WEBHOOKS_SECRET", raising=False)
    monkeypatch.delenv("LG_WEBHOOK_X", raising=False)


def settings(
    folder: Path,
    block: Any = None,
    own: Any = None,
    env: Mapping[str, str] | None = None,
    **flags: Any,
) -> WebhookSettings:
    config: dict[str, Any] = {"graphs": {"a": "./a.py:graph"}, "env": dict(env or {})}
    config |= {} if block is None else {"webhooks": block}
    config |= {} if own is None else {"lgserve": {"webhooks": own}}
    file = folder / "langgraph.json"
    (folder / "a.py").write_text("graph = None")
    file.write_text(json.dumps(config))
    return load_settings(ServerFlags(config=file, **flags), folder).webhooks


def test_nothing_said_allows_loopback_in_development_only(tmp_path: Path) -> None:
    assert settings(tmp_path).policy.allow_loopback
    assert not settings(tmp_path, production=True).policy.allow_loopback
    assert settings(tmp_path, own={"allow_loopback": True}, production=True).policy.allow_loopback
    assert not settings(tmp_path, own={"allow_loopback": False}).policy.allow_loopback
    assert settings(tmp_path).policy.max_url_length == 4096


def test_rules_for_addresses_want_https_unless_they_say_otherwise(tmp_path: Path) -> None:
    policy = settings(tmp_path, {"url": {}}).policy
    assert (policy.require_https, policy.max_url_length) == (True, 2048)
    assert not settings(tmp_path, {"url": {"require_https": False}}).policy.require_https


def test_the_config_decides_about_loopback(tmp_path: Path) -> None:
    assert not settings(tmp_path, {"url": {"disable_loopback": True}}).policy.allow_loopback
    policy = settings(tmp_path, {"url": {"disable_loopback": False}}, production=True).policy
    assert (policy.allow_loopback, policy.allow_relative) == (True, True)


def test_headers_are_filled_from_the_environment(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        {"headers": {"X-Auth": "Bearer ${{ env.LG_WEBHOOK_X }}"}},
        env={"LG_WEBHOOK_X": "t"},
    )
    assert found.headers == {"X-Auth": "Bearer t"}
    assert "Bearer t" not in repr(found)


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"headers": {"X": "${{ env.LG_WEBHOOK_X }}"}}, "environment variable 'LG_WEBHOOK_X'"),
        ({"headers": {"X": "${{ env.HOME }}"}}, "does not begin with LG_WEBHOOK_"),
        ({"headers": {"X": "${{ nonsense"}}, "with variables as"),
        ({"headers": {"X": "a\r\nY: b"}}, "must be one line"),
        ({"headers": {"Host": "a"}}, "no header that can be set"),
        ({"headers": {"webhook-id": "a"}}, "no header that can be set"),
        ({"headers": ["a"]}, "must be a mapping"),
        ({"url": {"allowed_ports": ["x"]}}, "must be a list of ports"),
        ({"url": {"allowed_domains": ["a b"]}}, "must be names such as"),
        ({"url": {"max_url_length": 0}}, "must be a whole number"),
        ({"url": {"require_http": True}}, 'did you mean "require_https"'),
        ({"url": 1}, "must be a mapping"),
        ({"header": {}}, 'did you mean "headers"'),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, block: Any, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(tmp_path, block)
    assert told in refused.value.message
    assert "langgraph.json, line 1: webhooks" in refused.value.message


@pytest.mark.parametrize("secret", ["hunter2hunter2", "whsec_!!", "whsec_c2hvcnQ=", 5])
def test_a_secret_that_is_none_is_refused_and_not_shown(tmp_path: Path, secret: Any) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(tmp_path, own={"secret": secret})
    assert "lgserve.webhooks.secret" in refused.value.message
    assert "hunter2" not in refused.value.message


def test_secrets_come_from_the_config_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings(tmp_path, own={"secret": [SECRET, OTHER]}).secrets == (KEY, b"o" * 24)
    assert settings(tmp_path, own={"secret_env": "MINE"}, env={"MINE": SECRET}).secrets == (KEY,)
    with pytest.raises(ConfigurationError, match="MINE is not set"):
        settings(tmp_path, own={"secret_env": "MINE"})
    monkeypatch.setenv("LGSERVE_WEBHOOKS_SECRET", OTHER)
    assert settings(tmp_path, own={"secret": SECRET}).secrets == (b"o" * 24,)


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of the Standard Webhooks libraries.
    secret = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    assert (
        signature([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )
    both = signature([secret, KEY], "a", 1, b"{}").split()
    mine = base64.b64encode(hmac.new(KEY, b"a.1.{}", sha256).digest()).decode()
    assert both[1] == f"v1,{mine}"
