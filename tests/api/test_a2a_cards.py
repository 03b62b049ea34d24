"""Agent cards: on all their paths, for clients of both versions, with the address that counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from lgserve.api.a2a_urls import is_trusted
from lgserve.core.ids import system_assistant_id
from tests.api.conftest import served
from tests.clients.a2a_sdk import Schema

TALK = system_assistant_id("talk")
#: Members that only clients of 0.3 know.
_LEGACY = (
    "url", "protocolVersion", "preferredTransport", "additionalInterfaces", "security",
    "supportsAuthenticatedExtendedCard",
)  # fmt: skip
_FORWARDED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example, agents.example.com",
    "X-Forwarded-Prefix": "/agents",
}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        served(tmp_path_factory.mktemp("cards"), "a2a") as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def test_a_card_is_the_same_on_all_its_paths(http: httpx.Client) -> None:
    found = [
        http.get(path)
        for name in (TALK, "talk")
        for path in (
            f"/.well-known/agent-card.json?assistant_id={name}",
            f"/.well-known/agent.json?assistant_id={name}",
            f"/a2a/{name}",
            f"/a2a/{name}/.well-known/agent-card.json",
            f"/a2a/{name}/.well-known/agent.json",
        )
    ]
    assert [each.status_code for each in found] == [200] * 10
    assert len({each.text for each in found}) == 1


def test_a_card_serves_clients_of_both_versions(http: httpx.Client) -> None:
    card = http.get("/a2a/talk").json()
    url = f"{str(http.base_url).rstrip('/')}/a2a/{TALK}"

    assert (card["url"], card["protocolVersion"], card["preferredTransport"]) == (
        url, "0.3.0", "JSONRPC",
    )  # fmt: skip
    assert card["supportedInterfaces"] == [
        {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": version}
        for version in ("1.0", "0.3")
    ]
    assert (card["name"], card["description"]) == ("talk", "Says as many words as it is told")
    assert card["capabilities"]["streaming"] is True
    assert card["capabilities"]["pushNotifications"] is True
    assert card["skills"][0]["id"] == f"{TALK}-main"
    for protocol, shown in (("1.0", _without_legacy(card)), ("0.3", _legacy_part(card))):
        schema = Schema(protocol)
        schema.check("AgentCard", shown)
        schema.close()


def _without_legacy(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of 1.0."""
    return {name: value for name, value in card.items() if name not in _LEGACY}


