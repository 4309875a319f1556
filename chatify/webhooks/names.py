"""What applications can be told of: the names outside, and the events inside that they stand for."""

from __future__ import annotations

from typing import Literal, get_args

EventName = Literal[
    "chatbot.connected",
    "chatbot.message",
    "chatbot.session_ended",
    "session.paused",
    "session.resumed",
    "match.joined",
    "match.chatbot",
    "match.human_found",
    "match.matched",
    "match.declined",
    "match.cancelled",
    "match.expired",
    "match.closed",
    "moderation.flagged",
]
NAMES: tuple[str, ...] = get_args(EventName)

FLAGGED = "moderation.flagged"
TEST = "webhook.test"
"""Sent when somebody asks for it, to any endpoint."""

_NAMED_OTHERWISE = {
    "session.started": "chatbot.connected",
    "reply.complete": "chatbot.message",
    "message.created": "chatbot.message",  # words of a personality that no model wrote; those of people are not told
    "session.ended": "chatbot.session_ended",
}
_OUTSIDE = {**{name: name for name in NAMES if not name.startswith("chatbot.")}, **_NAMED_OTHERWISE}


def name_outside(event: str) -> str | None:
    """What applications know an event by, as `emit` was told; None for one that is none of their business."""
    return _OUTSIDE.get(event)
