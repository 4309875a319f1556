"""What people do in human rooms beside talking, over REST: leave, block, report; and whom they have blocked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts.access import get_end_user
from chatify.accounts.api.authentication import principal_of
from chatify.accounts.api.idempotency import PersonalResponse, idempotent
from chatify.accounts.principal import Principal
from chatify.common.api import PageQuery, page, read_body, read_query
from chatify.common.inputs import Body, ExternalId, NotBlank
from chatify.common.schema import PAGE_PARAMETERS, page_of, parameter
from chatify.matchmaking import rooms
from chatify.matchmaking.models import Report
from chatify.matchmaking.objects import BlockObject, block_object
from sessions.access import as_participant, get_chat_session
from sessions.api.views import ws_base
from sessions.objects import ChatSessionObject, chat_session_object, timestamp

Reason = Literal["harassment", "hate", "sexual", "minor", "self_harm", "spam", "other"]


class ActingBody(Body):
    """Who acts."""

    user: ExternalId | None = Field(None, description="Who of the two acts. API keys have to give it.")


class ReportBody(ActingBody):
    """What somebody did."""

    reason: Reason
    comment: Annotated[str, Field(max_length=2000), NotBlank] | None = Field(None, description="In words, for staff.")


class ReportObject(BaseModel):
    """A report, which staff look at."""

    id: UUID
    reason: Reason
    comment: str
    created_at: datetime


class BlocksQuery(PageQuery):
    """Whose blocks."""

    user: ExternalId | None = None


def _acting(request: Request, chat_session_id: UUID, body: ActingBody) -> Principal:
    """Whoever acts in a chat session. Raises NotFound, InvalidInput."""
    principal = principal_of(request)
    return as_participant(principal, get_chat_session(principal, chat_session_id), body.user)


class LeaveRoom(APIView):
    """The way out."""

    @extend_schema(operation_id="leave_room", request=ActingBody, responses=ChatSessionObject)
    def post(self, request: Request, chat_session_id: UUID) -> Response:
        """Leave a human room, which ends for both. Once is enough."""
        get_chat_session(principal_of(request), chat_session_id)
        acting = _acting(request, chat_session_id, read_body(request, ActingBody))
        rooms.leave_room(principal=acting, chat_session_id=chat_session_id)
        room = get_chat_session(acting, chat_session_id)
        return Response(chat_session_object(room, ws_base(request._request), acting.end_user_id))


class BlockPartner(APIView):
    """Never again."""

    @extend_schema(operation_id="block_partner", request=ActingBody, responses={201: BlockObject})
    @idempotent
    def post(self, request: Request, chat_session_id: UUID) -> Response:
        """Meet the other one of this room never again, and leave it. Once is enough."""
        get_chat_session(principal_of(request), chat_session_id)
        acting = _acting(request, chat_session_id, read_body(request, ActingBody))
        made = rooms.block(principal=acting, chat_session_id=chat_session_id)
        return PersonalResponse(block_object(made), status=201, end_user_id=made.blocker_id)


class ReportPartner(APIView):
    """For staff to look at."""

    @extend_schema(operation_id="report_partner", request=ReportBody, responses={201: ReportObject})
    @idempotent
    def post(self, request: Request, chat_session_id: UUID) -> Response:
        """Report the other one of this room. A later report replaces the former, until staff have looked at it."""
        get_chat_session(principal_of(request), chat_session_id)
        body = read_body(request, ReportBody)
        acting = _acting(request, chat_session_id, body)
        made = rooms.report(
            principal=acting, chat_session_id=chat_session_id, reason=body.reason, comment=body.comment or ""
        )
        return PersonalResponse(_report_object(made), status=201, end_user_id=made.reporter_id)


def _report_object(report: Report) -> dict[str, str]:
    return {
        "id": str(report.id),
        "reason": report.reason,
        "comment": report.comment,
        "created_at": timestamp(report.created_at),
    }


class BlockList(APIView):
    """Whom somebody has blocked."""

    @extend_schema(
        operation_id="list_blocks",
        parameters=[parameter("user", "The user's `external_id`. API keys have to give it."), *PAGE_PARAMETERS],
        responses=page_of(BlockObject),
    )
    def get(self, request: Request) -> Response:
        """Whom a user has blocked, the latest first."""
        principal, query = principal_of(request), read_query(request, BlocksQuery)
        principal.require_whole_user()
        principal.require_external_id(query.user)
        if query.user is not None:
            principal = principal.speaking_for(get_end_user(principal, query.user).id)
        return Response(page(request, rooms.blocks_of(principal), query, ordering="-created_at", render=block_object))


class BlockDetail(APIView):
    """One block."""

    @extend_schema(operation_id="delete_block", responses={204: None})
    def delete(self, request: Request, block_id: UUID) -> Response:
        """Undo it: the two may meet again."""
        rooms.unblock(principal=principal_of(request), block_id=block_id)
        return Response(status=204)
