"""The latest messages of a chat session, as a model gets to see them, and their cache.

The database is the truth. What is cached counts only if it is of the very message, epoch and versions that whoever
locked the chat session found there, so a cache that is lost or old costs a query and can do no harm. What is
remembered about people is cached beside it, by the version that their row has.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db.models import Exists, OuterRef, Q, QuerySet
from redis.exceptions import RedisError

from chatify.common.prepared import PreparedQuery
from chatify.events import bus
from chatify.memory.recalling import Recalled, read_memories
from sessions.models import Message, Summary

CACHED_SECONDS = 3600
AWAY_SECONDS = 5.0
"""So long a cache that did not answer is not asked again."""

MOST_KEPT = 32_768
"""Code points of a window; larger ones are not cached."""

MOST = 20
_GONE = frozenset({"session.erased", "session.deleted", "session.ended"})
_OTHERWISE = frozenset({"memory.changed", "user.erased"})

log = structlog.get_logger(__name__)
_away_until = 0.0


def width() -> int:
    """The number of latest messages that a model sees."""
    return int(settings.CONTEXT_MESSAGES)


def due_after() -> int:
    """So many messages without a summary make one due: before the first of them leaves the window for good."""
    return min(width(), 16)


def kept() -> int:
    """So many of the latest messages a summary leaves alone, as long as the conversation goes on."""
    return width() // 2


class Said(NamedTuple):
    """A message as a model sees it."""

    seq: int
    role: str
    content: str


class State(Protocol):
    """What a chat session's locked row tells about the validity of a window."""

    @property
    def id(self) -> UUID: ...
    @property
    def last_seq(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def context_version(self) -> int: ...
    @property
    def summarized_seq(self) -> int: ...


class Window(NamedTuple):
    """What is known of a chat session when a reply is asked for.

    `said` are the latest messages, oldest first: as many as `width()`, and up to `MOST` while no summary has those
    before. `reaches_start`: there are none before them. `summary` is of all up to `summarized_seq`.
    """

    last_seq: int
    epoch: int
    context_version: int
    summary: str
    summarized_seq: int
    said: tuple[Said, ...]
    reaches_start: bool

    def then(self, *said: Said) -> Window:
        """The window after these have been said, too."""
        latest = (*self.said, *said)
        shown = _shown(latest, self.summarized_seq)
        return self._replace(
            last_seq=said[-1].seq, said=shown, reaches_start=self.reaches_start and len(shown) == len(latest)
        )


def look_up(chat_session_id: UUID) -> Window | None:
    """What is cached of a chat session, current or not. None, too, when the cache does not answer."""
    found = _ask_cache("get", _key(chat_session_id))
    try:
        return _unpacked(found) if isinstance(found, tuple) else None
    except TypeError:  # of another release
        return None


def window_of(row: State, cached: Window | None = None, *, without: UUID | None = None) -> Window:
    """The window of a locked chat session: the cached one if it is current, else what of it is, and the database.

    `without` leaves out a message: a reply that is asked for again.
    """
    is_known = cached is not None and without is None and (cached.last_seq, cached.epoch) == (row.last_seq, row.epoch)
    if cached is None or not is_known:
        cached = _read(row, without)
    return cached if cached.context_version == row.context_version else _with_summary(cached, row)


def keep(chat_session_id: UUID, window: Window) -> None:
    """Cache it, under the chat session's lock: an erasure waits for that, and forgets it afterwards.

    Should the transaction come to nothing, the reply is reaped, which raises the epoch. A cache that is away is passed
    over.
    """
    if len(window.summary) + sum(len(one.content) for one in window.said) <= MOST_KEPT:
        _ask_cache("set", _key(chat_session_id), _packed(window), CACHED_SECONDS)
    else:
        _ask_cache("delete", _key(chat_session_id))


def memories_of(end_user_id: UUID, version: int) -> tuple[Recalled, ...]:
    """What is remembered about somebody, newest first, as of this version of their row; 0: nothing ever was."""
    if not version:
        return ()
    cached = _ask_cache("get", _memories_key(end_user_id))
    if isinstance(cached, tuple) and cached[:1] == (version,):
        return tuple(Recalled(*one) for one in cached[1])
    memories = read_memories(end_user_id)
    packed = version, tuple((one.kind, one.text, one.said_at) for one in memories)
    _ask_cache("set", _memories_key(end_user_id), packed, CACHED_SECONDS)
    return memories


def forget_erased() -> None:
    """Said by the app when it is ready: from then on what is cached goes with what it is of."""
    bus.listen(_forget)


def _forget(event: bus.Event) -> None:
    if event.name in _GONE and event.chat_session_id is not None:
        _drop(_key(event.chat_session_id))
    elif event.name in _OTHERWISE and event.subject_id is not None:
        _drop(_memories_key(event.subject_id))


def _key(chat_session_id: UUID) -> str:
    return f"window:1:{chat_session_id}"


def _memories_key(end_user_id: UUID) -> str:
    return f"memories:1:{end_user_id}"


def _packed(window: Window) -> tuple[Any, ...]:
    """Plain values: another release may read them."""
    return tuple(window._replace(said=tuple(map(tuple, window.said))))  # type: ignore[arg-type]


def _unpacked(values: tuple[Any, ...]) -> Window:
    window = Window(*values)
    return window._replace(said=tuple(Said(*one) for one in window.said))


def _drop(key: str) -> None:
    """Asked even of a cache that was away a moment ago: what is not deleted stays for an hour."""
    global _away_until
    _away_until = 0.0
    _ask_cache("delete", key)


def _ask_cache(verb: str, *arguments: Any) -> Any:
    global _away_until
    if monotonic() < _away_until:
        return None
    try:
        return getattr(cache, verb)(*arguments)
    except (OSError, RedisError) as error:  # no turn fails for want of its cache
        _away_until = monotonic() + AWAY_SECONDS
        log.warning("window_cache_away", verb=verb, error=type(error).__name__)
    except Exception as error:  # what stands there is not ours to read, and will be written over
        log.warning("window_cache_unreadable", verb=verb, error=type(error).__name__)
    return None


# From the database --------------------------------------------------------------------------------


def _read(row: State, without: UUID | None) -> Window:
    """The messages; of summaries nothing yet, which is right as long as there have been none."""
    rows = _LATEST.rows(chat_session_id=row.id) if row.last_seq else []
    latest = [Said(seq, role, content) for id_, seq, role, content in rows if id_ != without][::-1]
    said = _shown(latest, row.summarized_seq)
    return Window(row.last_seq, row.epoch, 0, "", 0, said, len(said) == len(latest))


def _with_summary(window: Window, row: State) -> Window:
    found = _SUMMARY.rows(chat_session_id=row.id)
    text, to_seq = found[0] if found else ("", 0)
    said = _shown(window.said, to_seq)
    return window._replace(
        summary=text,
        summarized_seq=to_seq,
        context_version=row.context_version,
        said=said,
        reaches_start=window.reaches_start and len(said) == len(window.said),
    )


def _shown(latest: Sequence[Said], summarized_seq: int) -> tuple[Said, ...]:
    """Of the latest messages, oldest first, those that a model gets to see."""
    first = max(len(latest) - width(), 0)
    while first and len(latest) - first < MOST and latest[first - 1].seq > summarized_seq:
        first -= 1
    return tuple(latest[first:])


def said_in(chat_session_id: UUID) -> QuerySet[Message]:
    """The messages of a chat session that count as said: no notices, nothing that failed or is being written.

    A stopped reply counts, unless another one was asked for in its place: that one has its questions.
    """
    is_asked = Exists(Message.objects.filter(chat_session_id=chat_session_id, answered_by=OuterRef("pk")))
    is_said = Q(status=Message.Status.COMPLETE) | (Q(status=Message.Status.CANCELLED) & Q(is_asked))
    said = Message.objects.filter(is_said, chat_session_id=chat_session_id)
    return said.exclude(content="").exclude(role=Message.Role.NOTICE)


def _latest(chat_session_id: UUID) -> QuerySet[Any, Any]:
    return said_in(chat_session_id).order_by("-seq").values_list("id", "seq", "role", "content")[: MOST + 2]


def _latest_summary(chat_session_id: UUID) -> QuerySet[Any, Any]:
    rows = Summary.objects.filter(chat_session_id=chat_session_id).order_by("-from_seq")
    return rows.values_list("text", "to_seq")[:1]


_LATEST = PreparedQuery(_latest, chat_session_id=UUID(int=1))
_SUMMARY = PreparedQuery(_latest_summary, chat_session_id=UUID(int=1))
