"""What calls about chat sessions send and get, but for the chat sessions themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from chatify.accounts.profile import UserInput
from chatify.common.api import PageQuery
from chatify.common.inputs import Body, ExternalId, Line, Query, Slug

MAX_METADATA = 4096
"""Bytes, as JSON."""


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(metadata)) > MAX_METADATA:
        raise PydanticCustomError("too_long", "At most 4096 bytes of JSON.")
    return metadata


Title = Annotated[str, Field(max_length=120), Line]
Metadata = Annotated[dict[str, Any], AfterValidator(_small)]


class StartBody(Body):
    """How to start a chat session."""

    template: Slug | None = Field(
        None, description='Slug of the personality. Left out, or "auto", the one that fits answers: see `selection`.'
    )
    user: UserInput | None = Field(None, description="Who chats. API keys have to give it.")
    title: Title = ""
    context: Annotated[str, Field(max_length=500), Line] = Field(
        "", description="What it will be about. It is used to choose a personality, and not kept."
    )
    metadata: Metadata = Field({}, description="The application's own notes.")


class RenameBody(Body):
    """Another title."""

    title: Title


class EndBody(Body):
    """How to end a chat session."""

    reason: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")] | None = Field(
        None, description="A word for statistics; default: `ended_by_user`, with a key `ended_by_application`."
    )


class SwitchBody(Body):
    """Who answers from now on."""

    template: Slug = Field(description="Slug of a personality on offer.")


class FeedbackBody(Body):
    """How satisfied the end user is."""

    rating: Annotated[int, Field(ge=1, le=5)]
    message_id: Annotated[UUID, Field(strict=False)] | None = Field(None, description="The reply; else the whole.")
    comment: Annotated[str, Field(max_length=2000)] = ""


class FeedbackObject(BaseModel):
    """A rating."""

    id: UUID
    rating: int
    message_id: UUID | None
    comment: str
    created_at: datetime


class TicketObject(BaseModel):
    """A one-use admission to the socket, for browsers: open `ws_url` with `?ticket=`."""

    ticket: str
    expires_at: datetime
    ws_url: str


class DeletedObject(BaseModel):
    """How many chat sessions are gone."""

    deleted: int


class TicketBody(Body):
    """Who comes in."""

    user: ExternalId | None = Field(None, description="API keys have to give it in a human room.")


class UserQuery(Query):
    """Whose chat sessions."""

    user: ExternalId | None = None


class ActiveQuery(UserQuery):
    """Which of them."""

    mode: Literal["ai", "human"] | None = None


class ListQuery(PageQuery):
    """Which chat sessions."""

    user: ExternalId | None = None
    mode: Literal["ai", "human"] | None = None
    status: Literal["active", "paused", "ended"] | None = None
    search: Annotated[str, Field(max_length=120), Line] | None = None
