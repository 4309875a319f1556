"""From the outbox to deliveries: one for each endpoint that wants to be told."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from chatify.events.models import OutboxRow
from chatify.webhooks.models import WebhookDelivery, WebhookEndpoint
from chatify.webhooks.names import name_outside
from chatify.webhooks.sink import NAME
from sessions.models import ChatSession, Message

ROWS_AT_ONCE = 500

_OF_WORDS = frozenset({"chatbot.message"})
_OF_PERSONALITIES = frozenset({"chatbot.connected", "chatbot.session_ended", "chatbot.message"})


def fan_out() -> int:
    """Turn the oldest rows of the outbox into deliveries. Gives the number of rows, ROWS_AT_ONCE if there are more.

    A row goes in the transaction in which its deliveries come, so whoever else does this as well finds it gone.
    """
    waiting = OutboxRow.objects.filter(sink=NAME, state=OutboxRow.State.PENDING)
    return _fan_out(waiting.order_by("id")) if waiting.exists() else 0  # a transaction locks SQLite


@transaction.atomic
def _fan_out(waiting: QuerySet[OutboxRow]) -> int:
    rows = list(waiting.select_for_update(skip_locked=True)[:ROWS_AT_ONCE])
    WebhookDelivery.objects.bulk_create(_deliveries(rows))
    OutboxRow.objects.filter(id__in=[row.id for row in rows]).delete()
    return len(rows)


def _deliveries(rows: Collection[OutboxRow]) -> list[WebhookDelivery]:
    endpoints = _endpoints({row.tenant_id for row in rows if row.tenant_id is not None})
    told = list(_told(rows))
    return [
        WebhookDelivery(
            tenant_id=row.tenant_id,
            endpoint_id=endpoint_id,
            event=name,
            source_event=row.event,
            chat_session_id=row.chat_session_id,
            subject_id=row.subject_id,
            occurred_at=row.created_at,
            next_attempt_at=Now(),
        )
        for row, name in told
        if row.tenant_id is not None
        for endpoint_id, wanted in endpoints.get(row.tenant_id, ())
        if not wanted or name in wanted
    ]


def _endpoints(tenant_ids: Collection[UUID]) -> dict[UUID, list[tuple[UUID, frozenset[str]]]]:
    found: dict[UUID, list[tuple[UUID, frozenset[str]]]] = {}
    rows = WebhookEndpoint.objects.filter(tenant_id__in=tenant_ids, is_active=True, tenant__deleted_at=None)
    for tenant_id, id_, events in rows.order_by("id").values_list("tenant_id", "id", "events"):
        found.setdefault(tenant_id, []).append((id_, frozenset(events)))
    return found


def _told(rows: Collection[OutboxRow]) -> Iterable[tuple[OutboxRow, str]]:
    """Those that applications are told of: of messages a personality's, of human rooms that they pause and wake."""
    named = [(row, name) for row in rows if (name := name_outside(row.event)) is not None]
    with_personality = _with_personality({row.chat_session_id for row, name in named if name in _OF_PERSONALITIES})
    said_by_one = _said_by_personalities({row.subject_id for row, name in named if name in _OF_WORDS})
    for row, name in named:
        if name in _OF_PERSONALITIES and row.chat_session_id not in with_personality:
            continue
        if name not in _OF_WORDS or row.subject_id in said_by_one:
            yield row, name


def _with_personality(ids: Collection[UUID | None]) -> set[UUID]:
    rows = ChatSession.objects.filter(id__in=[id_ for id_ in ids if id_], mode=ChatSession.Mode.AI)
    return set(rows.values_list("id", flat=True))


def _said_by_personalities(ids: Collection[UUID | None]) -> set[UUID]:
    rows = Message.objects.filter(
        id__in=[id_ for id_ in ids if id_], role=Message.Role.ASSISTANT, status=Message.Status.COMPLETE
    )
    return set(rows.values_list("id", flat=True))
