"""What deliveries and receipts keep about end users: ids only, and those go with them."""

from __future__ import annotations

from django.db.models import Q

from chatify.accounts.models import EndUser
from chatify.accounts.personal_data import Holding, register_holding
from chatify.matchmaking.models import MatchTicket
from chatify.webhooks.models import WebhookDelivery
from chatify.webhooks.receipts import forget_whom
from sessions.models import ChatSession


def register_holdings() -> None:
    """Said by the app when it is ready."""
    register_holding(Holding("webhook_deliveries", hide=_forget, erase=_forget))
    register_holding(Holding("webhook_receipts", hide=forget_whom, erase=forget_whom))


def _forget(end_user: EndUser) -> None:
    """At the first step: later their chat sessions and tickets are gone, and with them what tells which these are."""
    chat_sessions = ChatSession.objects.of_end_user(end_user.id).values("id")
    tickets = MatchTicket.objects.filter(end_user=end_user).values("id")
    theirs = Q(chat_session_id__in=chat_sessions) | Q(subject_id__in=tickets) | Q(subject_id=end_user.id)
    WebhookDelivery.objects.filter(theirs, tenant_id=end_user.tenant_id).delete()
