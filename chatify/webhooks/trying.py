"""Trying an endpoint out: `webhook.test`, sent at once, and once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from django.db import IntegrityError, connection
from django.db.models.functions import Now
from django.utils import timezone

from chatify.common.errors import Conflict, NotFound
from chatify.limits.budgets import Budget, budgets
from chatify.webhooks.deliveries import drop, prepare, settle
from chatify.webhooks.models import WebhookDelivery, WebhookEndpoint
from chatify.webhooks.names import TEST
from chatify.webhooks.sending import Answer, Call, Sender

TESTS = Budget("webhook_tests", 5, 60, "webhook tests")
"""Of a tenant: each takes a thread for up to 15 seconds."""

OURS_FOR = timedelta(minutes=1)
"""So long the delivery loop leaves it to us; then we are dead, and it sends it."""


def send_test(*, endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Send a test and give its delivery, however it went. An endpoint that is not active can be tried as well.

    Takes up to 15 seconds. It is `dropped` when the tenant is deleted. Raises LimitReached, Conflict
    (`secret_not_readable`), NotFound when the endpoint was deleted meanwhile.
    """
    budgets().spend(TESTS, endpoint.tenant_id)
    delivery = _new_delivery(endpoint)
    ready = prepare(delivery.id)
    if ready is None:
        return _unsent(delivery)
    if not connection.in_atomic_block:
        connection.close()  # whoever waits here for long needs no connection, and others do
    settle(ready.delivery, asyncio.run(_send(ready.call)))
    return _read(delivery)


def _new_delivery(endpoint: WebhookEndpoint) -> WebhookDelivery:
    try:
        return WebhookDelivery.objects.create(
            tenant_id=endpoint.tenant_id,
            endpoint=endpoint,
            event=TEST,
            source_event=TEST,
            occurred_at=timezone.now(),
            next_attempt_at=Now() + OURS_FOR,
        )
    except IntegrityError:  # the foreign key
        raise NotFound("There is no such endpoint.") from None


def _unsent(delivery: WebhookDelivery) -> WebhookDelivery:
    found = _read(delivery)
    if found.state == WebhookDelivery.State.FAILED:
        raise Conflict("The secret of this endpoint cannot be read: make a new one.", code="secret_not_readable")
    drop(found)
    return _read(found)


def _read(delivery: WebhookDelivery) -> WebhookDelivery:
    found = WebhookDelivery.objects.filter(id=delivery.id).first()
    if found is None:
        raise NotFound("There is no such endpoint.")
    return found


async def _send(call: Call) -> Answer:
    async with Sender() as sender:
        return await sender.send(call)
