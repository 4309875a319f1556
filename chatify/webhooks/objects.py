"""Endpoints and deliveries as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.utils import timezone
from pydantic import BaseModel, Field

from chatify.webhooks.models import WebhookDelivery, WebhookEndpoint
from chatify.webhooks.names import EventName


class WebhookEndpointObject(BaseModel):
    """A URL that is told what happens."""

    id: UUID
    url: str
    description: str
    events: list[EventName] = Field(description="What is told; empty: everything.")
    is_active: bool
    failing_since: datetime | None = Field(description="Nothing has come through since then.")
    disabled_at: datetime | None = Field(description="When Chatify disabled it; activating it clears this.")
    disabled_reason: str
    former_secret_until: datetime | None = Field(description="So long the secret before the present one signs, too.")
    created_at: datetime
    updated_at: datetime


class NewWebhookEndpointObject(BaseModel):
    """An endpoint with a new secret, which is shown this once."""

    secret: str
    endpoint: WebhookEndpointObject


class WebhookAttemptObject(BaseModel):
    """One time that it was sent."""

    at: datetime
    status_code: int | None
    error: str
    duration_ms: int


class WebhookDeliveryObject(BaseModel):
    """One event for one endpoint."""

    id: UUID
    webhook_id: str = Field(description="The header `webhook-id` of each attempt.")
    endpoint: UUID
    event: str
    session: UUID | None
    occurred_at: datetime
    state: Literal["pending", "delivered", "failed", "dropped"] = Field(
        description="`dropped`: what it was about is gone."
    )
    attempts: int = Field(description="Since it was made, or replayed.")
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    status_code: int | None
    error: str
    duration_ms: int | None
    log: list[WebhookAttemptObject] = Field(description="The last attempts.")


def endpoint_object(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """The WebhookEndpointObject."""
    until = endpoint.former_until
    made = {"former_secret_until": until if until and until > timezone.now() else None}
    names = WebhookEndpointObject.model_fields
    return {name: made[name] if name in made else getattr(endpoint, name) for name in names}


def new_endpoint_object(endpoint: WebhookEndpoint, secret: str) -> dict[str, Any]:
    """The NewWebhookEndpointObject."""
    return {"secret": secret, "endpoint": endpoint_object(endpoint)}


def delivery_object(delivery: WebhookDelivery) -> dict[str, Any]:
    """The WebhookDeliveryObject."""
    is_pending = delivery.state == WebhookDelivery.State.PENDING
    made = {
        "webhook_id": delivery.webhook_id,
        "endpoint": delivery.endpoint_id,
        "session": delivery.chat_session_id,
        "next_attempt_at": delivery.next_attempt_at if is_pending else None,
    }
    names = WebhookDeliveryObject.model_fields
    return {name: made[name] if name in made else getattr(delivery, name) for name in names}
