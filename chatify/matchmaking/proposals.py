"""Asking people who talk to a personality whether they want to meet somebody, so that nobody is torn out of a sentence.

Who waits for a person is willing by that, and remains so when a personality steps in meanwhile. Once both are willing
they meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db.models.functions import Now

from chatify.common.errors import Conflict, NotFound
from chatify.matchmaking.candidates import ASKED_WHILE_SEEN
from chatify.matchmaking.meeting import Pair, blocks_among, correct_bands, open_rooms
from chatify.matchmaking.models import MatchProposal, MatchTicket
from chatify.matchmaking.tickets import (
    State,
    Status,
    Tickets,
    change,
    database_now,
    end_proposal,
    in_one_go,
    lock_tied,
    tell,
    withdraw,
)
from sessions.models import ChatSession

PROPOSAL = timedelta(seconds=20)
"""For so long a question is open."""

ASK_AGAIN = timedelta(seconds=60)
"""Who stayed, or did not answer, is not asked again for so long."""

ENDED_AT_ONCE = 50


def propose(pair: Pair, *, versions: tuple[int, int]) -> bool:
    """Ask two people whether they want to meet, if their tickets are still what they were. Whether they are asked."""
    return in_one_go(partial(_propose, pair, versions))


def _propose(pair: Pair, versions: tuple[int, int]) -> bool:
    locked = lock_tied(pair, is_patient=False)
    tickets = [locked[id_] for id_ in pair if id_ in locked]
    if [one.version for one in tickets] != list(versions) or not all(_can_be_asked(one) for one in tickets):
        return False
    if len(locked) != len(pair) or blocks_among({one.end_user_id for one in tickets}):
        return False
    now = database_now()
    if correct_bands(tickets, locked, now=now) or tickets[0].band != tickets[1].band:
        return False
    proposal = MatchProposal.objects.create(
        tenant_id=tickets[0].tenant_id,
        first=tickets[0],
        second=tickets[1],
        is_first_willing=tickets[0].status == Status.WAITING,
        is_second_willing=tickets[1].status == Status.WAITING,
        created_at=now,
        expires_at=now + PROPOSAL,
    )
    for one in tickets:
        change(one, proposal_id=proposal.id)
    tell("match.human_found", *tickets)
    return True


def _can_be_asked(ticket: MatchTicket) -> bool:
    return ticket.closed_at is None and ticket.status in (Status.WAITING, Status.WITH_CHATBOT)


def accept(*, ticket_id: UUID, proposal_id: UUID) -> None:
    """Somebody wants to meet who was found; if the other one does, too, they meet now.

    Once is enough. Raises NotFound, Conflict (`proposal_closed`).
    """
    if not in_one_go(partial(_accept, ticket_id, proposal_id)):
        raise _closed()


def _accept(ticket_id: UUID, proposal_id: UUID) -> bool:
    """False when the two may not meet any more, by which the question is over: that is to be committed."""
    proposal, locked = _lock_proposal(ticket_id, proposal_id)
    now = database_now()
    if proposal.state == State.ACCEPTED and locked[ticket_id].closed_at is None:
        return True
    if proposal.state != State.OPEN or proposal.expires_at <= now:
        raise _closed()
    pair = Pair(proposal.first_id, proposal.second_id)
    if not all(id_ in locked for id_ in pair):
        raise _closed()  # the other one is being erased
    _say(proposal, ticket_id, True)
    is_agreed = proposal.is_first_willing and proposal.is_second_willing
    tickets = [locked[id_] for id_ in pair]
    other = next(one for one in tickets if one.id != ticket_id)
    if not _may_still_meet(tickets, locked, now) or (is_agreed and not _is_here(other, now)):
        withdraw(tickets, locked, now=now)
        return False
    proposal.save(update_fields=["is_first_willing", "is_second_willing"])
    if is_agreed:
        open_rooms([pair], locked, now=now, accepted=proposal.id)
    else:
        change(locked[ticket_id])
    return True


def _may_still_meet(tickets: Sequence[MatchTicket], locked: Tickets, now: datetime) -> bool:
    """Neither has blocked the other, or has come to another age band, since they were asked."""
    if blocks_among({one.end_user_id for one in tickets}) or correct_bands(tickets, locked, now=now):
        return False
    return len({one.band for one in tickets}) == 1


def _is_here(ticket: MatchTicket, now: datetime) -> bool:
    """Whether somebody was seen, or wrote, so lately that another one may be sent to them."""
    since = now - ASKED_WHILE_SEEN
    if ticket.seen_at > since or ticket.chat_session_id is None:
        return ticket.seen_at > since
    return ChatSession.objects.filter(id=ticket.chat_session_id, last_activity__gt=since).exists()


def stay(*, ticket_id: UUID, proposal_id: UUID) -> None:
    """Somebody does not want to meet who was found. Nobody else is proposed to them for a minute.

    Once is enough. Raises NotFound, Conflict (`proposal_closed`).
    """
    in_one_go(partial(_stay, ticket_id, proposal_id))


def _stay(ticket_id: UUID, proposal_id: UUID) -> None:
    proposal, locked = _lock_proposal(ticket_id, proposal_id)
    now = database_now()
    if proposal.state == State.DECLINED:
        return
    if proposal.state != State.OPEN:
        raise _closed()
    _say(proposal, ticket_id, False)
    end_proposal(proposal, locked, State.DECLINED, now=now, ask_after=now + ASK_AGAIN)


def _say(proposal: MatchProposal, ticket_id: UUID, is_willing: bool) -> None:
    if ticket_id == proposal.first_id:
        proposal.is_first_willing = is_willing
    else:
        proposal.is_second_willing = is_willing


def _lock_proposal(ticket_id: UUID, proposal_id: UUID) -> tuple[MatchProposal, Tickets]:
    """The question that a ticket's person was asked, with both tickets. Raises NotFound, Conflict."""
    seen = MatchProposal.objects.filter(id=proposal_id).values_list("first_id", "second_id").first()
    if seen is None or ticket_id not in seen:
        raise _closed()
    locked = lock_tied(seen)
    if ticket_id not in locked:
        raise NotFound("There is no such match ticket.")
    proposal = MatchProposal.objects.select_for_update().filter(id=proposal_id).first()
    if proposal is None:
        raise _closed()
    return proposal, locked


def expire_proposals() -> int:
    """End the questions that nobody has answered in time. Gives their number."""
    open_ = MatchProposal.objects.filter(state=State.OPEN, expires_at__lte=Now())
    found = open_.order_by("expires_at").values_list("id", "first_id", "second_id")[:ENDED_AT_ONCE]
    return sum(in_one_go(partial(_expire, id_, Pair(first, second))) for id_, first, second in found)


def _expire(proposal_id: UUID, pair: Pair) -> bool:
    locked = lock_tied(pair)
    proposal = MatchProposal.objects.select_for_update().filter(id=proposal_id, state=State.OPEN).first()
    now: datetime = database_now()
    if proposal is None or proposal.expires_at > now:
        return False
    end_proposal(proposal, locked, State.EXPIRED, now=now, ask_after=now + ASK_AGAIN)
    return True


def _closed() -> Conflict:
    return Conflict("This proposal is over.", code="proposal_closed")
