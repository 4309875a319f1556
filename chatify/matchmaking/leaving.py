"""Tickets of people whose room or chat session is over, or who leave it for the next one."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from functools import partial
from uuid import UUID

from django.db.models import Q

from chatify.common.errors import NotFound
from chatify.matchmaking.models import MatchTicket, MatchTicketQuerySet
from chatify.matchmaking.rooms import end_room
from chatify.matchmaking.tickets import WITH_NOBODY, Status, close, database_now, in_one_go, lock_one, lock_tied
from sessions.actions import end_chat_session

SETTLED_AT_ONCE = 50
ROOM_ENDED, CHAT_ENDED, LEFT = "room_ended", "chat_ended", "left"


def settle_all() -> int:
    """Close tickets of people whose room or chat session is over, one batch. Gives their number.

    Events tell of most of them (`settle_after`); this finds those of which a killed process could not tell.
    """
    return in_one_go(partial(settle, MatchTicket.objects.filter(WITH_NOBODY)))


def settle_after(chat_session_ids: Collection[UUID]) -> int:
    """Close tickets that are about these chat sessions, as far as those are over, one batch. Gives their number."""
    ids = list(chat_session_ids)
    about = Q(room__in=ids) | Q(chat_session__in=ids)
    return in_one_go(partial(settle, MatchTicket.objects.filter(about, WITH_NOBODY)))


def settle(rows: MatchTicketQuerySet) -> int:
    """Close these in the caller's transaction, if they are live and what they are about is over. Raises Moved."""
    found = list(rows.live().order_by("id").values_list("id", flat=True)[:SETTLED_AT_ONCE])
    if not found:
        return 0
    locked = lock_tied(found)
    now = database_now()
    over = set(MatchTicket.objects.live().filter(WITH_NOBODY, id__in=list(locked)).values_list("id", flat=True))
    for id_ in sorted(over):
        ticket = locked[id_]
        reason = ROOM_ENDED if ticket.status == Status.MATCHED_HUMAN else CHAT_ENDED
        close(ticket, locked, now=now, reason=reason)
    return len(over)


def let_go(ticket_id: UUID) -> None:
    """Somebody leaves their room or personality for the next one, in the caller's transaction. Who waits goes on
    waiting. Raises NotFound, Moved."""
    ticket, locked = lock_one(ticket_id)
    if ticket.closed_at is not None or ticket.status == Status.WAITING:
        return
    if ticket.status == Status.MATCHED_HUMAN and ticket.room_id is not None:
        end_room(ticket.room_id, locked, leaver=ticket.end_user_id)
        return
    if ticket.chat_session_id is not None:
        with suppress(NotFound):  # deleted meanwhile
            end_chat_session(chat_session_id=ticket.chat_session_id, reason=LEFT)
    close(ticket, locked, now=database_now(), reason=LEFT)
