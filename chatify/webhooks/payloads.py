"""What deliveries say: made from the database in the moment in which they are sent, so that nothing old is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chatify.matchmaking.models import MatchTicket
from chatify.matchmaking.objects import ticket_object
from chatify.safety import mask, moderate
from chatify.webhooks.models import WebhookDelivery
from chatify.webhooks.names import FLAGGED, TEST
from sessions.access import OBJECT_RELATED
from sessions.models import ChatSession, Message
from sessions.objects import NAMED, chat_session_object, message_object, names_of, timestamp

Data = dict[str, Any]

_WITH_SESSION = frozenset({"match.chatbot", "match.matched"})


def payload_of(delivery: WebhookDelivery) -> Data | None:
    """The whole payload; None when what it is about is gone."""
    data = _reader_of(delivery.event)(delivery)
    if data is None:
        return None
    return {"type": delivery.event, "timestamp": timestamp(delivery.occurred_at), "data": data}


def _reader_of(event: str) -> Callable[[WebhookDelivery], Data | None]:
    if event == TEST:
        return _test
    if event.startswith("match."):
        return _match
    return _message if event in ("chatbot.message", FLAGGED) else _chat_session


def _test(delivery: WebhookDelivery) -> Data:
    return {"endpoint": str(delivery.endpoint_id)}


def _chat_session(delivery: WebhookDelivery) -> Data | None:
    row = _session_row(delivery)
    return None if row is None else {"session": _session_object(row), "user": row.end_user.external_id}


def _message(delivery: WebhookDelivery) -> Data | None:
    chat_session = _session_row(delivery)
    rows = Message.objects.select_related(*NAMED).filter(chat_session=chat_session)
    row = rows.filter(id=delivery.subject_id).first() if chat_session and delivery.subject_id else None
    if row is None or chat_session is None:
        return None
    by_partner = row.role == Message.Role.HUMAN and chat_session.partner is not None
    author = chat_session.partner if by_partner and chat_session.partner else chat_session.end_user
    told = message_object(row, names_of(row, chat_session))
    told["content"] = mask(row.content)
    if chat_session.mode == ChatSession.Mode.HUMAN:
        del told["content"]  # what people say to each other is not carried about
    data: Data = {"session": _session_object(chat_session), "user": author.external_id, "message": told}
    if delivery.event == FLAGGED:
        data["flags"] = list(moderate(row.content))
    return data


def _match(delivery: WebhookDelivery) -> Data | None:
    rows = MatchTicket.objects.select_related("end_user", "chat_session__template", "proposal")
    rows = rows.filter(tenant_id=delivery.tenant_id)
    ticket = rows.filter(id=delivery.subject_id).first() if delivery.subject_id else None
    if ticket is None:
        return None
    told = {name: value for name, value in ticket_object(ticket, "").items() if name != "ws_url"}
    data: Data = {"ticket": told, "user": ticket.end_user.external_id}
    if delivery.event in _WITH_SESSION:
        row = _session_row(delivery)
        data["session"] = None if row is None else _session_object(row, ticket)
    return data


def _session_row(delivery: WebhookDelivery) -> ChatSession | None:
    if delivery.chat_session_id is None:
        return None
    rows = ChatSession.objects.existing().filter(id=delivery.chat_session_id, tenant_id=delivery.tenant_id)
    return rows.select_related(*OBJECT_RELATED).first()


def _session_object(row: ChatSession, ticket: MatchTicket | None = None) -> Data:
    """As an API key sees it, or the person of a ticket; without its title, which may be what somebody has written."""
    told = chat_session_object(row, ws_base="", viewer=ticket.end_user_id if ticket else None)
    return {name: value for name, value in told.items() if name not in ("ws_url", "title")}
