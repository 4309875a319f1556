"""Chat sessions over REST."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts.api.authentication import principal_of
from chatify.accounts.api.idempotency import PersonalResponse, idempotent
from chatify.accounts.credentials import issue_ticket
from chatify.common.api import NO_STORE, page, read_body, read_query
from chatify.common.errors import NotFound
from chatify.common.inputs import Body
from chatify.common.schema import PAGE_PARAMETERS, page_of, parameter
from sessions import actions
from sessions.access import as_participant, chat_sessions_for, get_chat_session, get_message, require_personality
from sessions.api.bodies import (
    ActiveQuery,
    DeletedObject,
    EndBody,
    FeedbackBody,
    FeedbackObject,
    ListQuery,
    RenameBody,
    StartBody,
    SwitchBody,
    TicketBody,
    TicketObject,
    UserQuery,
)
from sessions.models import ChatSession
from sessions.objects import ChatSessionObject, chat_session_object, timestamp
from sessions.personalities import decline_suggestion, switch_personality

_USER = parameter("user", "The user's `external_id`. API keys have to give it, except for the list.")
_MODE = parameter("mode", "Only those with a personality, or only human rooms.", enum=["ai", "human"])


def ws_base(request: HttpRequest) -> str:
    """Where this server's sockets are, as the client addressed it."""
    return f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}"


def _object(chat_session: ChatSession, request: Request, user: str | None = None) -> dict[str, Any]:
    """As whoever asks sees it; for a key as `user` does, if one is named."""
    viewer = principal_of(request).end_user_id
    if viewer is None and user is not None:
        viewer = as_participant(principal_of(request), chat_session, user).end_user_id
    return chat_session_object(chat_session, ws_base(request._request), viewer)


def _require_application(request: Request, chat_session: ChatSession) -> None:
    """What is of both people in a human room none of them may change or delete alone. Raises Conflict."""
    if not principal_of(request).is_api_key:
        require_personality(chat_session)


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
            _MODE,
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
        if query.mode:
            rows = rows.filter(mode=query.mode)
        if query.status:
            rows = rows.filter(status=query.status)
        if query.search:
            rows = rows.filter(title__icontains=query.search)
        return Response(
            page(request, rows, query, ordering="-last_activity", render=lambda row: _object(row, request, query.user))
        )

    @extend_schema(operation_id="delete_sessions", parameters=[_USER], responses={200: DeletedObject})
    def delete(self, request: Request) -> Response:
        """Delete all chat sessions of a user; human rooms only with an API key: they are somebody else's, too."""
        query = read_query(request, UserQuery)
        principal_of(request).require_external_id(query.user)
        principal_of(request).require_whole_user()
        rows = chat_sessions_for(principal_of(request), query.user)
        if not principal_of(request).is_api_key:
            rows = rows.filter(mode=ChatSession.Mode.AI)
        deleted = actions.delete_chat_sessions(chat_session_ids=rows.values_list("id", flat=True))
        return Response({"deleted": deleted})


class ActiveChatSession(APIView):
    """What the user is at."""

    @extend_schema(operation_id="get_active_session", parameters=[_USER, _MODE], responses=ChatSessionObject)
    def get(self, request: Request) -> Response:
        """The user's latest active chat session, or human room."""
        query = read_query(request, ActiveQuery)
        principal_of(request).require_external_id(query.user)
        rows = chat_sessions_for(principal_of(request), query.user).filter(status=ChatSession.Status.ACTIVE)
        if query.mode:
            rows = rows.filter(mode=query.mode)
        found = rows.order_by("-last_activity", "-id").first()
        if found is None:
            raise NotFound("This user has no active chat session.")
        return Response(_object(found, request, query.user))


class ChatSessionDetail(APIView):
    """One chat session."""

    @extend_schema(operation_id="get_session", responses=ChatSessionObject)
    def get(self, request: Request, chat_session_id: UUID) -> Response:
        """One chat session."""
        return Response(_object(get_chat_session(principal_of(request), chat_session_id), request))

    @extend_schema(operation_id="rename_session", request=RenameBody, responses=ChatSessionObject)
    def patch(self, request: Request, chat_session_id: UUID) -> Response:
        """Rename it; a human room only with an API key."""
        chat_session = get_chat_session(principal_of(request), chat_session_id)
        _require_application(request, chat_session)
        body = read_body(request, RenameBody)
        actions.rename_chat_session(chat_session=chat_session, title=body.title)
        return Response(_object(chat_session, request))

    @extend_schema(operation_id="delete_session", responses={204: None})
    def delete(self, request: Request, chat_session_id: UUID) -> Response:
        """Delete it (softly: staff can undo it); a human room only with an API key."""
        chat_session = get_chat_session(principal_of(request), chat_session_id)
        _require_application(request, chat_session)
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

    @extend_schema(operation_id="create_ticket", request=TicketBody, responses={201: TicketObject})
    def post(self, request: Request, chat_session_id: UUID) -> Response:
        """A one-use ticket for this chat session's socket, good for 30 seconds."""
        chat_session = get_chat_session(principal_of(request), chat_session_id)
        body = read_body(request, TicketBody)
        comer = as_participant(principal_of(request), chat_session, body.user)
        ticket, expires_at = issue_ticket(
            tenant_id=chat_session.tenant_id,
            end_user_id=comer.end_user_id or chat_session.end_user_id,
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
