"""The outbox: what has to be told to the outside, written with the change itself."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from chatify.common.ids import uuid7


class OutboxRow(models.Model):
    """One event for one sink. It holds ids; the payload is built when it is delivered."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sink = models.CharField(max_length=40)
    event = models.CharField(max_length=60)
    tenant_id = models.UUIDField(null=True)
    chat_session_id = models.UUIDField(null=True)
    subject_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [models.Index(fields=["sink", "id"], name="outbox_by_sink")]

    def __str__(self) -> str:
        return f"{self.event} for {self.sink}"
