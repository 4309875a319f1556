"""Memories as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from chatify.memory.models import Memory
from sessions.objects import timestamp

KindName = Literal["name", "like", "dislike", "person", "plan", "topic", "style", "mood", "fact"]


class MemorySource(BaseModel):
    """The message that says it."""

    session: UUID
    message_id: UUID
    seq: int


class MemoryObject(BaseModel):
    """One thing that is remembered about an end user."""

    id: UUID
    kind: KindName
    text: str
    source: MemorySource | None = Field(description="None if the message or its chat session is gone.")
    said_at: datetime = Field(description="When it was said last.")
    corrected: bool = Field(description="Whether a person has corrected it: then nothing that is found replaces it.")
    created_at: datetime
    updated_at: datetime


def memory_object(memory: Memory) -> dict[str, Any]:
    """The MemoryObject. Its source and that one's chat session have to be read with it."""
    source = memory.source
    if source is not None and source.chat_session.deleted_at is not None:
        source = None  # not purged yet, and nobody's to open any more
    place = source and {"session": str(source.chat_session_id), "message_id": str(source.id), "seq": source.seq}
    return {
        "id": str(memory.id),
        "kind": memory.kind,
        "text": memory.text,
        "source": place,
        "said_at": timestamp(memory.said_at),
        "corrected": memory.corrected_at is not None,
        "created_at": timestamp(memory.created_at),
        "updated_at": timestamp(memory.updated_at),
    }
