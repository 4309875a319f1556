"""What somebody is told about a match ticket who was told of it before. Pure: rows in, events out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chatify.matchmaking.models import MatchProposal, MatchTicket
from chatify.matchmaking.objects import REASON, proposal_object, ticket_object
from sessions.models import ChatSession
from sessions.objects import chat_session_object

Event = dict[str, Any]
_State = MatchProposal.State
_CLOSED = {MatchTicket.Status.CANCELLED: "match.cancelled", MatchTicket.Status.EXPIRED: "match.expired"}


@dataclass(frozen=True, slots=True)
class Told:
    """A match ticket as far as somebody was told of it. `proposal_id` is that of a question which is open."""

    ticket_id: UUID
    version: int = -1
    chat_session_id: UUID | None = None
    room_id: UUID | None = None
    proposal_id: UUID | None = None
    must_answer: bool = False
    is_closed: bool = False

    @classmethod
    def of(cls, ticket: MatchTicket) -> Told:
        """A ticket of which all is told."""
        asked = _open_proposal(ticket)
        return cls(
            ticket_id=ticket.id,
            version=ticket.version,
            chat_session_id=ticket.chat_session_id,
            room_id=ticket.room_id,
            proposal_id=asked.id if asked is not None else None,
            must_answer=asked is not None and _must_answer(asked, ticket),
            is_closed=ticket.closed_at is not None,
        )


def steps(told: Told | None, ticket: MatchTicket, states: Mapping[UUID, str], ws_base: str) -> list[Event]:
    """The events that lead from what was told to the ticket as it is, in order. None: nothing was told of it.

    `states` are those of the question that was told of.
    """
    shown = ticket_object(ticket, ws_base)
    first = [] if told is not None else [{"type": "match.waiting"}]
    before, now = told or Told(ticket.id), Told.of(ticket)
    if before == now and told is not None:
        return []
    return [
        {"type": event.pop("type"), "ticket": shown, **event}
        for event in (
            *first,
            *_to_chatbot(before, ticket, ws_base),
            *_to_question(before, now, ticket, states),
            *_to_room(before, ticket, states, ws_base),
            *_to_end(before, ticket),
        )
    ]


def _to_chatbot(before: Told, ticket: MatchTicket, ws_base: str) -> Iterator[Event]:
    chat_session = ticket.chat_session
    if chat_session is not None and chat_session.id != before.chat_session_id:
        shown = _session_object(chat_session, ticket, ws_base)
        yield {"type": "match.chatbot", "session": shown, "reason": REASON, "disclosure": shown["disclosure"]}


def _to_question(before: Told, now: Told, ticket: MatchTicket, states: Mapping[UUID, str]) -> Iterator[Event]:
    """The end of the question that was open, and the next one; or the same one, when a yes has come in."""
    if before.proposal_id not in (None, now.proposal_id) and not _was_accepted(before, states):
        yield {"type": "match.declined", "reason": states.get(before.proposal_id, _State.WITHDRAWN)}
    asked = _open_proposal(ticket)
    if asked is not None and (asked.id, now.must_answer) != (before.proposal_id, before.must_answer):
        yield {"type": "match.human_found", "proposal": proposal_object(asked, ticket.id)}


def _to_room(before: Told, ticket: MatchTicket, states: Mapping[UUID, str], ws_base: str) -> Iterator[Event]:
    if ticket.room is None or ticket.room.id == before.room_id:
        return
    if not _was_accepted(before, states):  # they met at once, or the question came and went unseen
        yield {"type": "match.human_found", "proposal": None}
    yield {"type": "match.matched", "session": _session_object(ticket.room, ticket, ws_base)}


def _to_end(before: Told, ticket: MatchTicket) -> Iterator[Event]:
    if ticket.closed_at is not None and not before.is_closed:
        kind = _CLOSED.get(MatchTicket.Status(ticket.status), "match.closed")
        yield {"type": kind, "reason": ticket.close_reason or ticket.status}


def _was_accepted(before: Told, states: Mapping[UUID, str]) -> bool:
    return before.proposal_id is not None and states.get(before.proposal_id) == _State.ACCEPTED


def _open_proposal(ticket: MatchTicket) -> MatchProposal | None:
    asked = ticket.proposal
    is_open = asked is not None and asked.state == _State.OPEN and ticket.closed_at is None
    return asked if is_open else None


def _must_answer(asked: MatchProposal, ticket: MatchTicket) -> bool:
    return bool(proposal_object(asked, ticket.id)["must_answer"])


def _session_object(chat_session: ChatSession, ticket: MatchTicket, ws_base: str) -> dict[str, Any]:
    return chat_session_object(chat_session, ws_base, ticket.end_user_id)
