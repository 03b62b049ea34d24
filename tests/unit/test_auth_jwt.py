"""JSON web tokens: which are accepted, and which tricks are not."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime, tzinfo
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lgserve.auth import jwks
from lgserve.auth.jwt import JwtAuthenticator, JwtOptions
from lgserve.core.errors import UnauthorizedError, UnavailableError
from lgserve.core.principals import IncomingRequest, Principal

SECRET = "a secret that is long enough for HS256, and more"
PUBLIC = ("RS256", "PS256", "ES256")
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def as_jwk(key: Any, **members: str) -> dict[str, Any]:
    algorithm = (
        jwt.algorithms.RSAAlgorithm
        if hasattr(key, "key_size") and not isinstance(key, ec.EllipticCurvePrivateKey)
        else jwt.algorithms.ECAlgorithm
    )
    found: dict[str, Any] = json.loads(algorithm.to_jwk(key.public_key()))
    return {**found, **members}


def ask(authenticator: JwtAuthenticator, token: str, header: str = "authorization") -> Principal:
    value = f"Bearer {token}" if header == "authorization" else token
    request = IncomingRequest(
        method="GET", path="/", headers={header: value}, query={}, path_params={}
    )
    return asyncio.run(authenticator.authenticate(request))


def shared(**options: Any) -> JwtAuthenticator:
    return JwtAuthenticator(JwtOptions(secret=SECRET, **options))


def token(
    key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **claims: Any
) -> str:
    headers = {"kid": kid} if kid else None
    return jwt.encode({"sub": "alice", **claims}, key, algorithm=algorithm, headers=headers)


def refuse(authenticator: JwtAuthenticator, text: str, reason: str = "not valid") -> None:
    with pytest.raises(UnauthorizedError, match=reason):
        ask(authenticator, text)


def test_the_subject_is_the_owner_and_claims_tell_more() -> None:
    user = ask(shared(), token(name="Alice", scope="read write"))

    assert (user.identity, user.display_name, user.permissions) == (
        "alice", "Alice", ["read", "write"],
    )  # fmt: skip
    assert user["claims"]["name"] == "Alice"
    assert "claims" not in user.public
    assert ask(shared(), token(), "x-api-key").identity == "alice"
    assert ask(shared(), token(permissions=["a", "b"])).permissions == ["a", "b"]


def test_another_claim_can_name_the_owner() -> None:
    authenticator = shared(owner_claim="email")

    assert ask(authenticator, token(email="a@example.com")).identity == "a@example.com"
    refuse(authenticator, token(), "no claim email")
    refuse(authenticator, token(email=7), "no claim email")


def test_a_token_of_somebody_else_s_secret_is_refused() -> None:
    refuse(shared(), token("another secret that is long enough too"), "Signature verification")
    header, body, signature = token().split(".")
    forged = base64.urlsafe_b64encode(b'{"sub":"bob"}').rstrip(b"=").decode()
    refuse(shared(), f"{header}.{forged}.{signature}")
    for odd in ("", "x", "a.b.c", "a.b", f"{header}.{body}.", "é.é.é"):
        with pytest.raises(UnauthorizedError):
            ask(shared(), odd)


def test_a_token_without_signature_is_refused() -> None:
    refuse(shared(), jwt.encode({"sub": "alice"}, "", algorithm="none"), "alg")


def test_times_are_heeded_with_the_leeway() -> None:
    now = int(time.time())
    refuse(shared(), token(exp=now - 30), "expired")
    refuse(shared(), token(nbf=now + 30), "not yet valid")
    assert ask(shared(leeway_seconds=60), token(exp=now - 30)).identity == "alice"
    assert ask(shared(), token(exp=now + 30)).identity == "alice"


@pytest.mark.parametrize("leeway", [0.0, 5.0])
def test_a_token_ends_and_begins_at_the_very_second(
    leeway: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_900_000_000
    monkeypatch.setattr(jwt.api_jwt, "datetime", _clock_at(now))
    authenticator = shared(leeway_seconds=leeway)
    over, ahead = now - int(leeway), now + int(leeway)

    assert ask(authenticator, token(exp=over + 1)).identity == "alice"
    refuse(authenticator, token(exp=over), "expired")
    assert ask(authenticator, token(nbf=ahead)).identity == "alice"
    refuse(authenticator, token(nbf=ahead + 1), "not yet valid")
    refuse(authenticator, token(iat=ahead + 1), "not yet valid")


def _clock_at(moment: int) -> type[datetime]:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return cls.fromtimestamp(moment, tz)

    return Clock


def test_without_a_word_in_the_config_there_is_no_leeway() -> None:
    assert JwtOptions(secret=SECRET).leeway_seconds == 0.0
    refuse(shared(), token(exp=int(time.time()) - 1), "expired")


def test_issuer_and_audience_must_be_those_of_the_config() -> None:
    authenticator = shared(issuer=("https://id.example",), audience=("lgserve", "other"))
    good: dict[str, Any] = {"iss": "https://id.example", "aud": "lgserve"}

    assert ask(authenticator, token(**good)).identity == "alice"
    assert ask(authenticator, token(**{**good, "aud": ["x", "other"]})).identity == "alice"
    refuse(authenticator, token(**{**good, "iss": "https://evil.example"}), "[Ii]ssuer")
    refuse(authenticator, token(**{**good, "aud": "somebody else"}), "[Aa]udience")
    refuse(authenticator, token(aud="lgserve"), "iss")
    refuse(authenticator, token(iss="https://id.example"), "aud")
    refuse(shared(), token(aud="somebody else"), "[Aa]udience")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "jwks.json"
    document = {
        "keys": [
            as_jwk(RSA, kid="rsa"),
            as_jwk(EC, kid="ec", alg="ES256"),
            as_jwk(OTHER_RSA, kid="encrypts", use="enc"),
            {"kty": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode(), "kid": "oct"},
            {"kty": "odd"},
        ]
    }
    file.write_text(json.dumps(document))
    return file


def from_file(keys: Path) -> JwtAuthenticator:
    return JwtAuthenticator(JwtOptions(jwks=str(keys), algorithms=PUBLIC))


def test_tokens_of_an_issuer_are_checked_by_its_public_keys(keys: Path) -> None:
    for text in (
        token(RSA, "RS256", "rsa"),
        token(RSA, "PS256", "rsa"),
        token(RSA, "RS256"),
        token(EC, "ES256", "ec"),
        token(EC, "ES256"),
    ):
        assert ask(from_file(keys), text).identity == "alice"


def test_a_public_key_is_no_secret_to_sign_with(keys: Path) -> None:
    pem = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"rsa"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(b'{"sub":"alice"}').rstrip(b"=")
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        header + b"." + body, pem
    )
    forged = b".".join((header, body, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()

    refuse(from_file(keys), forged, "alg")


def test_keys_that_do_not_sign_count_for_nothing(keys: Path) -> None:
    refuse(from_file(keys), token(OTHER_RSA, "RS256", "encrypts"), "no known key")
    refuse(from_file(keys), token(OTHER_RSA, "RS256", "rsa"), "Signature")
    refuse(from_file(keys), token(OTHER_RSA, "RS256"), "Signature")
    refuse(from_file(keys), token(RSA, "RS384", "rsa"), "alg")
    refuse(from_file(keys), token(RSA, "RS256", "ec"), "no known key")
    refuse(from_file(keys), token(SECRET, "HS256", "oct"), "alg")


class Issuer:
    """Serves a JWKS document, and counts how often it was read."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.reads = 0
        self.down = False
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.reads += 1
                self.send_response(503 if issuer.down else 200)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": issuer.keys}).encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    found = Issuer()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.05,))
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def request_of(text: str) -> IncomingRequest:
    headers = {"authorization": f"Bearer {text}"}
    return IncomingRequest(method="GET", path="/", headers=headers, query={}, path_params={})


