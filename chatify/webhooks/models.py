"""Where applications want to be told, what they were told, and who may tell us."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Q

from chatify.accounts.models import Tenant
from chatify.common.ids import uuid7
from sessions.models import ChatSession


class WebhookEndpoint(models.Model):
    """A URL of a tenant's that is told what happens."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="webhook_endpoints")
    url = models.URLField("URL", max_length=500)
    description = models.CharField(max_length=120, blank=True)
    events = models.JSONField(default=list, blank=True, help_text="What is told; empty: everything.")
    # Sealed (chatify.common.sealing). After a rotation the former one signs, too, for a while.
    secret = models.TextField(editable=False)
    former_secret = models.TextField(blank=True, editable=False)
    former_until = models.DateTimeField(null=True, blank=True, editable=False)
    is_active = models.BooleanField("active", default=True)
    # Nothing has come through since then; after days of that it is disabled, and its owners get a mail.
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_reason = models.CharField(max_length=200, blank=True, editable=False)
    is_owner_told = models.BooleanField(default=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    tenant_id: UUID

    class Meta:
        verbose_name = "webhook endpoint"
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    """One event for one endpoint. It holds ids: the payload is built when it is sent, and is kept nowhere."""

    class State(models.TextChoices):
        """What became of it."""

        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed", "given up"
        DROPPED = "dropped", "nothing to tell any more"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=60)
    source_event = models.CharField(max_length=60, editable=False)  # as `emit` was told
    chat_session_id = models.UUIDField(null=True, editable=False)
    subject_id = models.UUIDField(null=True, editable=False)
    occurred_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    # Of the last attempt
    attempted_at = models.DateTimeField(null=True, blank=True)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    error = models.CharField(max_length=400, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    # The last ones: [{"at", "status_code", "error", "duration_ms"}]
    log = models.JSONField(default=list, blank=True)

    tenant_id: UUID
    endpoint_id: UUID

    class Meta:
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(state="pending"), name="delivery_due"),
            models.Index(
                fields=["endpoint", "next_attempt_at"], condition=Q(state="pending"), name="delivery_due_by_endpoint"
            ),
            models.Index(fields=["endpoint", "-occurred_at", "-id"], name="delivery_by_endpoint"),
            models.Index(fields=["occurred_at"], name="delivery_by_age"),  # for what is kept no longer
            models.Index(fields=["chat_session_id"], name="delivery_by_chat_session"),  # for erasing
            models.Index(fields=["subject_id"], name="delivery_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.endpoint}"

    @property
    def webhook_id(self) -> str:
        """What receivers know it by: the same at each attempt."""
        return f"msg_{self.id.hex}"


class WebhookSource(models.Model):
    """A matchmaker of a tenant's that may send us events. Its id stands in the URL that it sends them to."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="webhook_sources")
    name = models.CharField(max_length=80)
    secret = models.TextField(editable=False)  # sealed
    former_secret = models.TextField(blank=True, editable=False)
    former_until = models.DateTimeField(null=True, blank=True, editable=False)
    is_active = models.BooleanField("active", default=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    tenant_id: UUID

    class Meta:
        verbose_name = "webhook source"
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class WebhookReceipt(models.Model):
    """An event that came in: its work is done once, and its answer given again to whoever sends it again."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.ForeignKey(WebhookSource, on_delete=models.CASCADE, related_name="receipts")
    webhook_id = models.CharField(max_length=128)
    event = models.CharField(max_length=60)
    body_digest = models.CharField(max_length=64)
    # Digests of the signatures that it came with: one that comes twice was not made by the sender again, but replayed.
    signatures = models.JSONField(default=list)
    end_user_id = models.UUIDField(null=True)
    chat_session = models.ForeignKey(ChatSession, null=True, on_delete=models.SET_NULL, related_name="+")
    is_new = models.BooleanField(default=False)  # whether it started that chat session
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    chat_session_id: UUID | None

    class Meta:
        verbose_name = "received webhook"
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "webhook_id"], name="receipt_once"),
        ]

    def __str__(self) -> str:
        return f"{self.event} from {self.source}"
