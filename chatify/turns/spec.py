"""What the parts of a turn hand to each other. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from chatify.llm.types import ChatRequest, Usage
from chatify.memory.window import Window


@dataclass(frozen=True, slots=True)
class ReplySpec:
    """A reply that is to be generated: its row exists, and this process holds its lease."""

    message_id: UUID
    chat_session_id: UUID
    tenant_id: UUID
    seq: int
    epoch: int
    speaker_epoch: int
    created_at: datetime
    request: ChatRequest
    window: Window


@dataclass(frozen=True, slots=True)
class Accepted:
    """A user message that is on disk. `reply` is set when this call started the reply to it.

    `is_resumed`: it woke a chat session that was paused. `gets_reply`: a personality answers it, now or after what it
    is writing.
    """

    message: dict[str, Any]
    seq: int
    reply: ReplySpec | None = None
    is_duplicate: bool = False
    is_resumed: bool = False
    gets_reply: bool = True


@dataclass(slots=True)
class Outcome:
    """How a generation went. `status` is one of complete, failed, cancelled."""

    status: str
    text: str
    error_code: str = ""
    usage: Usage | None = None
    first_token_ms: int | None = None
    latency_ms: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """A reply that reached its end in the database, and the next one if messages were waiting."""

    message: dict[str, Any]
    next_reply: ReplySpec | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a lease renewal found: the replies that are still ours, and those that somebody wants stopped."""

    held: frozenset[UUID] = field(default_factory=frozenset)
    to_cancel: frozenset[UUID] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Reaped:
    """An abandoned reply that was ended for its dead owner."""

    chat_session_id: UUID
    next_reply: ReplySpec | None
