"""What the tests of deliveries do with them in the database of the test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from chatify.accounts.models import Tenant
from chatify.events.bus import emit
from chatify.webhooks import deliveries
from chatify.webhooks.endpoints import create_endpoint
from chatify.webhooks.fanout import fan_out
from chatify.webhooks.known import known
from chatify.webhooks.models import WebhookDelivery, WebhookEndpoint
from chatify.webhooks.sending import Answer
from sessions.models import ChatSession, Message

OK = Answer(200)
FAILED = Answer(500, "It answered 500.")
GONE = Answer(410, "It answered 410.")
AWAY = Answer(None, "There was no answer within 15 s.")


def make_endpoint(tenant: Tenant, *events: str, url: str = "https://example.com/hook") -> tuple[WebhookEndpoint, str]:
    """An endpoint that is known at once, and its secret."""
    made = create_endpoint(tenant=tenant, url=url, events=events, who=None)
    known.refresh(max_age=0)
    return made


def tell(chat: ChatSession, event: str, subject_id: UUID | None = None) -> list[WebhookDelivery]:
    """Emit an event and fan it out. Gives the deliveries that it became."""
    fan_out()
    before = set(WebhookDelivery.objects.values_list("id", flat=True))
    emit(event, tenant_id=chat.tenant_id, chat_session_id=chat.id, subject_id=subject_id)
    fan_out()
    return list(WebhookDelivery.objects.exclude(id__in=before).order_by("id"))


def say(chat: ChatSession, role: str, content: str = "Hello.", **fields: Any) -> Message:
    """A message in the database, of which nobody was told."""
    seq = chat.messages.count() + 1
    both = {"tenant_id": chat.tenant_id, "chat_session": chat, "seq": seq, "created_at": timezone.now()}
    return Message.objects.create(**both, role=role, content=content, **fields)


def attempt(delivery: WebhookDelivery, answer: Answer) -> str:
    """Send it, as if the receiver had answered so. Gives its state by that."""
    ready = deliveries.prepare(delivery.id)
    assert ready is not None
    return deliveries.settle(ready.delivery, answer)


def pass_time(**time: float) -> None:
    """All that has happened becomes older."""
    for row in WebhookDelivery.objects.all():
        row.occurred_at -= timedelta(**time)
        row.next_attempt_at -= timedelta(**time)
        row.attempted_at = row.attempted_at and row.attempted_at - timedelta(**time)
        row.save()
    for endpoint in WebhookEndpoint.objects.all():
        for name in ("failing_since", "former_until", "disabled_at"):
            moment = getattr(endpoint, name)
            setattr(endpoint, name, moment and moment - timedelta(**time))
        endpoint.save()


def due(endpoint: WebhookEndpoint) -> list[UUID]:
    """What would be sent now."""
    return deliveries.due_of(endpoint.id, 100) if endpoint.id in deliveries.endpoints_with_due() else []
