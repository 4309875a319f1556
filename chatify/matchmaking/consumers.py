"""The socket of matchmaking: one person looks for somebody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.common.errors import InvalidInput, NotFound
from chatify.common.inputs import ExternalId, Query, check_query
from chatify.common.threads import in_db_thread
from chatify.matchmaking import following, queue
from chatify.matchmaking.objects import ticket_object
from chatify.matchmaking.protocol import MatchAccept, MatchCancel, MatchJoin, MatchStay, parse_match_frame
from chatify.matchmaking.reading import read_present
from chatify.matchmaking.telling import Event, Told
from chatify.realtime.connection import Connection
from chatify.realtime.entry import spend_request
from chatify.realtime.frames import ClientFrame, Ping
from sessions.actions import find_or_make_end_user


class _WhoseQuery(Query):
    """Whose socket it is, of those that a key speaks for."""

    user: ExternalId | None = None


class MatchConsumer(Connection):
    """One socket of somebody who looks for somebody. When it closes, what it asked for goes on."""

    end_user_id: UUID
    external_id: str

    async def come_in(self) -> None:
        """Let in whoever may come in, and tell where they are."""
        caller = await self.authenticate(None)
        caller.require_whole_user()
        self.end_user_id, self.external_id = await in_db_thread(_find_person, caller, self.query("user"))
        self.principal = caller.speaking_for(self.end_user_id)  # a key, too: when they are erased it ends with them
        if await self.take_place(self.end_user_id):
            told, ticket = await in_db_thread(_come_back, self.end_user_id, self.ws_base)
            self.open({"type": "match.ready", "ticket": ticket})
            following.current().join(self, told)

    async def take(self, value: Any) -> None:
        """Do what a frame asks for."""
        frame = parse_match_frame(value)
        await _HANDLERS[type(frame)](self, frame)

    def go(self) -> None:
        """Follow the match ticket no more."""
        following.current().leave(self)

    async def join(self, frame: MatchJoin) -> None:
        """Look for somebody; what comes of it is told as to all others who follow."""
        ticket_id, known = await in_db_thread(_join, self.principal, self.external_id, frame, self.ws_base)
        if known is not None:
            self.deliver({"type": "match.ready", "ticket": known})
        await following.current().tell(ticket_id)

    async def cancel(self, frame: MatchCancel) -> None:
        """Look for nobody any more."""
        await self._do(lambda ticket_id: queue.cancel(ticket_id=ticket_id))

    async def accept_proposal(self, frame: MatchAccept) -> None:
        """Meet who was found."""
        await self._do(lambda ticket_id: queue.accept(ticket_id=ticket_id, proposal_id=frame.proposal))

    async def stay(self, frame: MatchStay) -> None:
        """Stay with the personality."""
        await self._do(lambda ticket_id: queue.stay(ticket_id=ticket_id, proposal_id=frame.proposal))

    async def ping(self, frame: Ping) -> None:
        """Answer."""
        self.pong(frame.event_id)

    async def _do(self, action: Callable[[UUID], Any]) -> None:
        await following.current().tell(await in_db_thread(_do_with_ticket, self.principal, self.end_user_id, action))


_HANDLERS: dict[type[ClientFrame], Callable[[MatchConsumer, Any], Awaitable[None]]] = {
    MatchJoin: MatchConsumer.join,
    MatchCancel: MatchConsumer.cancel,
    MatchAccept: MatchConsumer.accept_proposal,
    MatchStay: MatchConsumer.stay,
    Ping: MatchConsumer.ping,
}


# In the database ----------------------------------------------------------------------------------


def _find_person(principal: Principal, named: str) -> tuple[UUID, str]:
    """Whose socket it is: a key has to say, and makes them if they are new. Raises InvalidInput."""
    query = check_query(_WhoseQuery, {"user": named} if named else {})
    principal.require_external_id(query.user)
    found = find_or_make_end_user(principal=principal, given=UserInput(external_id=query.user))
    return found.id, found.external_id


def _come_back(end_user_id: UUID, ws_base: str) -> tuple[Told | None, Event | None]:
    """Where they are; that they are here counts at once."""
    told, ticket = read_present(end_user_id, ws_base)
    if told is not None:
        queue.heartbeat(ticket_ids=[told.ticket_id])
    return told, ticket


def _join(principal: Principal, external_id: str, frame: MatchJoin, ws_base: str) -> tuple[UUID, Event | None]:
    """The ticket, and how they see it if they had it before."""
    spend_request(principal)
    user = frame.user or UserInput()
    if user.external_id not in (None, external_id):
        raise InvalidInput.at("user.external_id", "not_yours", "This is somebody else.")
    ticket, is_new = queue.join(
        principal=principal,
        user=user.model_copy(update={"external_id": external_id}),
        preferences=frame.preferences,
        leave=frame.next,
    )
    return ticket.id, None if is_new else ticket_object(ticket, ws_base)


def _do_with_ticket(principal: Principal, end_user_id: UUID, action: Callable[[UUID], Any]) -> UUID:
    """Do something with the live ticket. Raises NotFound if there is none, and what the action raises."""
    spend_request(principal)
    ticket = queue.live_ticket_of(end_user_id)
    if ticket is None:
        raise NotFound("You are looking for nobody.")
    action(ticket.id)
    return ticket.id
