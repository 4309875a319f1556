"""The socket's protocol as an AsyncAPI 3 document, made from the models that the code parses frames with."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chatify.realtime.protocol import CLIENT_FRAMES, CLOSE_CODES, SERVER_FRAMES

_REF = "#/components/schemas/{model}"


@cache
def document() -> dict[str, Any]:
    """The document (AsyncAPI 3.0.0)."""
    schemas = _schemas()
    codes = "\n".join(f"- {code}: {meaning}" for code, meaning in CLOSE_CODES.items())
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Chatify sockets",
            "version": "1",
            "description": f"Every frame is a JSON object with `type`. Close codes:\n\n{codes}",
        },
        "defaultContentType": "application/json",
        "channels": {
            "chatSession": {
                "address": "/ws/v1/sessions/{id}/",
                "parameters": {"id": {"description": "The chat session's id."}},
                "messages": {frame.__name__: {"$ref": f"#/components/messages/{frame.__name__}"} for frame in _FRAMES},
                "bindings": {
                    "ws": {
                        "query": {
                            "type": "object",
                            "properties": {"ticket": {"type": "string", "description": "One use, 30 seconds."}},
                        }
                    }
                },
            }
        },
        "operations": {
            "receiveFromClient": _operation("receive", CLIENT_FRAMES),
            "sendToClient": _operation("send", SERVER_FRAMES),
        },
        "components": {
            "messages": {
                frame.__name__: {
                    "name": frame.__name__,
                    "summary": (frame.__doc__ or "").partition("\n")[0],
                    "payload": {"$ref": f"#/components/schemas/{frame.__name__}"},
                }
                for frame in _FRAMES
            },
            "schemas": schemas,
        },
    }


_FRAMES: tuple[type[BaseModel], ...] = (*CLIENT_FRAMES, *SERVER_FRAMES)


def _operation(action: str, frames: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/chatSession"},
        "messages": [{"$ref": f"#/channels/chatSession/messages/{frame.__name__}"} for frame in frames],
    }


def _schemas() -> dict[str, Any]:
    _, found = models_json_schema([(frame, "validation") for frame in _FRAMES], ref_template=_REF)
    schemas: dict[str, Any] = found["$defs"]
    return schemas
