"""The only place that fetches endpoints, deliveries and sources for somebody."""

from __future__ import annotations

from uuid import UUID

from chatify.accounts.models import Tenant
from chatify.common.errors import NotFound
from chatify.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookSource


def get_endpoint(tenant: Tenant, endpoint_id: UUID) -> WebhookEndpoint:
    """One endpoint of a tenant that the caller may manage. Raises NotFound."""
    found = WebhookEndpoint.objects.filter(tenant=tenant, id=endpoint_id).first()
    if found is None:
        raise NotFound("There is no such endpoint.")
    return found


def get_delivery(tenant: Tenant, delivery_id: UUID) -> WebhookDelivery:
    """One delivery of a tenant that the caller may manage. Raises NotFound."""
    found = WebhookDelivery.objects.select_related("endpoint").filter(tenant=tenant, id=delivery_id).first()
    if found is None:
        raise NotFound("There is no such delivery.")
    return found


def get_source(tenant: Tenant, source_id: UUID) -> WebhookSource:
    """One source of a tenant that the caller may manage. Raises NotFound."""
    found = WebhookSource.objects.filter(tenant=tenant, id=source_id).first()
    if found is None:
        raise NotFound("There is no such source.")
    return found
