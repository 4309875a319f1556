"""Who works on the memory of a chat session: one worker at a time, and none for longer than its lease.

`memory_due_at` says when a chat session is due; a worker that claims it puts that off by its lease and leaves its
claim. So what a killed worker had is due again by itself, and a worker that has lost its claim writes nothing.
Times that are compared with these here are the database's; who makes a chat session due may write the time of its own
clock, by which it is due that much sooner or later, and nothing else depends on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models.functions import Now

from chatify.llm.errors import ProviderAuthFailed, ProviderRateLimited, ProviderTimeout, ProviderUnavailable
from sessions.models import ChatSession, ChatSessionQuerySet

LEASE = timedelta(seconds=120)
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(seconds=600)
MAX_REASON = 200
MOST_COUNTED = 10_000

AWAY = frozenset(one.code for one in (ProviderUnavailable, ProviderTimeout, ProviderRateLimited, ProviderAuthFailed))
"""Errors that say nothing of the chat session: with time, or a key, the same question will be answered."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's hold on a chat session. `attempts` have failed before, the last one with `error` ("code: text").

    They are counted as long as they fail in the same way: because nobody answers, or because answers are of no use.
    """

    chat_session_id: UUID
    token: UUID
    attempts: int
    error: str = ""

    @property
    def useless(self) -> int:
        """How many answers in a row were of no use."""
        return 0 if _is_away(self.error) else self.attempts


def due() -> ChatSessionQuerySet:
    """What is due, the longest first. Found by index, whatever else there is."""
    return ChatSession.objects.existing().filter(memory_due_at__lte=Now()).order_by("memory_due_at")


def claim_due(most: int) -> list[Claim]:
    """Claim the chat sessions that have been due for longest. What another worker is claiming is passed over."""
    if not due().exists():
        return []
    with transaction.atomic():
        free = due().select_for_update(skip_locked=True)
        rows = list(free.values_list("id", "memory_attempts", "memory_error")[:most])
        token = uuid4()
        claimed = ChatSession.objects.filter(id__in=[row[0] for row in rows])
        claimed.update(memory_claim=token, memory_due_at=Now() + LEASE)
    return [Claim(id_, token, attempts, error) for id_, attempts, error in rows]


def lock(claim: Claim) -> ChatSession | None:
    """The chat session's row, locked in the caller's transaction. None if the claim is lost, or it was deleted."""
    return _mine(claim).select_for_update().first()


def give_back(claim: Claim, *, after: timedelta | None = None, **changes: Any) -> bool:
    """Let go of it: it is due again, at once or later. False if the claim was lost."""
    due_at = Now() if after is None else Now() + after  # SQLite counts in milliseconds: a sum would lie ahead
    return bool(_mine(claim).update(memory_claim=None, memory_due_at=due_at, **changes))


def give_back_done(claim: Claim, **changes: Any) -> None:
    """Let go of it after a step that succeeded; whoever claims it next sees whether there is more to do."""
    give_back(claim, memory_attempts=0, memory_error="", **changes)


def give_back_failed(claim: Claim, reason: str) -> bool:
    """Let go of it after a failure, the reason of which is "code: text": it is due again after a pause.

    That is longer each time. False if the claim was lost.
    """
    before = claim.attempts if _is_away(reason) == _is_away(claim.error) else 0
    pause = min(FIRST_PAUSE * 2 ** min(before, 10), LONGEST_PAUSE)
    attempts = min(before + 1, MOST_COUNTED)
    return give_back(claim, after=pause, memory_attempts=attempts, memory_error=reason[:MAX_REASON])


def close(claim: Claim, seen: ChatSession) -> bool:
    """Nothing is left to do in the chat session as it was seen: it is not due any more, unless it has moved on."""
    unchanged = _mine(claim).filter(
        last_seq=seen.last_seq,
        status=seen.status,
        running_reply_id=seen.running_reply_id,
        context_version=seen.context_version,
    )
    if unchanged.update(memory_claim=None, memory_due_at=None, memory_attempts=0, memory_error=""):
        return True
    give_back(claim)
    return False


def _is_away(reason: str) -> bool:
    return reason.partition(":")[0] in AWAY


def _mine(claim: Claim) -> ChatSessionQuerySet:
    return ChatSession.objects.existing().filter(id=claim.chat_session_id, memory_claim=claim.token)
