"""Reading the queue for a look at it: few columns of all, and the rest only of those that are new."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from chatify.common.prepared import PreparedQuery
from chatify.matchmaking.models import MatchTicket
from chatify.matchmaking.pairing import Candidate
from chatify.matchmaking.pool import Pool
from chatify.matchmaking.preferences import IN_ITS_BAND, primary_language
from chatify.matchmaking.tickets import State, Status, is_over

ASKED_WHILE_SEEN = timedelta(seconds=60)
"""Who has neither been seen nor written for so long is offered to nobody."""

READ_AT_ONCE = 500


class Waiting(NamedTuple):
    """Somebody who waits. `now` is the database's time."""

    id: UUID
    version: int
    tenant_id: UUID
    created_at: datetime
    deadline: datetime
    seen_at: datetime
    proposal_state: str | None
    now: datetime


def _waiting() -> QuerySet[Any, Any]:
    columns = ("id", "version", "tenant_id", "created_at", "deadline", "seen_at", "proposal__state", "now")
    return MatchTicket.objects.waiting().order_by("deadline").annotate(now=Now()).values_list(*columns)


_WAITING = PreparedQuery(_waiting)  # asked several times a second, mostly for nobody


def read_waiting() -> list[Waiting]:
    """All who wait, who is due first."""
    return [Waiting(*row) for row in _WAITING.rows()]


def read_askable() -> dict[UUID, int]:
    """The versions of the tickets of those who talk to a personality and may be asked whether they want to meet
    somebody."""
    rows = MatchTicket.objects.live().filter(status=Status.WITH_CHATBOT).exclude(is_over("chat_session"))
    since = Now() - ASKED_WHILE_SEEN
    is_here = Q(seen_at__gt=since) | Q(chat_session__last_activity__gt=since)
    is_free = Q(proposal=None) | ~Q(proposal__state=State.OPEN)
    may_be = Q(ask_after=None) | Q(ask_after__lte=Now())
    return dict(rows.filter(is_here, is_free, may_be).order_by().values_list("id", "version"))


def read_misplaced() -> list[UUID]:
    """The live tickets of people who are in no room, and whose age is not that of their band any more."""
    rows = MatchTicket.objects.live().exclude(status=Status.MATCHED_HUMAN).exclude(IN_ITS_BAND)
    return list(rows.order_by("id").values_list("id", flat=True))


def refresh(pool: Pool, versions: Mapping[UUID, int]) -> None:
    """Let the pool hold just these tickets, in these versions or later ones."""
    for id_ in [id_ for id_ in pool.known if id_ not in versions]:
        pool.drop(id_)
    known = pool.known
    new = [id_ for id_, version in versions.items() if id_ not in known or known[id_].version != version]
    pool.put(_read(new))


def _read(ticket_ids: Collection[UUID]) -> Iterator[Candidate]:
    columns = (
        "id", "version", "tenant_id", "end_user_id", "band", "language", "interests", "strict", "created_at",
        "avoid_user_id", "avoid_until",
    )  # fmt: skip
    for ids in _batches(list(ticket_ids)):
        for row in MatchTicket.objects.filter(id__in=ids).order_by().values_list(*columns):
            yield _candidate(*row)


def _candidate(
    id_: UUID,
    version: int,
    tenant_id: UUID,
    end_user_id: UUID,
    band: str,
    language: str,
    interests: list[str],
    strict: list[str],
    created_at: datetime,
    avoid_user_id: UUID | None,
    avoid_until: datetime | None,
) -> Candidate:
    return Candidate(
        ticket_id=id_,
        version=version,
        tenant_id=tenant_id,
        end_user_id=end_user_id,
        band=band,
        language=primary_language(language),
        interests=frozenset(interests),
        is_language_strict="language" in strict and bool(language),
        is_interests_strict="interests" in strict and bool(interests),
        created_at=created_at,
        avoid_user_id=avoid_user_id,
        avoid_until=avoid_until,
    )


def _batches(ids: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), READ_AT_ONCE):
        yield ids[start : start + READ_AT_ONCE]
