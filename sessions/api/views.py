"""Chat sessions over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts.api.authentication import principal_of
from chatify.accounts.api.idempotency import PersonalResponse, idempotent
from chatify.accounts.credentials import issue_ticket
from chatify.accounts.profile import UserInput
from chatify.common.api import NO_STORE, PageQuery, page, read_body, read_query
from chatify.common.errors import NotFound
from chatify.common.inputs import Body, ExternalId, Line, Query, Slug
from chatify.common.schema import PAGE_PARAMETERS, page_of, parameter
from sessions import actions
from sessions.access import chat_sessions_for, get_chat_session, get_message
from sessions.models import ChatSession
from sessions.objects import ChatSessionObject, chat_session_object, timestamp
from sessions.personalities import decline_suggestion, switch_personality

MAX_METADATA = 4096
"""Bytes, as JSON."""


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(metadata)) > MAX_METADATA:
        raise PydanticCustomError("too_long", "At most 4096 bytes of JSON.")
    return metadata


Title = Annotated[str, Field(max_length=120), Line]


class StartBody(Body):
    """How to start a chat session."""

    template: Slug | None = Field(
        None, description='Slug of the personality. Left out, or "auto", the one that fits answers: see `selection`.'
    )
    user: UserInput | None = Field(None, description="Who chats. API keys have to give it.")
    title: Title = ""
    context: Annotated[str, Field(max_length=500), Line] = Field(
        "", description="What it will be about. It is used to choose a personality, and not kept."
    )
    metadata: Annotated[dict[str, Any], AfterValidator(_small)] = Field({}, description="The application's own notes.")


class RenameBody(Body):
    """Another title."""

    title: Title


class EndBody(Body):
    """How to end a chat session."""

    reason: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")] | None = Field(
        None, description="A word for statistics; default: `ended_by_user`, with a key `ended_by_application`."
    )


class SwitchBody(Body):
    """Who answers from now on."""

    template: Slug = Field(description="Slug of a personality on offer.")


class FeedbackBody(Body):
    """How satisfied the end user is."""

    rating: Annotated[int, Field(ge=1, le=5)]
    message_id: Annotated[UUID, Field(strict=False)] | None = Field(None, description="The reply; else the whole.")
    comment: Annotated[str, Field(max_length=2000)] = ""


class FeedbackObject(BaseModel):
    """A rating."""

    id: UUID
    rating: int
    message_id: UUID | None
    comment: str
    created_at: datetime


class TicketObject(BaseModel):
    """A one-use admission to the socket, for browsers: open `ws_url` with `?ticket=`."""

    ticket: str
    expires_at: datetime
    ws_url: str


class DeletedObject(BaseModel):
    """How many chat sessions are gone."""

    deleted: int


class UserQuery(Query):
    """Whose chat sessions."""

    user: ExternalId | None = None


class ListQuery(PageQuery):
    """Which chat sessions."""

    user: ExternalId | None = None
    status: Literal["active", "paused", "ended"] | None = None
    search: Annotated[str, Field(max_length=120), Line] | None = None


_USER = parameter("user", "The user's `external_id`. API keys have to give it, except for the list.")


def ws_base(request: HttpRequest) -> str:
    """Where this server's sockets are, as the client addressed it."""
    return f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}"


def _object(chat_session: ChatSession, request: Request) -> dict[str, Any]:
    return chat_session_object(chat_session, ws_base(request._request), principal_of(request).end_user_id)


def _by_whom(request: Request) -> str:
    return "by_application" if principal_of(request).is_api_key else "by_user"


