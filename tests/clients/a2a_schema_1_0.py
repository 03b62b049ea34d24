"""Reads `[kind, value]` lines, answers null or what is wrong: the protocol buffers of A2A 1.0."""

from __future__ import annotations

import json
import sys

from a2a.types import a2a_pb2
from google.protobuf import empty_pb2, json_format

_KINDS = {"Empty": empty_pb2.Empty}
#: Fields that must be there, whatever protocol buffers think: `google.api.field_behavior`.
_REQUIRED = {
    "Task": ("id", "status"),
    "TaskStatus": ("state",),
    "Message": ("messageId", "role", "parts"),
    "Artifact": ("artifactId", "parts"),
    "TaskStatusUpdateEvent": ("taskId", "contextId", "status"),
    "TaskArtifactUpdateEvent": ("taskId", "contextId", "artifact"),
    "ListTasksResponse": ("tasks", "nextPageToken", "pageSize", "totalSize"),
    "TaskPushNotificationConfig": ("url",),
    "AgentCard": (
        "name",
        "description",
        "supportedInterfaces",
        "version",
        "capabilities",
        "defaultInputModes",
        "defaultOutputModes",
        "skills",
    ),
    "AgentSkill": ("id", "name", "description", "tags"),
}


def problem(kind: str, value: object) -> str | None:
    found = _KINDS.get(kind) or getattr(a2a_pb2, kind)
    try:
        json_format.ParseDict(value, found())
    except json_format.ParseError as exc:
        return str(exc)
    return _missing(found.DESCRIPTOR, value)


def _missing(descriptor, value) -> str | None:
    for name in _REQUIRED.get(descriptor.name, ()):
        if name not in value or (value[name] == [] and name == "parts"):
            return f"{descriptor.full_name}: {name} is missing"
    for field in descriptor.fields:
        inner = value.get(field.json_name) if isinstance(value, dict) else None
        if inner is None or field.message_type is None:
            continue
        if not field.message_type.full_name.startswith("lf.a2a"):
            continue
        for each in inner if isinstance(inner, list) else [inner]:
            if isinstance(each, dict) and (found := _missing(field.message_type, each)):
                return found
    return None


for line in sys.stdin:
    print(json.dumps(problem(*json.loads(line))), flush=True)
