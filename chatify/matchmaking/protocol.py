"""The wire protocol of the match socket: every frame in and out, as models, and its place in the AsyncAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from chatify.accounts.profile import UserInput
from chatify.matchmaking.objects import MatchTicketObject, ProposalObject
from chatify.matchmaking.preferences import Preferences
from chatify.realtime.asyncapi import TICKET_PARAMETER, Channel
from chatify.realtime.frames import ClientFrame, ErrorFrame, Id, Ping, Pong, ServerFrame, type_of
from chatify.realtime.protocol import parse_frame
from sessions.objects import ChatSessionObject


class MatchJoin(ClientFrame):
    """Look for somebody. Whoever does so already gets `match.ready` with the ticket that they have."""

    type: Literal["match.join"]
    preferences: Preferences = Field(default_factory=Preferences)
    next: bool = Field(False, description="Leave the room, or the personality, and look for the next one.")
    user: UserInput | None = Field(None, description="The profile to bring up to date; never somebody else's.")


class MatchCancel(ClientFrame):
    """Look for nobody any more. A talk with a personality goes on."""

    type: Literal["match.cancel"]


class MatchAccept(ClientFrame):
    """Yes to the question whether to meet the person who was found."""

    type: Literal["match.accept"]
    proposal: Id


class MatchStay(ClientFrame):
    """No to that: stay with the personality."""

    type: Literal["match.stay"]
    proposal: Id


CLIENT_FRAMES: tuple[type[ClientFrame], ...] = (MatchJoin, MatchCancel, MatchAccept, MatchStay, Ping)
_KINDS = {type_of(frame): frame for frame in CLIENT_FRAMES}


def parse_match_frame(value: Any) -> ClientFrame:
    """A client's frame. Raises InvalidInput that names every wrong field."""
    return parse_frame(value, _KINDS)


# What the server sends ----------------------------------------------------------------------------


class MatchReady(ServerFrame):
    """The first frame: where you are. Also the answer to joining once more."""

    type: Literal["match.ready"]
    ticket: MatchTicketObject | None = Field(description="The live one, if there is one.")


class MatchWaiting(ServerFrame):
    """You are in the queue. `ticket.deadline` is when a personality steps in."""

    type: Literal["match.waiting"]
    ticket: MatchTicketObject


class MatchChatbot(ServerFrame):
    """Nobody came in time: a personality is there for you. People are still looked for."""

    type: Literal["match.chatbot"]
    ticket: MatchTicketObject
    session: ChatSessionObject
    reason: Literal["chatbot_fallback_triggered"]
    disclosure: str


class MatchHumanFound(ServerFrame):
    """Somebody who fits is there. Told once more when your yes to it has come in."""

    type: Literal["match.human_found"]
    ticket: MatchTicketObject
    proposal: ProposalObject | None = Field(
        description="With `must_answer` you are asked whether to leave the personality. Null: you meet at once."
    )


class MatchMatched(ServerFrame):
    """The human room is open: go on at `session.ws_url`."""

    type: Literal["match.matched"]
    ticket: MatchTicketObject
    session: ChatSessionObject


class MatchDeclined(ServerFrame):
    """The person who was found is not met. Others are still looked for."""

    type: Literal["match.declined"]
    ticket: MatchTicketObject
    reason: Literal["declined", "expired", "withdrawn"]


class MatchClosed(ServerFrame):
    """The ticket is done with: cancelled, not heard of for too long, or the talk is over (`match.closed`)."""

    type: Literal["match.cancelled", "match.expired", "match.closed"]
    ticket: MatchTicketObject
    reason: str


SERVER_FRAMES: tuple[type[ServerFrame], ...] = (
    MatchReady,
    MatchWaiting,
    MatchChatbot,
    MatchHumanFound,
    MatchMatched,
    MatchDeclined,
    MatchClosed,
    Pong,
    ErrorFrame,
)

MATCHMAKING = Channel(
    name="matchmaking",
    client="MatchClient",
    address="/ws/v1/match/",
    query={
        **TICKET_PARAMETER,
        "user": {"type": "string", "description": "The user's `external_id`, which an API key has to give."},
    },
    client_frames=CLIENT_FRAMES,
    server_frames=SERVER_FRAMES,
)
