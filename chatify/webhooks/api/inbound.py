"""Where matchmakers send their events. They sign them, and have no key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response

from chatify.accounts.allowances import allowances_of
from chatify.accounts.principal import Principal
from chatify.common.api import NO_STORE, PublicView, read_query
from chatify.common.errors import NotFound
from chatify.common.inputs import Query
from chatify.common.schema import parameter
from chatify.limits.budgets import budgets
from chatify.matchmaking.api.connecting import connection_object
from chatify.webhooks.inbound import FALLBACK, AnyMatchmakerEvent, carry_out, parse_event
from chatify.webhooks.models import WebhookSource
from chatify.webhooks.receipts import carry_out_once
from chatify.webhooks.sources import note_use
from chatify.webhooks.verifying import HEADERS, verify
from sessions.access import chat_sessions_for
from sessions.api.views import ws_base
from sessions.objects import ChatSessionObject, chat_session_object


class SourceQuery(Query):
    """Whose events."""

    source: str


class HandledObject(BaseModel):
    """The chat session that an event was about; after `chatbot_fallback_triggered` with a token for it."""

    session: ChatSessionObject | None = Field(description="Null when there was none to end.")
    token: str | None = Field(None, description="For `session.ws_url`, and good for this chat session alone.")
    expires_at: datetime | None = None


_HEADER_PARAMETERS = [
    OpenApiParameter(name, str, OpenApiParameter.HEADER, description="See Standard Webhooks.") for name in HEADERS
]


class Matchmaking(PublicView):
    """Events of somebody else's matchmaker."""

    @extend_schema(
        operation_id="receive_matchmaking_event",
        parameters=[parameter("source", "Id of the source, as its URL has it."), *_HEADER_PARAMETERS],
        request=AnyMatchmakerEvent,
        responses={200: HandledObject},
    )
    def post(self, request: Request) -> Response:
        """Take an event. Sent again under its id and signed again, it does nothing more and gets its answer again."""
        sources = request.query_params.getlist("source")
        delivery = verify(
            source_id=sources[0] if len(sources) == 1 else None, headers=request.headers, body=request._request.body
        )
        _spend(request, delivery.source)
        note_use(delivery.source)
        read_query(request, SourceQuery)
        name, event = parse_event(request.data)
        principal = Principal(delivery.source.tenant_id)
        receipt = carry_out_once(delivery=delivery, event=name, work=lambda: carry_out(principal, name, event))
        return Response(_answer(request, principal, receipt.event, receipt.chat_session_id), headers=NO_STORE)


def _spend(request: Request, source: WebhookSource) -> None:
    """A source has the budget of a key. Only what it has signed comes out of it. Raises LimitReached."""
    left = budgets().spend(allowances_of(source.tenant_id).key_requests, source.id)
    http: Any = request._request
    http.rate_limit_headers = left.headers if left else {}


def _answer(request: Request, principal: Principal, event: str, chat_session_id: Any) -> dict[str, Any]:
    """Made of the chat session as it is now. Raises NotFound when the one that was asked for is gone since then."""
    found = chat_sessions_for(principal).filter(id=chat_session_id).first() if chat_session_id else None
    if event == FALLBACK:
        if found is None:
            raise NotFound("The chat session that this event led to is gone.")
        return connection_object(found, request._request)
    told = found and chat_session_object(found, ws_base(request._request), found.end_user_id)
    return {"session": told}