class ChatSessionList(APIView):
    """Start, history, delete all."""

    @extend_schema(operation_id="start_session", request=StartBody, responses={201: ChatSessionObject})
    @idempotent
    def post(self, request: Request) -> Response:
        """Start a chat session."""
        body = read_body(request, StartBody)
        chat_session = actions.start_chat_session(
            principal=principal_of(request),
            template_slug=body.template,
            user=body.user,
            title=body.title,
            metadata=body.metadata,
            context=body.context,
        )
        return PersonalResponse(_object(chat_session, request), status=201, end_user_id=chat_session.end_user_id)

    @extend_schema(
        operation_id="list_sessions",
        parameters=[
            _USER,
            parameter("status", "Only those in this state.", enum=["active", "paused", "ended"]),
            parameter("search", "Only those whose title contains this."),
            *PAGE_PARAMETERS,
        ],
        responses=page_of(ChatSessionObject),
    )
    def get(self, request: Request) -> Response:
        """The chat sessions, latest activity first."""
        query = read_query(request, ListQuery)
        rows = chat_sessions_for(principal_of(request), query.user)
        if query.status:
            rows = rows.filter(status=query.status)
        if query.search:
            rows = rows.filter(title__icontains=query.search)
        return Response(page(request, rows, query, ordering="-last_activity", render=lambda row: _object(row, request)))

    @extend_schema(operation_id="delete_sessions", parameters=[_USER], responses={200: DeletedObject})
    def delete(self, request: Request) -> Response:
        """Delete all chat sessions of a user."""
        query = read_query(request, UserQuery)
        principal_of(request).require_external_id(query.user)
        principal_of(request).require_whole_user()
        ids = chat_sessions_for(principal_of(request), query.user).values_list("id", flat=True)
        return Response({"deleted": actions.delete_chat_sessions(chat_session_ids=ids)})


class ActiveChatSession(APIView):
    """What the user is at."""

    @extend_schema(operation_id="get_active_session", parameters=[_USER], responses=ChatSessionObject)
    def get(self, request: Request) -> Response:
        """The user's latest active chat session."""
        query = read_query(request, UserQuery)
        principal_of(request).require_external_id(query.user)
        rows = chat_sessions_for(principal_of(request), query.user).filter(status=ChatSession.Status.ACTIVE)
        found = rows.order_by("-last_activity", "-id").first()
        if found is None:
            raise NotFound("This user has no active chat session.")
        return Response(_object(found, request))


class ChatSessionDetail(APIView):
    """One chat session."""

    @extend_schema(operation_id="get_session", responses=ChatSessionObject)
    def get(self, request: Request, chat_session_id: UUID) -> Response:
        """One chat session."""
        return Response(_object(get_chat_session(principal_of(request), chat_session_id), request))

    @extend_schema(operation_id="rename_session", request=RenameBody, responses=ChatSessionObject)
    def patch(self, request: Request, chat_session_id: UUID) -> Response:
        """Rename it."""
        chat_session = get_chat_session(principal_of(request), chat_session_id)
        body = read_body(request, RenameBody)
        actions.rename_chat_session(chat_session=chat_session, title=body.title)
        return Response(_object(chat_session, request))

    @extend_schema(operation_id="delete_session", responses={204: None})
    def delete(self, request: Request, chat_session_id: UUID) -> Response:
        """Delete it (softly: staff can undo it)."""
        chat_session = get_chat_session(principal_of(request), chat_session_id)
        actions.delete_chat_sessions(chat_session_ids=[chat_session.id])
        return Response(status=204)


class EndChatSession(APIView):
    """The end of a chat session."""

    @extend_schema(operation_id="end_session", request=EndBody, responses=ChatSessionObject)
    def post(self, request: Request, chat_session_id: UUID) -> Response:
        """End it. A running reply is stopped; ending twice changes nothing."""
        chat_session = get_chat_session(principal_of(request), chat_session_id)
        body = read_body(request, EndBody)
        actions.end_chat_session(chat_session_id=chat_session.id, reason=body.reason or f"ended_{_by_whom(request)}")
        return Response(_object(get_chat_session(principal_of(request), chat_session_id), request))


