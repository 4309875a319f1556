"""Frames that all sockets speak, and what frames are made of."""

from __future__ import annotations

from typing import Annotated, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from chatify.common.inputs import Body, Line

Id = Annotated[UUID, Field(strict=False)]
EventId = Annotated[str, Field(max_length=128), Line]


class ClientFrame(Body):
    """Base of what a client sends. `event_id` comes back in the error that the frame may cause."""

    event_id: EventId | None = None


class Ping(ClientFrame):
    """Ask for a `pong`; also keeps the socket from idling out."""

    type: Literal["ping"]


class ServerFrame(BaseModel):
    """Base of what the server sends."""

    model_config = ConfigDict(extra="forbid")


class Pong(ServerFrame):
    """The answer to `ping`."""

    type: Literal["pong"]
    event_id: str | None = None


class WrongField(ServerFrame):
    """One wrong field of a frame."""

    field: str
    code: str
    message: str


class ErrorFrame(ServerFrame):
    """A frame of yours could not be taken; the socket stays open. Or your address could not, and it closes."""

    type: Literal["error"]
    code: str
    message: str
    event_id: str | None = None
    errors: list[WrongField] | None = None
    retry_after: float | None = Field(None, description="Seconds.")


def type_of(frame: type[BaseModel]) -> str:
    """The `type` (for typing: the first of them) that a frame's model stands for."""
    return str(get_args(frame.model_fields["type"].annotation)[0])
