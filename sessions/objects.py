"""Chat sessions and messages as clients see them, on every transport."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, Field

from chatify.accounts.profile import user_object
from sessions.models import ChatSession, Message, Summary


class UserObject(BaseModel):
    """An end user with the profile that the tenant gave."""

    external_id: str
    name: str
    age: int | None
    interests: list[str]
    style: str
    preferred_template: str | None = Field(description="Slug of the personality that they prefer.")


class SelectionObject(BaseModel):
    """Why it is this personality."""

    by: Literal["explicit", "preference", "satisfaction", "context", "time", "default", "switch"] = Field(
        description="What decided: it was asked for, or preferred, rated well before, a rule about words or about the "
        "time of day, nothing else, or a switch since then."
    )
    reason: str = Field(description="The same in words, such as the name of the rule.")


class SuggestionObject(BaseModel):
    """Another personality, that would fit better."""

    template: str = Field(description="Its slug.")
    name: str
    reason: str = Field(description="Such as the name of the rule.")


class PartnerObject(BaseModel):
    """The other person of a human room."""

    name: str


class ChatSessionObject(BaseModel):
    """A chat session: with a personality (mode `ai`), or a human room of two people (mode `human`)."""

    id: UUID
    template: str | None = Field(description="Slug of the personality; null in a human room.")
    template_version: int | None = Field(description="The version that this chat session is pinned to.")
    selection: SelectionObject | None = Field(description="Null in a human room.")
    suggestion: SuggestionObject | None = Field(description="It answers from now on if somebody switches to it.")
    status: Literal["active", "paused", "ended"]
    mode: Literal["ai", "human"]
    speaker: Literal["ai", "human", "nobody"] = Field(description="Who answers at the moment.")
    your_role: Literal["user", "human"] | None = Field(
        description="Messages of this role are yours; null where an API key asks for a human room as a whole."
    )
    partner: PartnerObject | None = Field(description="Whom you talk to in a human room.")
    title: str
    greeting: str = Field(description="What the personality says first. It is not a message.")
    disclosure: str = Field(description="To be shown: whether this is an AI or a human being.")
    user: UserObject = Field(description="You; for an API key that asks for a human room as a whole, who came first.")
    metadata: dict[str, Any]
    message_count: int
    total_tokens_used: int
    last_seq: int
    last_activity: datetime
    created_at: datetime
    ended_at: datetime | None = None
    end_reason: str | None = None
    ws_url: str = Field(description="The WebSocket of this chat session.")


class SenderObject(BaseModel):
    """Who a message is from."""

    kind: Literal["end_user", "ai", "chatify"]
    name: str


class ReplyError(BaseModel):
    """Why a reply failed."""

    code: str
    message: str
    retryable: bool


class UsageObject(BaseModel):
    """Tokens that a reply cost."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    is_estimated: bool


class MessageObject(BaseModel):
    """A message."""

    id: UUID
    seq: int = Field(description="Its place in the chat session, counted from 1 without gaps.")
    role: Literal["user", "assistant", "human", "notice"]
    sender: SenderObject
    content: str
    status: Literal["streaming", "complete", "failed", "cancelled"]
    created_at: datetime
    client_message_id: str | None = None
    answered_by: UUID | None = None
    finished_at: datetime | None = None
    error: ReplyError | None = None
    usage: UsageObject | None = None
    model: str | None = None
    latency_ms: int | None = None


class SummaryObject(BaseModel):
    """What was said up to a message, compressed. It holds what the summary before it says, too."""

    id: UUID
    from_seq: int = Field(description="The first message that it adds to the summary before it.")
    to_seq: int
    text: str
    model: str = Field(description="What wrote it; `extractive`: sentences picked without a model.")
    prompt_version: int = Field(description="0: the prompt that is built in.")
    usage: UsageObject
    cost: str | None = Field(description="In US dollars; None where no price is known.")
    is_stale: bool = Field(description="It is about to be made again.")
    edited: bool = Field(description="Whether somebody has edited it.")
    created_at: datetime


ERROR_TEXTS = {
    "interrupted": "The reply was interrupted, because the server that wrote it went away.",
    "provider_unavailable": "The model cannot be reached at the moment.",
    "provider_timeout": "The model took too long.",
    "provider_rate_limited": "The model is busy at the moment.",
    "provider_auth_failed": "The model does not accept this server's key. Whoever runs it has to mend that.",
    "provider_rejected": "The model did not accept the request.",
    "content_filtered": "The model's filter stopped this reply.",
    "stream_cut": "The reply broke off in the middle.",
    "stream_garbled": "The model sent something that is not a reply.",
    "empty_reply": "The model said nothing.",
    "age_restricted": "This personality is for people of 18 years and over.",
    "internal_error": "Something went wrong on our side.",
}
NOT_RETRYABLE = frozenset({"provider_auth_failed", "provider_rejected", "age_restricted"})


class Names(NamedTuple):
    """What those who speak in a chat session are called: the end user, the personality, a second person."""

    user: str
    speaker: str = ""
    partner: str = ""


def disclosure(name: str) -> str:
    """What a chat session tells about whom one talks to."""
    return f"You are talking to {name}, an AI. It is not a human being."


HUMAN_DISCLOSURE = "You are talking to another person, not to an AI."


