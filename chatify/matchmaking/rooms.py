"""Human rooms as those who are in them use them: leave, block, report."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.common.errors import Conflict, InvalidInput, NotFound
from chatify.matchmaking.access import get_block
from chatify.matchmaking.models import Block, MatchTicket, Report
from chatify.matchmaking.tickets import (
    Tickets,
    among_the_erased,
    close,
    database_now,
    in_one_go,
    lock_tied,
    withdraw,
)
from sessions.access import get_chat_session
from sessions.actions import end_chat_session
from sessions.models import ChatSession

REPEAT = timedelta(seconds=60)
"""For so long the last partner is not met again."""

PARTICIPANT_LEFT = "participant_left"


def get_room(principal: Principal, chat_session_id: UUID) -> ChatSession:
    """A human room in which the principal acts for one of the two. Raises NotFound, Conflict (`not_a_room`),
    InvalidInput when a key does not say for whom it acts."""
    room = get_chat_session(principal, chat_session_id)
    if room.mode != ChatSession.Mode.HUMAN:
        raise Conflict("This is no room of two people.", code="not_a_room")
    if principal.end_user_id is None:
        raise InvalidInput.at("user", "required", "An API key has to name the user's external_id.")
    return room


def leave_room(*, principal: Principal, chat_session_id: UUID) -> None:
    """Somebody leaves: the room ends for both, and both may queue again. Whoever joins next does not meet the other
    one within a minute.

    Once is enough. Raises what `get_room` raises.
    """
    room = get_room(principal, chat_session_id)
    in_one_go(partial(_leave, room.id, principal.end_user_id))


def _leave(room_id: UUID, leaver: UUID | None) -> None:
    tickets = MatchTicket.objects.live().filter(room_id=room_id)
    locked = lock_tied(list(tickets.values_list("id", flat=True)))
    end_room(room_id, locked, leaver=leaver)


def end_room(room_id: UUID, locked: Tickets, *, leaver: UUID | None) -> None:
    """End a room and close its tickets, which the caller's transaction holds."""
    now = database_now()
    with suppress(NotFound):
        end_chat_session(chat_session_id=room_id, reason=PARTICIPANT_LEFT)
    for ticket in locked.values():
        if ticket.room_id == room_id and ticket.closed_at is None:
            close(ticket, locked, now=now, reason="left" if ticket.end_user_id == leaver else "partner_left")


def partner_in(room: ChatSession, end_user_id: UUID | None) -> EndUser:
    """The other one of a room."""
    assert room.partner is not None
    return room.end_user if room.partner_id == end_user_id else room.partner


# Not again -------------------------------------------------------------------------------------------


def block(*, principal: Principal, chat_session_id: UUID) -> Block:
    """Somebody does not want to meet the other one of a room again, and leaves it if they are there still.

    Once is enough. Raises what `get_room` raises, and Conflict (`user_erased`) when one of them is erased in this
    moment.
    """
    room = get_room(principal, chat_session_id)
    with among_the_erased():
        return in_one_go(partial(_block, room, principal.end_user_id))


def _block(room: ChatSession, blocker: UUID | None) -> Block:
    blocked = partner_in(room, blocker)
    # Both tickets are locked: who opens a room looks for blocks under the same locks, so that it is either seen there,
    # or the room here.
    theirs = MatchTicket.objects.live().filter(end_user_id__in=[blocker, blocked.id])
    locked = lock_tied(list(theirs.values_list("id", flat=True)))
    made, _ = Block.objects.get_or_create(
        blocker_id=blocker, blocked=blocked, defaults={"tenant_id": room.tenant_id, "name": blocked.name}
    )
    both = [one for one in locked.values() if one.end_user_id in (blocker, blocked.id)]
    asked = [one.proposal_id for one in both]
    withdraw([one for one in both if asked.count(one.proposal_id) > 1], locked, now=database_now())
    shared = [one.room_id for one in both]
    for room_id in {room.id, *(id_ for id_ in shared if shared.count(id_) > 1 and id_ is not None)}:
        end_room(room_id, locked, leaver=blocker)
    return made


def blocks_of(principal: Principal) -> QuerySet[Block]:
    """Whom somebody has blocked, the latest first.

    Raises InvalidInput when a key does not say for whom it asks, Forbidden (`bound_to_session`).
    """
    principal.require_whole_user()
    if principal.end_user_id is None:
        raise InvalidInput.at("user", "required", "An API key has to name the user's external_id.")
    return Block.objects.filter(tenant_id=principal.tenant_id, blocker_id=principal.end_user_id)


def unblock(*, principal: Principal, block_id: UUID) -> None:
    """The two may meet again. Raises NotFound, Forbidden (`bound_to_session`)."""
    Block.objects.filter(id=get_block(principal, block_id).id).delete()


def report(*, principal: Principal, chat_session_id: UUID, reason: str, comment: str = "") -> Report:
    """Tell staff what the other one did in a room. Until they have looked at it, another report replaces the former.

    Raises what `get_room` raises, InvalidInput (`unknown_reason`), and Conflict (`user_erased`) when one of them is
    erased in this moment.
    """
    if reason not in Report.Reason.values:
        raise InvalidInput.at("reason", "unknown_reason", f"There are: {', '.join(Report.Reason.values)}.")
    room = get_room(principal, chat_session_id)
    with among_the_erased():
        return _report(room, principal.end_user_id, reason, comment)


@transaction.atomic
def _report(room: ChatSession, reporter: UUID | None, reason: str, comment: str) -> Report:
    made, is_new = Report.objects.get_or_create(
        chat_session=room,
        reporter_id=reporter,
        defaults={
            "tenant_id": room.tenant_id,
            "reported": partner_in(room, reporter),
            "reason": reason,
            "comment": comment,
        },
    )
    if not is_new and made.state == Report.State.OPEN:
        made.reason, made.comment = reason, comment
        made.save(update_fields=["reason", "comment"])
    return made
