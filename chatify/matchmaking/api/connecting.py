"""An application's backend connects somebody to the chatbot, in one call."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts.api.authentication import principal_of
from chatify.accounts.profile import UserInput
from chatify.accounts.tokens import issue_end_user_token
from chatify.common.api import NO_STORE, read_body
from chatify.common.errors import Forbidden
from chatify.common.inputs import Body, Line, Slug
from chatify.matchmaking.connecting import connect_to_chatbot
from sessions.api.bodies import Metadata
from sessions.api.views import ws_base
from sessions.models import ChatSession
from sessions.objects import ChatSessionObject, chat_session_object, timestamp


class ConnectBody(Body):
    """Who shall talk to the chatbot; the rest is for a new chat session, if they have none."""

    user: UserInput = Field(description="The `external_id` is needed; the profile is brought up to date.")
    template: Slug | None = Field(
        None, description='Slug of the personality. Left out, or "auto", the one that fits answers: see `selection`.'
    )
    context: Annotated[str, Field(max_length=500), Line] = Field(
        "", description="What it will be about. It is used to choose a personality, and not kept."
    )
    metadata: Metadata = Field({}, description="The application's own notes.")


class ConnectionObject(BaseModel):
    """A chat session, and a token that is good for it alone: hand it to the user, or open `session.ws_url` with it."""

    session: ChatSessionObject
    token: str
    expires_at: datetime


def connection_object(chat_session: ChatSession, request: HttpRequest, api_key_id: Any = None) -> dict[str, Any]:
    """The ConnectionObject, with a fresh token, which ends with this key if there is one."""
    token, expires_at = issue_end_user_token(
        end_user=chat_session.end_user, api_key_id=api_key_id, chat_session_id=chat_session.id
    )
    found = chat_session_object(chat_session, ws_base(request), chat_session.end_user_id)
    return {"session": found, "token": token, "expires_at": timestamp(expires_at)}


class Connect(APIView):
    """The way to the chatbot."""

    @extend_schema(
        operation_id="connect_session",
        request=ConnectBody,
        responses={200: ConnectionObject, 201: ConnectionObject},
    )
    def post(self, request: Request) -> Response:
        """Connect a user to the chatbot: 200 with the chat session that they are at, which is resumed; else 201."""
        principal = principal_of(request)
        if not principal.is_api_key:
            raise Forbidden("Only an API key may do this.", code="not_a_key")
        body = read_body(request, ConnectBody)
        chat_session, is_new = connect_to_chatbot(
            principal=principal,
            user=body.user,
            template=body.template,
            context=body.context,
            metadata=body.metadata,
        )
        found = connection_object(chat_session, request._request, principal.credential.api_key_id)
        return Response(found, status=201 if is_new else 200, headers=NO_STORE)
