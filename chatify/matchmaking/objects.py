"""Match tickets as clients see them, on every transport."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from chatify.matchmaking.models import Block, MatchProposal, MatchTicket
from sessions.objects import HUMAN_DISCLOSURE, disclosure, timestamp

REASON = "chatbot_fallback_triggered"
"""Why somebody who wanted to meet a person talks to a personality."""

_Status = MatchTicket.Status


class TicketUserObject(BaseModel):
    """Who waits."""

    external_id: str


class PreferencesObject(BaseModel):
    """Whom they want to meet."""

    language: str | None
    interests: list[str]
    strict: list[Literal["language", "interests"]]
    template: str | None = Field(description="Slug of the personality to talk to meanwhile; null: the one that fits.")


class ProposalObject(BaseModel):
    """Somebody to meet. Who waits is willing by that; who talks to a personality is asked."""

    id: UUID
    expires_at: datetime
    must_answer: bool = Field(description="Whether this ticket's person has to accept, or to stay.")
    state: Literal["open", "accepted", "declined", "expired", "withdrawn"]


class MatchTicketObject(BaseModel):
    """A person's place in the queue. It stays live while they talk to a personality, and while they are in a room."""

    id: UUID
    status: Literal["waiting", "with_chatbot", "matched_human", "cancelled", "expired"]
    user: TicketUserObject
    preferences: PreferencesObject
    created_at: datetime
    deadline: datetime = Field(description="Then a personality steps in, if nobody has come.")
    served_at: datetime | None = Field(description="When they got somebody to talk to.")
    session: UUID | None = Field(description="The chat session with the personality, or the human room.")
    reason: Literal["chatbot_fallback_triggered"] | None = Field(description="Why it is a personality.")
    disclosure: str | None = Field(description="To be shown: whether `session` is with an AI or a human being.")
    proposal: ProposalObject | None = Field(description="The latest one.")
    closed_at: datetime | None
    close_reason: str | None
    ws_url: str = Field(description="The WebSocket of matchmaking.")


class BlockObject(BaseModel):
    """Somebody whom one does not want to meet again."""

    id: UUID
    name: str = Field(description="What they were called.")
    created_at: datetime


def ticket_object(ticket: MatchTicket, ws_base: str) -> dict[str, Any]:
    """The MatchTicketObject. `ws_base` is such as `wss://chat.example.org`."""
    return {
        "id": str(ticket.id),
        "status": ticket.status,
        "user": {"external_id": ticket.end_user.external_id},
        "preferences": _preferences_object(ticket),
        "created_at": timestamp(ticket.created_at),
        "deadline": timestamp(ticket.deadline),
        "served_at": _maybe(ticket.served_at),
        **_talking(ticket),
        "proposal": None if ticket.proposal is None else proposal_object(ticket.proposal, ticket.id),
        "closed_at": _maybe(ticket.closed_at),
        "close_reason": ticket.close_reason or None,
        "ws_url": f"{ws_base}/ws/v1/match/",
    }


def proposal_object(proposal: MatchProposal, ticket_id: UUID) -> dict[str, Any]:
    """The ProposalObject as the person of one of its two tickets sees it."""
    is_willing = proposal.is_first_willing if ticket_id == proposal.first_id else proposal.is_second_willing
    return {
        "id": str(proposal.id),
        "expires_at": timestamp(proposal.expires_at),
        "must_answer": proposal.state == MatchProposal.State.OPEN and not is_willing,
        "state": proposal.state,
    }


def block_object(block: Block) -> dict[str, Any]:
    """The BlockObject."""
    return {"id": str(block.id), "name": block.name, "created_at": timestamp(block.created_at)}


def _preferences_object(ticket: MatchTicket) -> dict[str, Any]:
    return {
        "language": ticket.language or None,
        "interests": ticket.interests,
        "strict": ticket.strict,
        "template": ticket.template or None,
    }


def _talking(ticket: MatchTicket) -> dict[str, Any]:
    if ticket.status == _Status.MATCHED_HUMAN:
        return {"session": _text(ticket.room_id), "reason": None, "disclosure": HUMAN_DISCLOSURE}
    if ticket.status != _Status.WITH_CHATBOT:
        return {"session": None, "reason": None, "disclosure": None}
    template = ticket.chat_session.template if ticket.chat_session is not None else None
    told = None if template is None else disclosure(template.name)
    return {"session": _text(ticket.chat_session_id), "reason": REASON, "disclosure": told}


def _text(id_: UUID | None) -> str | None:
    return None if id_ is None else str(id_)


def _maybe(time: datetime | None) -> str | None:
    return None if time is None else timestamp(time)
