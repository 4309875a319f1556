"""What was done: the audit log, and the answers of calls that may be repeated."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from chatify.accounts.models.end_users import EndUser
from chatify.accounts.models.tenants import Tenant
from chatify.common.ids import uuid7


class AuditEntry(models.Model):
    """Who did what to keys, tenants, personalities and people's data. Holds ids and no personal data."""

    class Actor(models.TextChoices):
        """What kind of somebody it was."""

        STAFF = "staff"
        USER = "user"
        API_KEY = "api_key", "API key"
        END_USER = "end_user", "end user"
        SYSTEM = "system"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField(auto_now_add=True)
    # No foreign keys: an entry outlives what it tells of.
    tenant_id = models.UUIDField(null=True)
    actor_kind = models.CharField(max_length=8, choices=Actor)
    actor_id = models.UUIDField(null=True)
    action = models.CharField(max_length=40)
    subject_id = models.UUIDField(null=True)
    details = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["tenant_id", "-id"], name="audit_by_tenant"),
            models.Index(fields=["subject_id", "-id"], name="audit_by_subject"),
        ]

    def __str__(self) -> str:
        return self.action


class IdempotentCall(models.Model):
    """A call that came with an Idempotency-Key, and its answer."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    # Whose key it is: an end user's token cannot read the answer that another one got.
    owner_id = models.UUIDField()
    key = models.CharField(max_length=128)
    digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)
    # Whom the answer is about: it is erased with them.
    end_user = models.ForeignKey(EndUser, null=True, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["owner_id", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return self.key
