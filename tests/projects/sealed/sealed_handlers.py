"""Handlers that turn bytes round, and remember what they were called for."""

import base64
import json
import threading

from langgraph_sdk import Encryption, EncryptionContext

calls: list = []
encryption = Encryption()


def _note(what: str, ctx: EncryptionContext) -> None:
    calls.append((what, ctx.model, ctx.field, dict(ctx.metadata), threading.current_thread().name))


@encryption.encrypt.blob
async def encrypt_blob(ctx: EncryptionContext, blob: bytes) -> bytes:
    _note("encrypt.blob", ctx)
    return bytes(byte ^ 0x5A for byte in blob)


@encryption.decrypt.blob
async def decrypt_blob(ctx: EncryptionContext, blob: bytes) -> bytes:
    _note("decrypt.blob", ctx)
    return bytes(byte ^ 0x5A for byte in blob)


@encryption.encrypt.json
async def encrypt_json(ctx: EncryptionContext, data: dict) -> dict:
    _note("encrypt.json", ctx)
    return {key: "enc:" + base64.b85encode(json.dumps(value).encode()[::-1]).decode() for key, value in data.items()}


@encryption.decrypt.json
async def decrypt_json(ctx: EncryptionContext, data: dict) -> dict:
    _note("decrypt.json", ctx)
    return {
        key: json.loads(base64.b85decode(value[4:])[::-1]) if isinstance(value, str) and value.startswith("enc:") else value
        for key, value in data.items()
    }


half = Encryption()


@half.encrypt.blob
async def only_encrypt(ctx: EncryptionContext, blob: bytes) -> bytes:
    return blob


nothing = {"no": "encryption"}
