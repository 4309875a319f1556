"""A conversation as staff read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sessions.models import ChatSession, Feedback, Message
from templates_app.models import PromptVersion

PAGE = 200
"""Messages shown at once, the newest first to be read."""


@dataclass(frozen=True, slots=True)
class Row:
    """One message. `figures` are the small print below it; the template escapes every text."""

    message: Message
    who: str
    figures: list[str]
    feedback: Feedback | None


@dataclass(frozen=True, slots=True)
class Transcript:
    """A part of a conversation in its order, and where the rest is."""

    rows: list[Row]
    total: int
    earlier: int
    """How many messages lie before the first row."""
    before: int | None
    """The `seq` before which the next older part ends, if there is one."""
    is_newest: bool
    feedback: Feedback | None
    """That of the chat session as a whole."""


def read_transcript(chat_session: ChatSession, before: int | None = None) -> Transcript:
    """The newest messages, or those before a `seq`. Takes two queries, however long the conversation is."""
    found = chat_session.messages.select_related("sender__end_user", "version__template")
    if before is not None:
        found = found.filter(seq__lt=before)
    messages = list(found.order_by("-seq")[:PAGE])[::-1]
    ratings = {feedback.message_id: feedback for feedback in chat_session.feedback.all()}
    first = messages[0].seq if messages else 1
    return Transcript(
        rows=[_row(message, chat_session, ratings.get(message.id)) for message in messages],
        total=chat_session.last_seq,
        earlier=first - 1,
        before=first if first > 1 else None,
        is_newest=before is None,
        feedback=ratings.get(None),
    )


def _row(message: Message, chat_session: ChatSession, feedback: Feedback | None) -> Row:
    return Row(message, _who(message, chat_session), _figures(message, chat_session), feedback)


def _who(message: Message, chat_session: ChatSession) -> str:
    if message.role == Message.Role.ASSISTANT:
        version = message.version or chat_session.version  # another one may have answered before
        return version.template.name if version is not None else ""
    if message.role == Message.Role.NOTICE:
        return "Chatify"
    person = message.sender.end_user if message.sender else None
    role_of = chat_session.end_user if message.role == Message.Role.USER else chat_session.partner
    return str(person or role_of or "A person")


def _figures(message: Message, chat_session: ChatSession) -> list[str]:
    if message.role != Message.Role.ASSISTANT:
        return []
    tokens = (message.prompt_tokens or 0) + (message.completion_tokens or 0)
    known: list[Any] = [
        tokens and f"{'about ' if message.is_usage_estimated else ''}{tokens:,} tokens",
        message.latency_ms is not None and f"{message.latency_ms / 1000:.1f} s",
        message.first_token_ms is not None and f"first word after {message.first_token_ms} ms",
        message.model,
        message.version and message.version != chat_session.version and _version_of(message.version, chat_session),
    ]
    return [text for text in known if text]


def _version_of(version: PromptVersion, chat_session: ChatSession) -> str:
    is_other = version.template_id != chat_session.template_id
    return f"{version.template.name}, version {version.number}" if is_other else f"version {version.number}"
