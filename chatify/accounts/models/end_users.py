"""The people who chat, their admissions to sockets, and what they have used."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.db import models

from chatify.accounts.models.tenants import Tenant
from chatify.common.ids import uuid7

ADULT_AGE = 18


class EndUser(models.Model):
    """A person who chats, known to a tenant by an `external_id` of the tenant's choosing."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="end_users")
    external_id = models.CharField(max_length=128)
    name = models.CharField(max_length=80, blank=True)
    age = models.PositiveSmallIntegerField(null=True, blank=True)
    interests = models.JSONField(default=list, blank=True)
    style = models.CharField(max_length=80, blank=True, help_text="How this person likes to be talked to.")
    preferred_template = models.CharField(
        max_length=50, blank=True, help_text="Slug of the personality that this person prefers."
    )
    # What prompts use of the memories (chatify.memory): topics, mood, style and name, without a query at every turn.
    remembered = models.JSONField(default=dict, blank=True, editable=False)
    # Raised by every change of this person's memories: what was cached of them before is old.
    memory_version = models.PositiveIntegerField(default=0, editable=False)
    # What they had forgotten is not found again in what they said before: all of it, or digests of single memories
    # with the time of each.
    memories_forgotten_at = models.DateTimeField(null=True, blank=True, editable=False)
    memories_refused = models.JSONField(default=dict, blank=True, editable=False)
    # Tokens name it; raising it ends all that were issued before.
    token_epoch = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    tenant_id: UUID

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "external_id"], name="end_user_once_per_tenant")
        ]

    def __str__(self) -> str:
        return self.name or self.external_id

    @property
    def is_adult(self) -> bool:
        """Of age, as far as we were told. An unknown age is not."""
        return is_adult(self.age)


class SocketTicket(models.Model):
    """A one-use, 30-second admission of a browser to the socket of one chat session, or of matchmaking."""

    digest = models.CharField(primary_key=True, max_length=64)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    end_user = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="+")
    chat_session_id = models.UUIDField(null=True)  # None: the socket of matchmaking
    # What it was asked for with: the socket closes when that is revoked.
    credential = models.JSONField(default=dict)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    tenant_id: UUID
    end_user_id: UUID

    def __str__(self) -> str:
        return f"ticket for {self.chat_session_id or 'matchmaking'}"


class Usage(models.Model):
    """What an end user has used on one day (UTC). Without an end user: what erased ones had used."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    end_user = models.ForeignKey(EndUser, null=True, on_delete=models.SET_NULL, related_name="usage")
    day = models.DateField()
    replies = models.PositiveIntegerField(default=0)
    tokens = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "usage"
        ordering: ClassVar = ["-day"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["end_user", "day"], name="usage_once_per_day")]
        indexes: ClassVar = [models.Index(fields=["tenant", "day"], name="usage_by_tenant")]

    def __str__(self) -> str:
        return f"{self.tokens} tokens on {self.day}"


def is_adult(age: int | None) -> bool:
    """Whether an age is known and 18 or more."""
    return age is not None and age >= ADULT_AGE
