"""The JSON of A2A 1.0 in the words of 0.3. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lgserve.core.a2a import Object

_ROLES = {"ROLE_USER": "user", "ROLE_AGENT": "agent"}
_FILE = (("raw", "bytes"), ("url", "uri"), ("mediaType", "mimeType"), ("filename", "name"))
#: A stream of 0.3 says which of its events is the last.
_LAST = ("completed", "canceled", "failed", "input-required", "rejected", "auth-required")


def legacy_part(part: Mapping[str, Any]) -> Object:
    """Return a part."""
    more = {"metadata": part["metadata"]} if "metadata" in part else {}
    if "text" in part:
        return {"kind": "text", "text": part["text"], **more}
    if "data" in part:
        data = part["data"]
        return {"kind": "data", "data": data if isinstance(data, dict) else {"value": data}, **more}
    file = {old: part[new] for new, old in _FILE if new in part}
    return {"kind": "file", "file": file, **more}


def legacy_message(message: Mapping[str, Any]) -> Object:
    """Return a message."""
    return {
        "kind": "message",
        **message,
        "role": _ROLES[message["role"]],
        "parts": [legacy_part(part) for part in message["parts"]],
    }


def legacy_task(task: Mapping[str, Any]) -> Object:
    """Return a task."""
    view: Object = {"kind": "task", **task, "status": _status(task["status"])}
    if "artifacts" in task:
        view["artifacts"] = [_artifact(each) for each in task["artifacts"]]
    if "history" in task:
        view["history"] = [legacy_message(each) for each in task["history"]]
    return view


def legacy_event(event: Mapping[str, Any]) -> Object:
    """Return an event of a stream."""
    if "task" in event:
        return legacy_task(event["task"])
    if "statusUpdate" in event:
        told = event["statusUpdate"]
        status = _status(told["status"])
        final = status["state"] in _LAST
        return {"kind": "status-update", **told, "status": status, "final": final}
    told = event["artifactUpdate"]
    return {
        "kind": "artifact-update",
        **told,
        "artifact": _artifact(told["artifact"]),
        "append": told.get("append", False),
        "lastChunk": told.get("lastChunk", False),
    }


def legacy_push(push: Mapping[str, Any]) -> Object:
    """Return somebody who is told of a task."""
    config: Object = {name: push[name] for name in ("id", "url", "token") if name in push}
    if "authentication" in push:
        given = push["authentication"]
        more = {"credentials": given["credentials"]} if "credentials" in given else {}
        config["authentication"] = {"schemes": [given["scheme"]], **more}
    return {"taskId": push["taskId"], "pushNotificationConfig": config}


def _status(status: Mapping[str, Any]) -> Object:
    state = status["state"].removeprefix("TASK_STATE_").lower().replace("_", "-")
    view: Object = {**status, "state": state}
    if "message" in status:
        view["message"] = legacy_message(status["message"])
    return view


def _artifact(artifact: Mapping[str, Any]) -> Object:
    return {**artifact, "parts": [legacy_part(part) for part in artifact["parts"]]}
