"""Deliveries: which are due, what is sent, what came of it, and sending them once more."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from random import random
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Sum
from django.db.models.functions import Now
from django.utils import timezone

from chatify.accounts.audit import Who, record
from chatify.common.errors import Conflict
from chatify.common.sealing import NotSealedHere
from chatify.webhooks import meters
from chatify.webhooks.endpoints import NOT_READABLE, disable_endpoint
from chatify.webhooks.models import WebhookDelivery, WebhookEndpoint
from chatify.webhooks.names import TEST
from chatify.webhooks.payloads import payload_of
from chatify.webhooks.schedule import is_hopeless, wait_after
from chatify.webhooks.sending import Answer, Call
from chatify.webhooks.signing import sign

KEPT = timedelta(days=30)
PURGED_AT_ONCE, REPLAYED_AT_ONCE = 1000, 500
LOGGED = 20
USER_AGENT = "Chatify-Webhooks/1"
NOT_MADE = "It could not be made."
EXACTLY = timedelta(milliseconds=1)
"""How exactly SQLite writes what time it is."""

State = WebhookDelivery.State
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ready:
    """A delivery that can be sent."""

    delivery: WebhookDelivery
    call: Call


# What is due ----------------------------------------------------------------------------------------


def endpoints_with_due(*, without: Collection[UUID] = ()) -> dict[UUID, bool]:
    """The endpoints for which something is due, and whether each of them has been failing lately."""
    due = WebhookDelivery.objects.filter(endpoint=OuterRef("pk"), state=State.PENDING, next_attempt_at__lte=Now())
    rows = WebhookEndpoint.objects.filter(Exists(due), is_active=True, tenant__deleted_at=None).exclude(id__in=without)
    return {id_: since is not None for id_, since in rows.order_by().values_list("id", "failing_since")}


def due_of(endpoint_id: UUID, count: int, *, without: Collection[UUID] = ()) -> list[UUID]:
    """The deliveries of an endpoint that are due, as many as asked for, those that have waited longest first."""
    due = WebhookDelivery.objects.filter(endpoint_id=endpoint_id, state=State.PENDING, next_attempt_at__lte=Now())
    rows = due.exclude(id__in=without).order_by("next_attempt_at", "id")
    return list(rows.values_list("id", flat=True)[:count])


# One delivery ---------------------------------------------------------------------------------------


def prepare(delivery_id: UUID) -> Ready | None:
    """A delivery that is still to be sent, with what it says by now.

    None when there is nothing to send any more: it is settled then, and if its secret cannot be read its endpoint is
    disabled.
    """
    rows = WebhookDelivery.objects.select_related("endpoint__tenant")
    delivery = rows.filter(id=delivery_id, state=State.PENDING).first()
    if delivery is None or delivery.endpoint.tenant.deleted_at is not None:
        return None
    if not delivery.endpoint.is_active and delivery.event != TEST:
        return None
    payload = payload_of(delivery)
    if payload is None:
        drop(delivery)
        return None
    try:
        return Ready(delivery, _call(delivery, orjson.dumps(payload)))
    except NotSealedHere:
        _give_up_unreadable(delivery)
        return None


def _call(delivery: WebhookDelivery, body: bytes) -> Call:
    now = timezone.now()
    headers = {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "accept": "*/*",
        "accept-encoding": "identity",
        "webhook-id": delivery.webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": sign(delivery.endpoint, delivery.webhook_id, now, body.decode()),
    }
    return Call(delivery.endpoint.url, headers, body, delivery.tenant_id)


def drop(delivery: WebhookDelivery) -> None:
    """There is nothing to tell any more."""
    mine = WebhookDelivery.objects.filter(id=delivery.id, state=State.PENDING)
    if mine.update(state=State.DROPPED, error="What it was about is gone."):
        meters.deliveries.labels("dropped").inc()


def _give_up_unreadable(delivery: WebhookDelivery) -> None:
    mine = WebhookDelivery.objects.filter(id=delivery.id, state=State.PENDING)
    if mine.update(state=State.FAILED, error=NOT_READABLE):
        meters.deliveries.labels("failed").inc()
    disable_endpoint(endpoint_id=delivery.endpoint_id, reason=NOT_READABLE)


@transaction.atomic
def settle(delivery: WebhookDelivery, answer: Answer) -> str:
    """Write what came of sending a delivery, as it was read. Gives the state that it has by that.

    Nothing is written when somebody else has settled it, or wants it sent once more: then it is.
    """
    state = _write(delivery, answer)
    if state is None:
        return State.PENDING
    if delivery.event != TEST:
        _note_health(delivery.endpoint, answer)
    return state


def hold_up(delivery_id: UUID) -> None:
    """It could be neither made nor settled, by a fault of ours: it is tried again later, as if it had not arrived."""
    delivery = WebhookDelivery.objects.filter(id=delivery_id, state=State.PENDING).first()
    if delivery is not None:
        _write(delivery, Answer(error=NOT_MADE))


def _write(delivery: WebhookDelivery, answer: Answer) -> str | None:
    """The state that it has by that; None when it is not any more what was sent."""
    state, changes = _outcome(delivery, answer)
    # One that was given up while it was on its way has arrived all the same.
    states = [State.PENDING, State.FAILED] if answer.is_ok else [State.PENDING]
    as_read = WebhookDelivery.objects.filter(
        id=delivery.id,
        state__in=states,
        attempts=delivery.attempts,
        next_attempt_at__lte=delivery.next_attempt_at + EXACTLY,  # later: somebody wants it sent once more
    )
    if not as_read.update(**changes):
        return None
    meters.deliveries.labels("retried" if state == State.PENDING else state).inc()
    return state


def _outcome(delivery: WebhookDelivery, answer: Answer) -> tuple[str, dict[str, Any]]:
    now, attempts = timezone.now(), delivery.attempts + 1
    entry = {"at": now.isoformat(), "status_code": answer.status_code, "error": answer.error,
             "duration_ms": answer.duration_ms}  # fmt: skip
    changes: dict[str, Any] = {
        "attempts": attempts,
        "attempted_at": now,
        "status_code": answer.status_code,
        "duration_ms": answer.duration_ms,
        "error": answer.error,
        "log": [*delivery.log, entry][-LOGGED:],
    }
    if answer.is_ok:
        return State.DELIVERED, {**changes, "state": State.DELIVERED, "delivered_at": now}
    wait = None if delivery.event == TEST else wait_after(attempts, retry_after=answer.retry_after, chance=random())
    if wait is None:
        return State.FAILED, {**changes, "state": State.FAILED}
    return State.PENDING, {**changes, "next_attempt_at": Now() + wait}


def _note_health(endpoint: WebhookEndpoint, answer: Answer) -> None:
    row = WebhookEndpoint.objects.filter(id=endpoint.id)
    if answer.is_ok:
        row.exclude(failing_since=None).update(failing_since=None)  # it may have begun while this was on its way
    elif answer.is_gone:
        disable_endpoint(endpoint_id=endpoint.id, reason="It answered 410: it wants nothing any more.")
    elif endpoint.failing_since is None:
        row.filter(failing_since=None).update(failing_since=timezone.now())
    elif is_hopeless(endpoint.failing_since, _failures(endpoint), timezone.now()):
        disable_endpoint(endpoint_id=endpoint.id, reason="Nothing has come through for three days.")


def _failures(endpoint: WebhookEndpoint) -> int:
    """Of deliveries that were tried since it began to fail."""
    tried = WebhookDelivery.objects.filter(endpoint=endpoint, attempted_at__gte=endpoint.failing_since)
    return int(tried.exclude(state=State.DELIVERED).aggregate(all=Sum("attempts"))["all"] or 0)


# Once more, and no more -------------------------------------------------------------------------------


def replay(*, delivery_ids: Iterable[UUID], who: Who) -> int:
    """Send these again, now, with all tries that a new one has, under the same webhook-id. Gives their number.

    Those of endpoints that are not active are left alone; tests are not repeated.
    """
    ids = list(delivery_ids)
    batches = (ids[start : start + REPLAYED_AT_ONCE] for start in range(0, len(ids), REPLAYED_AT_ONCE))
    return sum(_replay(batch, who) for batch in batches)


@transaction.atomic
def _replay(delivery_ids: list[UUID], who: Who) -> int:
    rows = WebhookDelivery.objects.select_for_update(of=("self",)).exclude(event=TEST).order_by("id")
    found = list(rows.filter(id__in=delivery_ids, endpoint__is_active=True).select_related("endpoint"))
    ids = [row.id for row in found]
    WebhookDelivery.objects.filter(id__in=ids).update(state=State.PENDING, attempts=0, error="", next_attempt_at=Now())
    for row in found:
        record("webhook.replayed", who=who, tenant_id=row.tenant_id, subject_id=row.id, event=row.event)
    return len(ids)


def replay_one(*, delivery: WebhookDelivery, who: Who) -> None:
    """The same for one. Raises Conflict (`endpoint_inactive`, `not_replayable`)."""
    if delivery.event == TEST:
        raise Conflict("A test is not sent again: ask for another one.", code="not_replayable")
    if not replay(delivery_ids=[delivery.id], who=who):
        raise Conflict("The endpoint is not active: activate it first.", code="endpoint_inactive")
    delivery.refresh_from_db()


def purge() -> int:
    """Delete deliveries of what happened too long ago, told or not. Gives their number."""
    old = WebhookDelivery.objects.filter(occurred_at__lt=timezone.now() - KEPT).order_by("occurred_at")
    count = 0
    while ids := list(old.values_list("id", flat=True)[:PURGED_AT_ONCE]):
        count += WebhookDelivery.objects.filter(id__in=ids).delete()[0]
    return count
