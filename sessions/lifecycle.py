"""The life of a chat session: its states, and every step from one to the next. Reads and writes nothing.

    active ⇄ paused
       ↘     ↙
        ended

A message wakes a chat session that is paused; nothing wakes one that has ended.
"""

from __future__ import annotations

from enum import StrEnum

from chatify.common.errors import Conflict
from sessions.models import ChatSession

_Status = ChatSession.Status


class Step(StrEnum):
    """What can happen to it."""

    MESSAGE = "message"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"


_NEXT = {
    (_Status.ACTIVE, Step.MESSAGE): _Status.ACTIVE,
    (_Status.ACTIVE, Step.PAUSE): _Status.PAUSED,
    (_Status.ACTIVE, Step.RESUME): _Status.ACTIVE,
    (_Status.ACTIVE, Step.END): _Status.ENDED,
    (_Status.PAUSED, Step.MESSAGE): _Status.ACTIVE,
    (_Status.PAUSED, Step.PAUSE): _Status.PAUSED,
    (_Status.PAUSED, Step.RESUME): _Status.ACTIVE,
    (_Status.PAUSED, Step.END): _Status.ENDED,
    (_Status.ENDED, Step.END): _Status.ENDED,
}

BY_SILENCE = "silence"
"""Why Chatify itself pauses or ends a chat session."""


def next_status(status: str, step: Step) -> str:
    """Where a step leads; to where it is already, if there is nothing to do. Raises Conflict (`session_ended`)."""
    found = _NEXT.get((_Status(status), step))
    if found is None:
        raise Conflict("This chat session has ended.", code="session_ended")
    return found


EVENTS: dict[str, str] = {
    _Status.ACTIVE: "session.resumed",
    _Status.PAUSED: "session.paused",
    _Status.ENDED: "session.ended",
}
"""What is told when a chat session has come to a state."""
