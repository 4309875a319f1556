"""The outbox: what has to be told to the outside, written with the change itself."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from chatify.common.ids import uuid7

_NOUNS = {"session": "Chat session", "template": "Personality", "personality": "Personality of a chat session"}
_VERBS = {"rebuilt": "written again by a rebuild", "spread": "of a tenant that was deleted or restored"}


class OutboxRow(models.Model):
    """One event for one sink. It holds ids; the payload is built when it is delivered, and then the row goes."""

    class State(models.TextChoices):
        """What becomes of it next."""

        PENDING = "pending"
        DEAD = "dead", "given up"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sink = models.CharField(max_length=40)
    event = models.CharField(max_length=60)
    tenant_id = models.UUIDField(null=True)
    chat_session_id = models.UUIDField(null=True)
    subject_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    # Only what is refused for good is given up; what cannot be delivered now waits, however long.
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=400, blank=True)

    class Meta:
        verbose_name = "dead letter"  # pending ones are nobody's business
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [
            models.Index(fields=["sink", "id"], condition=Q(state="pending"), name="outbox_pending"),
            models.Index(fields=["sink", "id"], condition=Q(state="dead"), name="outbox_dead"),
            models.Index(fields=["chat_session_id"], name="outbox_by_chat_session"),  # for erasing
            models.Index(fields=["subject_id"], name="outbox_by_subject"),
        ]

    def __str__(self) -> str:
        noun, _, verb = self.event.partition(".")
        return f"{_NOUNS.get(noun, noun.capitalize())} {_VERBS.get(verb, verb.replace('_', ' '))}"


class SinkLease(models.Model):
    """Who delivers to a sink right now: one process at a time, or what it is told would come in another order."""

    sink = models.CharField(max_length=40, primary_key=True)
    owner = models.CharField(max_length=120, blank=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.sink} by {self.owner}"