def _legacy_part(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of 0.3."""
    later = ("supportedInterfaces", "securitySchemes", "securityRequirements")
    shown = {name: value for name, value in card.items() if name not in later}
    capabilities = dict(card["capabilities"])
    del capabilities["extendedAgentCard"]
    return {**shown, "capabilities": capabilities}


def _extended(http: httpx.Client, method: str) -> dict[str, Any]:
    call = {"jsonrpc": "2.0", "id": 1, "method": method}
    found: dict[str, Any] = http.post("/a2a/talk", json=call).json()["result"]
    return found


def test_the_extended_card_is_the_card_in_the_words_of_the_version(http: httpx.Client) -> None:
    card = http.get("/a2a/talk").json()

    assert _extended(http, "GetExtendedAgentCard") == _without_legacy(card)
    assert _extended(http, "agent/getAuthenticatedExtendedCard") == card


def test_the_extended_card_of_a_server_with_keys_is_valid(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    auth = {"type": "api_keys", "keys": {"alice": "alice-key"}}
    folder = tmp_path_factory.mktemp("cards-keys")
    with (
        served(folder, "a2a", {"lgserve": {"auth": auth}}) as url,
        httpx.Client(base_url=url, timeout=30, headers={"x-api-key": "alice-key"}) as http,
    ):
        card = _extended(http, "GetExtendedAgentCard")

    schema = Schema("1.0")
    schema.check("AgentCard", card)
    schema.close()
    scheme = {"apiKeySecurityScheme": {"location": "header", "name": "x-api-key"}}
    assert card["securitySchemes"] == {"apiKey": scheme}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/.well-known/agent-card.json", "Missing required query parameter: assistant_id"),
        ("/.well-known/agent-card.json", "set lgserve.a2a_assistant in the config"),
        ("/.well-known/agent.json", "ask for /a2a/talk/.well-known/agent-card.json"),
        ("/a2a/nope", "Failed to get assistant 'nope': Invalid assistant ID"),
        ("/a2a/0d0c7bfc-5ab9-4bb1-9a7e-b0f01c7a9a55", "not found"),
    ],
)
def test_a_card_of_nobody_is_refused(http: httpx.Client, path: str, message: str) -> None:
    answer = http.get(path)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], message in error["message"]) == (-32602, True)


def test_a_server_of_one_graph_shows_its_card_to_who_names_none(tmp_path: Path) -> None:
    only = {"graphs": {"talk": "./a2a_graphs.py:talk"}}
    with served(tmp_path, "a2a", config=only) as url:
        assert httpx.get(f"{url}/.well-known/agent-card.json").json()["name"] == "talk"


def test_the_card_that_is_shown_to_who_names_none_is_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEFAULT_A2A_ASSISTANT_ID", "add")
    with served(tmp_path, "a2a") as url:
        card = httpx.get(f"{url}/.well-known/agent-card.json").json()
    assert card["name"] == "add"
    assert card["defaultInputModes"] == ["application/json"]
    assert card["skills"][0]["description"] == "add assistant (data parts may have: x, y)"


def test_what_a_proxy_says_is_not_believed_unless_it_is_trusted(http: httpx.Client) -> None:
    card = http.get("/a2a/talk", headers=_FORWARDED).json()
    assert card["url"] == f"{str(http.base_url).rstrip('/')}/a2a/{TALK}"


def test_the_address_is_the_one_that_was_called(http: httpx.Client) -> None:
    named = http.get("/a2a/talk", headers={"Host": "agents.local:8080"}).json()
    assert named["url"] == f"http://agents.local:8080/a2a/{TALK}"
    odd = http.get("/a2a/talk", headers={"Host": 'x"><script>'})
    assert "<script" not in odd.text


@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize(
    ("settings", "headers", "base"),
    [
        ({"trusted_proxies": ["127.0.0.0/8"]}, _FORWARDED, "https://agents.example.com/agents"),
        ({"trusted_proxies": "*"}, {"X-Forwarded-Proto": "https"}, None),
        ({"trusted_proxies": "10.0.0.0/8"}, _FORWARDED, None),
        ({"public_url": "https://a.example.com/x"}, _FORWARDED, "https://a.example.com/x"),
    ],
)
def test_the_address_is_what_settings_and_trusted_proxies_say(
    tmp_path: Path, settings: dict[str, Any], headers: dict[str, str], base: str | None, prefix: str
) -> None:
    config = {"lgserve": settings, "http": {"mount_prefix": prefix}}
    with served(tmp_path, "a2a", config=config) as url:
        found = httpx.get(f"{url}{prefix}/a2a/talk", headers=headers).json()["url"]
        https = settings.get("trusted_proxies") == "*"
        base = base or (url.replace("http:", "https:") if https else url)
    assert found == f"{base}{prefix}/a2a/{TALK}"


def test_addresses_of_proxies_are_networks() -> None:
    assert is_trusted("10.1.2.3", ("192.0.2.1", "10.0.0.0/8"))
    assert is_trusted("::ffff:10.1.2.3", ("10.0.0.0/8",))
    assert is_trusted("fe80::1%eth0", ("fe80::/10",))
    assert not is_trusted("11.1.2.3", ("10.0.0.0/8",))
    assert not is_trusted(None, ("*",))
    assert not is_trusted("10.1.2.3", ())


def test_a2a_can_be_switched_off(tmp_path: Path) -> None:
    with served(tmp_path, "a2a", config={"http": {"disable_a2a": True}}) as url:
        info = httpx.get(f"{url}/info").json()
        assert info["capabilities"]["a2a"] is False
        assert httpx.get(f"{url}/a2a/talk").status_code == 404
        assert httpx.post(f"{url}/a2a/talk", json={}).status_code == 404
        assert httpx.get(f"{url}/.well-known/agent-card.json").status_code == 404


def test_the_server_says_that_it_has_a2a(http: httpx.Client) -> None:
    assert http.get("/info").json()["capabilities"]["a2a"] is True
    assert http.delete("/a2a/talk").status_code == 405


def test_without_webhooks_there_are_no_push_notifications(tmp_path: Path) -> None:
    with served(tmp_path, "a2a", config={"http": {"disable_webhooks": True}}) as url:
        assert httpx.get(f"{url}/a2a/talk").json()["capabilities"]["pushNotifications"] is False
        call = {"jsonrpc": "2.0", "id": 1, "method": "ListTaskPushNotificationConfigs",
                "params": {"taskId": "x"}}  # fmt: skip
        assert httpx.post(f"{url}/a2a/talk", json=call).json()["error"]["code"] == -32003
