"""Chat sessions and messages as other applications keep them in Firestore, read into ours. Pure: it knows no rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from chatify.accounts.profile import UserInput
from chatify.common.errors import InvalidInput
from chatify.common.inputs import check
from chatify.mirror.comparing import plain
from sessions.models import ChatSession, Message

MAX_TITLE = 120
MAX_TOKENS = 2**31 - 1
NAMESPACE = UUID("8a7c5d3e-6c1f-5b0a-9a54-2f1d8f4f7c11")
"""Ids that are no UUIDs become one that is always the same."""

_Status = ChatSession.Status
_Role = Message.Role
_STATUSES = {"active": _Status.ACTIVE, "open": _Status.ACTIVE, "started": _Status.ACTIVE, "paused": _Status.PAUSED}
_ROLES = {
    "user": _Role.USER, "assistant": _Role.ASSISTANT, "ai": _Role.ASSISTANT, "bot": _Role.ASSISTANT,
    "model": _Role.ASSISTANT, "human": _Role.USER, "notice": _Role.NOTICE,
}  # fmt: skip
_ENDS = (Message.Status.FAILED, Message.Status.CANCELLED)
_STARTED = ("started", "started_at", "created_at", "start_time")
_LATEST = ("last_activity", "updated_at", "last_message_at")
_ENDED = ("ended", "ended_at", "end_time")
_CREATED = ("created_at", "timestamp")
_MILLISECONDS_FROM = 100_000_000_000


class Unreadable(ValueError):
    """A document that cannot become one of ours; the text says why."""


@dataclass(frozen=True, slots=True)
class ForeignChat:
    """A chat session, as far as it tells."""

    id: UUID
    user_id: str
    template: str
    status: str
    title: str
    summary: str
    total_tokens: int
    started: datetime | None
    last_activity: datetime | None
    ended: datetime | None
    end_reason: str


@dataclass(frozen=True, slots=True)
class ForeignMessage:
    """A message. `seq` is its number there: here it gets another one."""

    id: UUID
    role: str
    content: str
    status: str
    tokens: int
    created_at: datetime
    seq: int | None


def is_for(fields: Mapping[str, Any], tenant: str) -> bool:
    """Whether a document may be this tenant's: it says so, or nothing."""
    return fields.get("tenant") in (None, "", tenant)


def was_ours(fields: Mapping[str, Any]) -> bool:
    """Whether a chat session's document has the shape of Chatify's."""
    return {"tenant", "template_version", "mode", "session_id"} <= set(fields)


def was_our_message(fields: Mapping[str, Any]) -> bool:
    """Whether a message's document has the shape of Chatify's."""
    return {"tenant", "session_id", "seq", "sender"} <= set(fields)


def read_chat(path: str, fields: Mapping[str, Any]) -> ForeignChat:
    """A chat session's document. Raises Unreadable."""
    ended = _time(fields, _ENDED)
    status = _Status.ENDED if ended else _STATUSES.get(str(fields.get("status", "")).lower(), _Status.ENDED)
    return ForeignChat(
        id=derived_id(path),
        user_id=_user_id(fields.get("user_id")),
        template=_text(fields.get("template_type")),
        status=status,
        title=" ".join(_text(fields.get("title")).split())[:MAX_TITLE],
        summary=_text(fields.get("summary")).strip(),
        total_tokens=_count(fields.get("total_tokens_used")),
        started=_time(fields, _STARTED),
        last_activity=_time(fields, _LATEST),
        ended=ended,
        end_reason=_text(fields.get("end_reason"))[:40] or "imported",
    )


def read_message(path: str, fields: Mapping[str, Any], made_at: datetime) -> ForeignMessage | None:
    """A message's document; None for what is no part of a conversation, such as prompts. Raises Unreadable."""
    role, content = str(fields.get("role", "")).lower(), fields.get("content")
    if role in ("system", "tool", "function", "developer"):
        return None
    if role not in _ROLES:
        raise Unreadable(f"role: There is no role “{role[:40]}”.")
    if not isinstance(content, str):
        raise Unreadable("content: This has to be a text.")
    is_human = role == _Role.HUMAN and "sender" in fields  # ours; for others it is another word for the user
    status = str(fields.get("status", ""))
    kept = status if role == _Role.ASSISTANT and status in _ENDS else Message.Status.COMPLETE
    seq = fields.get("seq")
    return ForeignMessage(
        id=derived_id(path),
        role=_Role.HUMAN if is_human else _ROLES[role],
        content=_text(content),
        status=kept,
        tokens=_count(fields.get("tokens")),
        created_at=_time(fields, _CREATED) or made_at,
        seq=seq if isinstance(seq, int) and not isinstance(seq, bool) else None,
    )


def span_of(chat: ForeignChat, messages: Iterable[ForeignMessage], made_at: datetime) -> tuple[datetime, datetime]:
    """When a chat session began and when something last happened in it, by all that tells of it.

    `made_at` of its document is when it was copied, maybe long afterwards: it counts when nothing else does.
    """
    said = [one.created_at for one in messages]
    told = [time for time in (chat.started, chat.last_activity, chat.ended) if time is not None]
    started = chat.started or min([*told, *said], default=made_at)
    latest = chat.last_activity or max(said, default=None) or chat.ended or started
    return started, max(started, latest)


def in_order(messages: Iterable[ForeignMessage]) -> list[ForeignMessage]:
    """As they were said: by their numbers if all have one, else by their times."""
    found = list(messages)
    if all(one.seq is not None for one in found):
        return sorted(found, key=lambda one: (one.seq, one.created_at, one.id))
    return sorted(found, key=lambda one: (one.created_at, one.id))


def derived_id(path: str) -> UUID:
    """The id of a document: its own if that is a UUID, else one that is made of its path."""
    name = path.rpartition("/")[2]
    try:
        found = UUID(name)
    except ValueError:
        return uuid5(NAMESPACE, path)
    return found if str(found) == name.lower() else uuid5(NAMESPACE, path)


def _user_id(value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not text:
        raise Unreadable("user_id: This is required.")
    try:
        given = check(UserInput, {"external_id": text})
    except InvalidInput as error:
        raise Unreadable(error.detail.replace("external_id", "user_id", 1)) from None
    return str(given.external_id)


def _text(value: Any) -> str:
    return str(plain(value)) if isinstance(value, str) else ""


def _count(value: Any) -> int:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return int(min(value, MAX_TOKENS)) if is_number else 0


def _time(fields: Mapping[str, Any], names: Iterable[str]) -> datetime | None:
    """The first of these fields that is a time: one of Firestore's, ISO 8601, seconds or milliseconds since 1970."""
    return next((time for name in names if (time := _as_time(fields.get(name))) is not None), None)


def _as_time(value: Any) -> datetime | None:
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            value = datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS_FROM else value, UTC)
        if not isinstance(value, datetime):
            return None
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return datetime.fromtimestamp(aware.timestamp(), UTC)  # an ordinary one: Firestore's are of a class of its own
    except (ValueError, OverflowError, OSError):
        return None
