"""Tenants, who owns them, what they may use, and their keys."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from chatify.accounts.models.people import User
from chatify.accounts.principal import SCOPES
from chatify.common.ids import uuid7


class TenantQuerySet(models.QuerySet["Tenant"]):
    """Reads of tenants."""

    def existing(self) -> TenantQuerySet:
        """Those that nobody deleted."""
        return self.filter(deleted_at=None)


class Tenant(models.Model):
    """An application that uses Chatify. Its data is invisible to every other tenant."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    allowed_origins = models.JSONField(
        default=list, blank=True, help_text="Web origins whose pages may use its tokens, such as https://example.com."
    )
    retention_days = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text="Chat sessions without activity for so many days are erased. Empty: they are kept.",
    )  # fmt: skip
    firestore_prefix = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="Document below which its collections are in Firestore, such as tenants/acme. Empty: they are at the "
        "top, together with those of others without one.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["firestore_prefix"], condition=~models.Q(firestore_prefix=""), name="tenant_prefix_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TenantLimits(models.Model):
    """What a tenant may use, where that differs from the server's defaults. Empty: the default; 0: no limit."""

    tenant = models.OneToOneField(Tenant, primary_key=True, on_delete=models.CASCADE, related_name="limits")
    key_requests_per_minute = models.PositiveIntegerField("requests per minute and API key", null=True, blank=True)
    person_requests_per_minute = models.PositiveIntegerField("requests per minute and person", null=True, blank=True)
    user_messages_per_minute = models.PositiveIntegerField("messages per minute and end user", null=True, blank=True)
    session_messages_per_minute = models.PositiveIntegerField(
        "messages per minute and chat session", null=True, blank=True
    )
    concurrent_replies = models.PositiveIntegerField("replies at once", null=True, blank=True)
    tokens_per_day = models.PositiveBigIntegerField("tokens per day", null=True, blank=True)
    tokens_per_month = models.PositiveBigIntegerField("tokens per month", null=True, blank=True)
    user_tokens_per_day = models.PositiveBigIntegerField("tokens per day and end user", null=True, blank=True)
    user_tokens_per_month = models.PositiveBigIntegerField("tokens per month and end user", null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "limits"

    def __str__(self) -> str:
        return "limits"


class Membership(models.Model):
    """A person who owns a tenant."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    created_at = models.DateTimeField(auto_now_add=True)

    user_id: UUID
    tenant_id: UUID

    class Meta:
        ordering: ClassVar = ["created_at"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "tenant"], name="membership_once")]

    def __str__(self) -> str:
        return "owner"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Reads of keys."""

    def working(self) -> ApiKeyQuerySet:
        """Those that are neither revoked nor expired, of tenants that exist."""
        lasts = models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=Now())
        return self.filter(lasts, revoked_at__isnull=True, tenant__deleted_at__isnull=True)


def all_scopes() -> list[str]:
    """What a key may do unless somebody says otherwise."""
    return list(SCOPES)


class ApiKey(models.Model):
    """A tenant's credential: the prefix is shown, of the whole only a SHA-256 is stored."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=all_scopes)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    rotated_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()
    tenant_id: UUID

    class Meta:
        verbose_name = "API key"
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
