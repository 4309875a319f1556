"""End-user tokens over REST. They may be bound to a chat session, so they are here and not with the keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts.access import get_end_user
from chatify.accounts.api.authentication import principal_of
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.accounts.tenancy import end_tokens_of
from chatify.accounts.tokens import issue_end_user_token
from chatify.common.api import NO_STORE, read_body, read_query
from chatify.common.errors import Conflict, Forbidden, NotFound
from chatify.common.inputs import Body, ExternalId, Query
from chatify.common.schema import parameter
from sessions.access import chat_sessions_for
from sessions.actions import find_or_make_end_user
from sessions.models import ChatSession
from sessions.objects import timestamp


class EndUserTokenBody(Body):
    """Who shall get a token."""

    user: UserInput = Field(description="The `external_id` is needed; the profile is brought up to date.")
    session: Annotated[UUID, Field(strict=False)] | None = Field(
        None, description="A chat session of this user: the token is good for no other one."
    )


class EndUserTokenObject(BaseModel):
    """A token for one end user, to be sent as an API key is: `Authorization: Bearer`."""

    token: str
    expires_at: datetime


class TokenQuery(Query):
    """Whose tokens."""

    user: ExternalId | None = None


class EndUserTokens(APIView):
    """Tokens for the browsers and apps of end users."""

    @extend_schema(operation_id="create_token", request=EndUserTokenBody, responses={201: EndUserTokenObject})
    def post(self, request: Request) -> Response:
        """A short-lived token that speaks for one end user, who is made if they are new."""
        principal = _key_of(request)
        body = read_body(request, EndUserTokenBody)
        principal.require_external_id(body.user.external_id, "user.external_id")
        chat_session = _open_chat_session(principal, body)
        token, expires_at = issue_end_user_token(
            end_user=find_or_make_end_user(principal=principal, given=body.user),
            api_key_id=principal.credential.api_key_id,
            chat_session_id=chat_session.id if chat_session else None,
        )
        found = {"token": token, "expires_at": timestamp(expires_at)}
        return Response(found, status=201, headers=NO_STORE)

    @extend_schema(
        operation_id="end_tokens",
        parameters=[parameter("user", "The user's `external_id`.", required=True)],
        responses={204: None},
    )
    def delete(self, request: Request) -> Response:
        """End all tokens of a user, and close what was opened with them."""
        principal = _key_of(request)
        query = read_query(request, TokenQuery)
        principal.require_external_id(query.user)
        end_tokens_of(end_user=get_end_user(principal, str(query.user)), who=principal)
        return Response(status=204)


def _key_of(request: Request) -> Principal:
    """The principal, which has to be a key: else a token could make itself last for ever."""
    principal = principal_of(request)
    if not principal.is_api_key:
        raise Forbidden("Only an API key may do this.", code="not_a_key")
    return principal


def _open_chat_session(principal: Principal, body: EndUserTokenBody) -> ChatSession | None:
    """The user's chat session that the token is for. Raises NotFound, Conflict (`session_ended`)."""
    if body.session is None:
        return None
    chat_session = chat_sessions_for(principal, body.user.external_id).filter(id=body.session).first()
    if chat_session is None:
        raise NotFound("There is no such chat session of this user.")
    if chat_session.status == ChatSession.Status.ENDED:
        raise Conflict("This chat session has ended.", code="session_ended")
    return chat_session
