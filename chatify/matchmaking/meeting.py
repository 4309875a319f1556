"""Two people meet: their tickets, the goodbye of personalities, and the room, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from chatify.accounts.models import EndUser
from chatify.common import prepared
from chatify.common.errors import NotFound
from chatify.matchmaking.models import Block, MatchProposal, MatchTicket
from chatify.matchmaking.preferences import band_of
from chatify.matchmaking.tickets import Moved, State, Status, Tickets, change, tell, withdraw
from sessions.actions import hand_over
from sessions.models import ChatSession
from sessions.starting import new_human_room, save_chat_sessions

HUMAN_FOUND = "human_found"


class Pair(NamedTuple):
    """Two live tickets of people who shall meet. Whoever has been waiting for longer comes first."""

    first: UUID
    second: UUID


def open_rooms(pairs: Sequence[Pair], locked: Tickets, *, now: datetime, accepted: UUID | None = None) -> list[UUID]:
    """Let these people meet, in the caller's transaction, which holds their tickets with all that those are tied to.

    Personalities that they talk to say goodbye. `accepted` is the question by which they meet. Gives the rooms, in the
    order of the pairs. Raises Moved. Somebody who is being erased makes the transaction end with IntegrityError.
    """
    tickets = [locked[id_] for pair in pairs for id_ in pair]
    _say_goodbye(tickets)
    withdraw(tickets, locked, now=now, but=accepted)
    people = EndUser.objects.in_bulk([one.end_user_id for one in tickets])
    rooms = [_new_room(locked[first], locked[second], people) for first, second in pairs]
    save_chat_sessions(rooms)
    if accepted is None:
        tell("match.human_found", *tickets)
    else:
        MatchProposal.objects.filter(id=accepted).update(state=State.ACCEPTED, closed_at=now)
    _move_in({id_: room.id for pair, room in zip(pairs, rooms, strict=True) for id_ in pair}, locked, now)
    tell("match.matched", *tickets)
    return [room.id for room in rooms]


def _say_goodbye(tickets: Iterable[MatchTicket]) -> None:
    talking = [one.chat_session_id for one in tickets if one.status == Status.WITH_CHATBOT]
    for chat_session_id in sorted(id_ for id_ in talking if id_ is not None):
        with suppress(NotFound):  # deleted meanwhile: nobody is there to hear it
            hand_over(chat_session_id=chat_session_id, reason=HUMAN_FOUND)


def _new_room(first: MatchTicket, second: MatchTicket, people: dict[UUID, EndUser]) -> ChatSession:
    try:
        return new_human_room(people[first.end_user_id], people[second.end_user_id])
    except KeyError:  # erased, and so is the ticket in a moment
        raise Moved from None


def _move_in(rooms: dict[UUID, UUID], locked: Tickets, now: datetime) -> None:
    """Write to all the tickets at once where their people are now."""
    for ticket_id, room_id in rooms.items():
        ticket = locked[ticket_id]
        ticket.status, ticket.room_id, ticket.version = Status.MATCHED_HUMAN, room_id, ticket.version + 1
        ticket.served_at = ticket.served_at or now
    write_moved([locked[id_] for id_ in rooms], "room_id")


def write_moved(tickets: Collection[MatchTicket], place: str) -> None:
    """Write where the people of these tickets are now, `place` being its field, and the version that each has come to.

    Raises Moved when one of them is not what it was one version before.
    """
    told = ("version", "status", "served_at", place)
    changed = prepared.write_each(
        [
            prepared.change(
                MatchTicket, {"id": one.id, "version": one.version - 1}, {name: getattr(one, name) for name in told}
            )
            for one in tickets
        ]
    )
    if changed != len(tickets):
        raise Moved


def correct_bands(tickets: Collection[MatchTicket], locked: Tickets, *, now: datetime) -> set[UUID]:
    """Write to locked tickets in which age band their people are by now. Gives those that were in another one.

    What their people were asked meanwhile is withdrawn. Raises Moved.
    """
    ages = dict(EndUser.objects.filter(id__in=[one.end_user_id for one in tickets]).values_list("id", "age"))
    moved = [one for one in tickets if one.end_user_id in ages and band_of(ages[one.end_user_id]) != one.band]
    withdraw(moved, locked, now=now)
    for one in moved:
        change(one, band=band_of(ages[one.end_user_id]))
    return {one.id for one in moved}


# Blocks -------------------------------------------------------------------------------------------


def blocks_among(end_user_ids: set[UUID]) -> set[frozenset[UUID]]:
    """Which of these people do not meet each other."""
    rows = Block.objects.filter(blocker__in=end_user_ids, blocked__in=end_user_ids)
    return {frozenset(pair) for pair in rows.order_by().values_list("blocker_id", "blocked_id")}


def blocks_about(end_user_ids: set[UUID]) -> set[frozenset[UUID]]:
    """All whom these people do not meet."""
    rows = Block.objects.filter(Q(blocker__in=end_user_ids) | Q(blocked__in=end_user_ids))
    return {frozenset(pair) for pair in rows.order_by().values_list("blocker_id", "blocked_id")}