async def test_keys_of_a_url_are_read_once_and_again_for_a_new_one(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.keys = [as_jwk(RSA, kid="one")]
    authenticator = JwtAuthenticator(JwtOptions(jwks=issuer.url, algorithms=PUBLIC))
    old, new = token(RSA, "RS256", "one"), token(OTHER_RSA, "RS256", "two")

    for _ in range(3):
        assert (await authenticator.authenticate(request_of(old))).identity == "alice"
    assert issuer.reads == 1

    for _ in range(3):  # strangers cannot make the server ask the issuer for each of their tokens
        with pytest.raises(UnauthorizedError, match="no known key"):
            await authenticator.authenticate(request_of(new))
    assert issuer.reads == 1

    monkeypatch.setattr(jwks, "_PAUSE_SECONDS", 0.0)
    issuer.keys = [as_jwk(OTHER_RSA, kid="two")]
    assert (await authenticator.authenticate(request_of(new))).identity == "alice"
    assert issuer.reads == 2
    with pytest.raises(UnauthorizedError, match="no known key"):
        await authenticator.authenticate(request_of(old))


async def test_an_issuer_that_is_down_is_503_until_its_keys_are_known(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.keys, issuer.down = [as_jwk(RSA, kid="one")], True
    authenticator = JwtAuthenticator(JwtOptions(jwks=issuer.url, algorithms=PUBLIC))
    text = token(RSA, "RS256", "one")

    with pytest.raises(UnavailableError, match="issuer"):
        await authenticator.authenticate(request_of(text))
    issuer.down = False
    assert (await authenticator.authenticate(request_of(text))).identity == "alice"

    monkeypatch.setattr(jwks, "_FRESH_SECONDS", 0.0)
    issuer.down = True
    assert (await authenticator.authenticate(request_of(text))).identity == "alice"
