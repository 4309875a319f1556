"""What followers of match tickets read: all of a process in one query, and whole rows only of those that moved."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q

from chatify.matchmaking.access import OBJECT_RELATED as TICKET_RELATED
from chatify.matchmaking.models import MatchProposal, MatchTicket
from chatify.matchmaking.objects import ticket_object
from chatify.matchmaking.telling import Event, Told, steps
from sessions.access import OBJECT_RELATED

_RELATED = (*TICKET_RELATED, *(f"{session}__{row}" for session in ("chat_session", "room") for row in OBJECT_RELATED))


class Asked(NamedTuple):
    """Somebody who follows: whose ticket, what they know of it, and where they reach sockets."""

    end_user_id: UUID
    told: Told | None
    ws_base: str

    @property
    def known(self) -> tuple[UUID, int] | None:
        """The live ticket that they know of, and its version."""
        return None if self.told is None or self.told.is_closed else (self.told.ticket_id, self.told.version)


News = tuple[Told | None, list[Event]]


def read_present(end_user_id: UUID, ws_base: str) -> tuple[Told | None, dict[str, Any] | None]:
    """Where somebody's live ticket stands, and the ticket as they see it; nothing if they have none."""
    ticket = MatchTicket.objects.live().filter(end_user_id=end_user_id).select_related(*_RELATED).first()
    return (None, None) if ticket is None else (Told.of(ticket), ticket_object(ticket, ws_base))


def find_end_users(ticket_ids: Collection[UUID]) -> set[UUID]:
    """Whose these tickets are."""
    return set(MatchTicket.objects.filter(id__in=ticket_ids).order_by().values_list("end_user_id", flat=True))


def find_moved(asked: Collection[Asked]) -> set[UUID]:
    """The end users whose live tickets are not what these know: another one, changed, or none any more."""
    rows = MatchTicket.objects.live().filter(end_user__in={one.end_user_id for one in asked}).order_by()
    found = {end_user_id: (id_, version) for end_user_id, id_, version in rows.values_list("end_user", "id", "version")}
    return {one.end_user_id for one in asked if one.known != found.get(one.end_user_id)}


def read_news(asked: Collection[Asked]) -> dict[Asked, News]:
    """What is new to each of them, and what they know when they have been told that."""
    end_user_ids, ticket_ids = {one.end_user_id for one in asked}, {one.known[0] for one in asked if one.known}
    wanted = MatchTicket.objects.filter(Q(closed_at=None, end_user__in=end_user_ids) | Q(id__in=ticket_ids))
    rows = {row.id: row for row in wanted.select_related(*_RELATED).order_by()}
    live = {row.end_user_id: row for row in rows.values() if row.closed_at is None}
    questions = {one.told.proposal_id for one in asked if one.told is not None and one.told.proposal_id is not None}
    states = dict(MatchProposal.objects.filter(id__in=questions).order_by().values_list("id", "state"))
    return {one: _news(one, rows, live.get(one.end_user_id), states) for one in asked}


def _news(one: Asked, rows: dict[UUID, MatchTicket], live: MatchTicket | None, states: dict[UUID, str]) -> News:
    """First the end of the ticket that they know, then the one that there is now."""
    told, events = one.told, list[Event]()
    if one.known is not None:
        known = rows.get(one.known[0])
        events += steps(told, known, states, one.ws_base) if known is not None else []
        told = Told.of(known) if known is not None else None  # erased
    if live is not None and (told is None or live.id != told.ticket_id):
        events += steps(None, live, states, one.ws_base)
        told = Told.of(live)
    return told, events