class PauseChatSession(APIView):
    """A pause of a chat session."""

    @extend_schema(operation_id="pause_session", request=None, responses=ChatSessionObject)
    def post(self, request: Request, chat_session_id: UUID) -> Response:
        """Pause it; the next message resumes it. Pausing twice changes nothing."""
        chat_session = get_chat_session(principal_of(request), chat_session_id)
        read_body(request, Body)
        actions.pause_chat_session(chat_session_id=chat_session.id, reason=f"paused_{_by_whom(request)}")
        return Response(_object(get_chat_session(principal_of(request), chat_session_id), request))


class ResumeChatSession(APIView):
    """The end of a pause."""

    @extend_schema(operation_id="resume_session", request=None, responses=ChatSessionObject)
    def post(self, request: Request, chat_session_id: UUID) -> Response:
        """Resume it; the personality may greet back, as a message. Resuming what is active changes nothing."""
        chat_session = get_chat_session(principal_of(request), chat_session_id)
        read_body(request, Body)
        actions.resume_chat_session(chat_session_id=chat_session.id, reason=f"resumed_{_by_whom(request)}")
        return Response(_object(get_chat_session(principal_of(request), chat_session_id), request))


class SwitchPersonality(APIView):
    """Another personality."""

    @extend_schema(operation_id="switch_personality", request=SwitchBody, responses=ChatSessionObject)
    def post(self, request: Request, chat_session_id: UUID) -> Response:
        """Have another personality answer from now on; a message of role `notice` says so.

        A running reply is finished by the one that began it. Switching to who answers already changes nothing, but
        that nobody is suggested any more.
        """
        chat_session = get_chat_session(principal_of(request), chat_session_id)
        body = read_body(request, SwitchBody)
        switch_personality(principal=principal_of(request), chat_session_id=chat_session.id, slug=body.template)
        return Response(_object(get_chat_session(principal_of(request), chat_session_id), request))


class Suggestion(APIView):
    """The personality that would fit better."""

    @extend_schema(operation_id="decline_suggestion", responses={204: None})
    def delete(self, request: Request, chat_session_id: UUID) -> Response:
        """Decline it: it is not suggested again in this chat session. Declining twice changes nothing."""
        chat_session = get_chat_session(principal_of(request), chat_session_id)
        decline_suggestion(chat_session_id=chat_session.id)
        return Response(status=204)


class ChatSessionTicket(APIView):
    """Socket tickets."""

    @extend_schema(operation_id="create_ticket", request=None, responses={201: TicketObject})
    def post(self, request: Request, chat_session_id: UUID) -> Response:
        """A one-use ticket for this chat session's socket, good for 30 seconds."""
        chat_session = get_chat_session(principal_of(request), chat_session_id)
        read_body(request, Body)
        ticket, expires_at = issue_ticket(
            tenant_id=chat_session.tenant_id,
            end_user_id=chat_session.end_user_id,
            chat_session_id=chat_session.id,
            credential=principal_of(request).credential,
        )
        url = _object(chat_session, request)["ws_url"]
        found = {"ticket": ticket, "expires_at": timestamp(expires_at), "ws_url": url}
        return Response(found, status=201, headers=NO_STORE)


class ChatSessionFeedback(APIView):
    """Satisfaction."""

    @extend_schema(operation_id="give_feedback", request=FeedbackBody, responses={201: FeedbackObject})
    @idempotent
    def post(self, request: Request, chat_session_id: UUID) -> Response:
        """Rate a reply or the chat session; a later rating replaces the former."""
        chat_session = get_chat_session(principal_of(request), chat_session_id)
        body = read_body(request, FeedbackBody)
        message = get_message(chat_session, body.message_id) if body.message_id else None
        feedback = actions.give_feedback(
            chat_session=chat_session,
            rating=body.rating,
            message=message,
            comment=body.comment if "comment" in body.model_fields_set else None,
        )
        found = {
            "id": feedback.id,
            "rating": feedback.rating,
            "message_id": feedback.message_id,
            "comment": feedback.comment,
            "created_at": timestamp(feedback.created_at),
        }
        return PersonalResponse(found, status=201, end_user_id=chat_session.end_user_id)
