"""Signatures of webhooks, as the Standard Webhooks specification describes them."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from hashlib import sha256

_PREFIX = "whsec_"
#: Bytes that the specification asks a secret to have.
_SHORTEST, _LONGEST = 24, 64


def read_secret(text: str) -> bytes:
    """Return the key that `whsec_<base64>` stands for.

    Raises:
        ValueError: it is none; the message does not show it.
    """
    try:
        if not text.startswith(_PREFIX):
            raise ValueError
        encoded = text.removeprefix(_PREFIX)
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise ValueError("must be whsec_ and a key in base64") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(f"must hold a key of {_SHORTEST} to {_LONGEST} bytes, not {len(key)}")
    return key


def signature(secrets: Sequence[bytes], webhook_id: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature`: one signature for each secret."""
    signed = b"%s.%d.%s" % (webhook_id.encode(), timestamp, body)
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(secret, signed, sha256)).decode() for secret in secrets
    )
