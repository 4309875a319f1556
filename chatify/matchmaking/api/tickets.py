"""Match tickets over REST."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts.api.authentication import principal_of
from chatify.accounts.api.idempotency import PersonalResponse, idempotent
from chatify.accounts.credentials import issue_ticket
from chatify.accounts.profile import UserInput
from chatify.common.api import NO_STORE, read_body
from chatify.common.inputs import Body
from chatify.matchmaking import queue
from chatify.matchmaking.models import MatchTicket
from chatify.matchmaking.objects import MatchTicketObject, ticket_object
from chatify.matchmaking.preferences import Preferences
from sessions.api.bodies import TicketObject
from sessions.api.views import ws_base
from sessions.objects import timestamp


class JoinBody(Body):
    """Whom somebody looks for."""

    user: UserInput | None = Field(None, description="Who looks. API keys have to give it.")
    preferences: Preferences = Field(default_factory=Preferences)
    next: bool = Field(False, description="Leave the room, or the personality, and look for the next one.")


class ProposalBody(Body):
    """Which question is answered."""

    proposal: Annotated[UUID, Field(strict=False)]


def _object(ticket: MatchTicket, request: Request) -> dict[str, Any]:
    return ticket_object(ticket, ws_base(request._request))


def _seen(request: Request, ticket_id: UUID) -> MatchTicket:
    """The ticket, whose person is there, as this call shows. Raises NotFound, Forbidden (`bound_to_session`)."""
    ticket = queue.get_ticket(principal_of(request), ticket_id)
    if ticket.closed_at is None:
        queue.heartbeat(ticket_ids=[ticket.id])
    return ticket


class MatchTicketList(APIView):
    """The queue."""

    @extend_schema(
        operation_id="join_match", request=JoinBody, responses={201: MatchTicketObject, 200: MatchTicketObject}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Look for somebody: 201 with a match ticket, 200 with the one that the person has already."""
        body = read_body(request, JoinBody)
        ticket, is_new = queue.join(
            principal=principal_of(request), user=body.user, preferences=body.preferences, leave=body.next
        )
        status = 201 if is_new else 200
        return PersonalResponse(_object(ticket, request), status=status, end_user_id=ticket.end_user_id)


class MatchTicketDetail(APIView):
    """One match ticket."""

    @extend_schema(operation_id="get_match_ticket", responses=MatchTicketObject)
    def get(self, request: Request, ticket_id: UUID) -> Response:
        """Where its person is. Counts as a heartbeat."""
        return Response(_object(_seen(request, ticket_id), request))

    @extend_schema(operation_id="cancel_match", responses={200: MatchTicketObject})
    def delete(self, request: Request, ticket_id: UUID) -> Response:
        """Look for nobody any more. A talk with a personality goes on; a room has to be left instead."""
        ticket = queue.get_ticket(principal_of(request), ticket_id)
        return Response(_object(queue.cancel(ticket_id=ticket.id), request))


class MatchHeartbeat(APIView):
    """Signs of life."""

    @extend_schema(operation_id="match_heartbeat", request=None, responses=MatchTicketObject)
    def post(self, request: Request, ticket_id: UUID) -> Response:
        """Still there. A ticket that waits and is not heard of for 30 s expires. Open match sockets do this, too."""
        ticket = _seen(request, ticket_id)
        read_body(request, Body)
        return Response(_object(ticket, request))


class AcceptProposal(APIView):
    """Yes."""

    @extend_schema(operation_id="accept_match", request=ProposalBody, responses=MatchTicketObject)
    def post(self, request: Request, ticket_id: UUID) -> Response:
        """Meet the person who was found; the personality says goodbye. Once is enough."""
        ticket = queue.get_ticket(principal_of(request), ticket_id)
        body = read_body(request, ProposalBody)
        return Response(_object(queue.accept(ticket_id=ticket.id, proposal_id=body.proposal), request))


class StayWithPersonality(APIView):
    """No."""

    @extend_schema(operation_id="decline_match", request=ProposalBody, responses=MatchTicketObject)
    def post(self, request: Request, ticket_id: UUID) -> Response:
        """Stay with the personality, and be asked no more for a minute. Once is enough."""
        ticket = queue.get_ticket(principal_of(request), ticket_id)
        body = read_body(request, ProposalBody)
        return Response(_object(queue.stay(ticket_id=ticket.id, proposal_id=body.proposal), request))


class MatchSocketTicket(APIView):
    """Socket tickets."""

    @extend_schema(operation_id="create_match_socket_ticket", request=None, responses={201: TicketObject})
    def post(self, request: Request, ticket_id: UUID) -> Response:
        """A one-use ticket for the match socket of this match ticket's person, good for 30 seconds."""
        ticket = queue.get_ticket(principal_of(request), ticket_id)
        read_body(request, Body)
        secret, expires_at = issue_ticket(
            tenant_id=ticket.tenant_id,
            end_user_id=ticket.end_user_id,
            chat_session_id=None,
            credential=principal_of(request).credential,
        )
        url = _object(ticket, request)["ws_url"]
        found = {"ticket": secret, "expires_at": timestamp(expires_at), "ws_url": url}
        return Response(found, status=201, headers=NO_STORE)