def chat_session_object(chat_session: ChatSession, ws_base: str, viewer: UUID | None = None) -> dict[str, Any]:
    """The ChatSessionObject. `ws_base` is such as `wss://chat.example.org`, `viewer` the id of the end user who asks.

    In a human room each of the two sees their own profile, and of the other one no more than the name.
    """
    found = {
        "id": str(chat_session.id),
        **_answering(chat_session),
        "status": chat_session.status,
        "mode": chat_session.mode,
        "speaker": chat_session.speaker,
        **_people(chat_session, viewer),
        "title": chat_session.title,
        "greeting": chat_session.greeting,
        "metadata": chat_session.metadata,
        "message_count": chat_session.last_seq,
        "total_tokens_used": chat_session.total_tokens_used,
        "last_seq": chat_session.last_seq,
        "last_activity": timestamp(chat_session.last_activity),
        "created_at": timestamp(chat_session.created_at),
        "ws_url": f"{ws_base}/ws/v1/sessions/{chat_session.id}/",
    }
    if chat_session.ended_at is not None:
        found["ended_at"] = timestamp(chat_session.ended_at)
        found["end_reason"] = chat_session.end_reason
    return found


def _answering(chat_session: ChatSession) -> dict[str, Any]:
    template, version = chat_session.template, chat_session.version
    if template is None or version is None:
        nobody = dict.fromkeys(("template", "template_version", "selection", "suggestion"))
        return {**nobody, "disclosure": HUMAN_DISCLOSURE}
    return {
        "template": template.slug,
        "template_version": version.number,
        "selection": {"by": chat_session.chosen_by, "reason": chat_session.choice_reason},
        "suggestion": suggestion_object(chat_session),
        "disclosure": disclosure(template.name),
    }


def _people(chat_session: ChatSession, viewer: UUID | None) -> dict[str, Any]:
    user, partner = chat_session.end_user, chat_session.partner
    if partner is None:
        return {"user": user_object(user), "your_role": Message.Role.USER, "partner": None}
    if viewer == partner.id:
        return {"user": user_object(partner), "your_role": Message.Role.HUMAN, "partner": {"name": user.name}}
    role = Message.Role.USER if viewer == user.id else None
    return {"user": user_object(user), "your_role": role, "partner": {"name": partner.name}}


def suggestion_object(chat_session: ChatSession) -> dict[str, str] | None:
    """The SuggestionObject of a chat session."""
    found = chat_session.suggested_template
    if found is None:
        return None
    return suggestion_of(found.slug, found.name, found.is_active, found.deleted_at, chat_session.suggestion_reason)


def suggestion_of(
    slug: str | None, name: str, is_active: bool, deleted_at: datetime | None, reason: str
) -> dict[str, str] | None:
    """The SuggestionObject of a personality, if there is one and it is on offer."""
    is_on_offer = slug is not None and is_active and deleted_at is None
    return {"template": str(slug), "name": name, "reason": reason} if is_on_offer else None


NAMED = ("chat_session__end_user", "chat_session__partner", "chat_session__template", "version__template")
"""What `names_of` needs of a message's row."""


def names_of(message: Message, chat_session: ChatSession) -> Names:
    """Who speaks in a chat session; of a personality's message, the one that wrote it and not that answers now."""
    template = message.version.template if message.version is not None else chat_session.template
    return Names(
        user=chat_session.end_user.name,
        speaker=template.name if template is not None else "",
        partner=chat_session.partner.name if chat_session.partner is not None else "",
    )


def message_object(message: Message, names: Names) -> dict[str, Any]:
    """The MessageObject."""
    found: dict[str, Any] = {
        "id": str(message.id),
        "seq": message.seq,
        "role": message.role,
        "sender": sender_object(message.role, names),
        "content": message.content,
        "status": message.status,
        "created_at": timestamp(message.created_at),
    }
    if message.client_message_id is not None:
        found["client_message_id"] = message.client_message_id
    if message.answered_by_id is not None:
        found["answered_by"] = str(message.answered_by_id)
    if message.role == Message.Role.ASSISTANT:
        found.update(_reply_fields(message))
    return found


def summary_object(summary: Summary) -> dict[str, Any]:
    """The SummaryObject."""
    return {
        "id": str(summary.id),
        "from_seq": summary.from_seq,
        "to_seq": summary.to_seq,
        "text": summary.text,
        "model": summary.model,
        "prompt_version": summary.prompt_version,
        "usage": _usage_object(summary.prompt_tokens, summary.completion_tokens, summary.is_usage_estimated),
        "cost": None if summary.cost is None else f"{summary.cost:f}",
        "is_stale": summary.is_stale,
        "edited": summary.edited_at is not None,
        "created_at": timestamp(summary.created_at),
    }


def sender_object(role: str, names: Names) -> dict[str, str]:
    """Who a message of this role is from."""
    if role == Message.Role.ASSISTANT:
        return {"kind": "ai", "name": names.speaker}
    if role == Message.Role.NOTICE:
        return {"kind": "chatify", "name": "Chatify"}
    return {"kind": "end_user", "name": names.partner if role == Message.Role.HUMAN else names.user}


def error_object(code: str) -> dict[str, Any]:
    """The ReplyError of a code."""
    return {
        "code": code,
        "message": ERROR_TEXTS.get(code, ERROR_TEXTS["internal_error"]),
        "retryable": code not in NOT_RETRYABLE,
    }


def timestamp(time: datetime) -> str:
    """ISO 8601 in UTC."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _reply_fields(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {"model": message.model}
    if message.finished_at is not None:
        found["finished_at"] = timestamp(message.finished_at)
    if message.latency_ms is not None:
        found["latency_ms"] = message.latency_ms
    if message.error_code:
        found["error"] = error_object(message.error_code)
    if message.completion_tokens is not None:
        prompt, completion = message.prompt_tokens or 0, message.completion_tokens
        found["usage"] = _usage_object(prompt, completion, message.is_usage_estimated)
    return found


def _usage_object(prompt: int, completion: int, is_estimated: bool) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "is_estimated": is_estimated,
    }
