"""What is remembered about somebody, and what of it matters to what they say now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from chatify.common.prepared import PreparedQuery
from chatify.memory.models import Memory
from chatify.memory.words import words_of

MAX_MEMORIES = 200
"""Of one end user."""

_ALWAYS = (Memory.Kind.NAME, Memory.Kind.STYLE)
_MOST_ALWAYS = 4
_MEANT = {
    Memory.Kind.LIKE: words_of("like love enjoy favourite favorite hobby"),
    Memory.Kind.DISLIKE: words_of("dislike hate stand"),
    Memory.Kind.PERSON: words_of("family friend people anyone"),
    Memory.Kind.PLAN: words_of("plan planned going tomorrow weekend soon"),
    Memory.Kind.TOPIC: words_of("talked topic discussed"),
    Memory.Kind.MOOD: words_of("mood feel felt feeling"),
}
"""Words that ask for a kind of memory, whatever its own words are."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """One memory, as prompts have it."""

    kind: str
    text: str
    said_at: datetime


def read_memories(end_user_id: UUID) -> tuple[Recalled, ...]:
    """All that is remembered about somebody, newest first."""
    return tuple(Recalled(*row) for row in _MEMORIES.rows(end_user_id=end_user_id))


def recall(memories: Sequence[Recalled], latest: str, *, most: int = 12) -> list[Recalled]:
    """What of the memories (newest first) belongs into the context of the latest message, at most `most`.

    The name and the style always, then what has words of the message, then the newest.
    """
    words = words_of(latest)
    chosen = [one for one in memories if one.kind in _ALWAYS][: min(_MOST_ALWAYS, most)]
    others = [one for one in memories if one.kind not in _ALWAYS]
    others.sort(key=lambda one: -_nearness(one, words))  # stable: the newest of equals stay ahead
    return chosen + others[: most - len(chosen)]


def _nearness(memory: Recalled, words: frozenset[str]) -> int:
    """Its own words count more than those that ask for all of its kind."""
    kind = Memory.Kind(memory.kind)
    return 2 * len(words & words_of(memory.text)) + bool(words & _MEANT.get(kind, frozenset()))


def _newest(end_user_id: UUID) -> QuerySet[Memory, Any]:
    rows = Memory.objects.filter(end_user_id=end_user_id).order_by("-said_at", "-id")
    return rows.values_list("kind", "text", "said_at")[:MAX_MEMORIES]


_MEMORIES = PreparedQuery(_newest, end_user_id=UUID(int=1))
