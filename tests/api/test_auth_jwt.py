"""A server that asks for tokens, with its issuer's keys behind a URL, by signed tokens only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lgserve.auth import jwks
from tests.api.conftest import served
from tests.unit.test_auth_jwt import EC, RSA, Issuer, as_jwk, issuer, token

__all__ = ["issuer"]  # the fixture

NEXT_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def url(tmp_path: Path, issuer: Issuer) -> Iterator[str]:
    issuer.keys = [as_jwk(RSA, kid="rsa-1", alg="RS256"), as_jwk(EC, kid="ec-1", alg="ES256")]
    auth = {
        "type": "jwt",
        "jwks": issuer.url,
        "algorithms": ["RS256", "ES256"],
        "issuer": "https://id.example",
        "audience": "lgserve",
    }
    with served(tmp_path, config={"lgserve": {"auth": auth}}) as url:
        yield url


def signed(key: object, algorithm: str, kid: str, owner: str = "alice") -> dict[str, str]:
    claims = {"iss": "https://id.example", "aud": "lgserve", "exp": int(time.time()) + 60}
    return {"Authorization": f"Bearer {token(key, algorithm, kid, **{**claims, 'sub': owner})}"}


def search(url: str, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(f"{url}/threads/search", json={}, headers=headers)


def test_tokens_by_rsa_and_by_elliptic_curves_open_what_is_their_owner_s(url: str) -> None:
    rsa_s, ec_s = signed(RSA, "RS256", "rsa-1"), signed(EC, "ES256", "ec-1")
    thread = httpx.post(f"{url}/threads", json={}, headers=rsa_s).json()

    assert [each["thread_id"] for each in search(url, ec_s).json()] == [thread["thread_id"]]
    assert search(url, signed(EC, "ES256", "ec-1", "bob")).json() == []
    assert search(url, signed(STRANGER, "ES256", "ec-1")).status_code == 401
    assert search(url, {}).status_code == 401


def test_a_key_that_is_rotated_in_is_taken_up_and_one_that_is_rotated_out_is_dropped(
    url: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = signed(RSA, "RS256", "rsa-1"), signed(NEXT_RSA, "RS256", "rsa-2")
    assert search(url, old).status_code == 200
    assert search(url, new).status_code == 401

    monkeypatch.setattr(jwks, "_PAUSE_SECONDS", 0.0)
    issuer.keys = [as_jwk(NEXT_RSA, kid="rsa-2", alg="RS256")]
    assert search(url, new).status_code == 200
    assert search(url, old).status_code == 401


def test_an_issuer_that_is_down_closes_nothing_that_was_open(
    url: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert search(url, signed(RSA, "RS256", "rsa-1")).status_code == 200
    monkeypatch.setattr(jwks, "_FRESH_SECONDS", 0.0)
    issuer.down = True
    assert search(url, signed(EC, "ES256", "ec-1")).status_code == 200
