"""The sockets' protocols as an AsyncAPI 3 document, made from the models that the code parses frames with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chatify.realtime.protocol import CLIENT_FRAMES, CLOSE_CODES, SERVER_FRAMES

TICKET_PARAMETER = {"ticket": {"type": "string", "description": "One use, 30 seconds."}}

_REF = "#/components/schemas/{model}"
_Frames = Sequence[type[BaseModel]]


@dataclass(frozen=True)
class Channel:
    """One kind of socket. `client` names who is at the other end in the names of the operations."""

    name: str
    client: str
    address: str
    query: Mapping[str, Any]
    client_frames: _Frames
    server_frames: _Frames
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def frames(self) -> _Frames:
        """All that go over it."""
        return (*self.client_frames, *self.server_frames)


CHAT_SESSION = Channel(
    name="chatSession",
    client="Client",
    address="/ws/v1/sessions/{id}/",
    parameters={"id": {"description": "The chat session's id."}},
    query=TICKET_PARAMETER,
    client_frames=CLIENT_FRAMES,
    server_frames=SERVER_FRAMES,
)


def document_of(*channels: Channel) -> dict[str, Any]:
    """The document (AsyncAPI 3.0.0) of these sockets."""
    frames = list(dict.fromkeys(frame for channel in channels for frame in channel.frames))
    codes = "\n".join(f"- {code}: {meaning}" for code, meaning in CLOSE_CODES.items())
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Chatify sockets",
            "version": "1",
            "description": f"Every frame is a JSON object with `type`. Close codes:\n\n{codes}",
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in channels},
        "operations": {name: one for channel in channels for name, one in _operations(channel).items()},
        "components": {
            "messages": {
                frame.__name__: {
                    "name": frame.__name__,
                    "summary": (frame.__doc__ or "").partition("\n")[0],
                    "payload": {"$ref": _REF.format(model=frame.__name__)},
                }
                for frame in frames
            },
            "schemas": _schemas(frames),
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    found: dict[str, Any] = {
        "address": channel.address,
        "messages": {frame.__name__: {"$ref": f"#/components/messages/{frame.__name__}"} for frame in channel.frames},
        "bindings": {"ws": {"query": {"type": "object", "properties": dict(channel.query)}}},
    }
    if channel.parameters:
        found["parameters"] = dict(channel.parameters)
    return found


def _operations(channel: Channel) -> dict[str, Any]:
    return {
        f"receiveFrom{channel.client}": _operation("receive", channel, channel.client_frames),
        f"sendTo{channel.client}": _operation("send", channel, channel.server_frames),
    }


def _operation(action: str, channel: Channel, frames: _Frames) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{frame.__name__}"} for frame in frames],
    }


def _schemas(frames: _Frames) -> dict[str, Any]:
    _, found = models_json_schema([(frame, "validation") for frame in frames], ref_template=_REF)
    schemas: dict[str, Any] = found["$defs"]
    return schemas
