"""What is remembered about people, and the prompts that staff write for remembering."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models

from chatify.accounts.models import EndUser, Tenant
from chatify.common.ids import uuid7
from sessions.models import ChatSession, Message
from templates_app.models import ImmutableError

MAX_MEMORY = 200
"""Code points of one memory."""


class Memory(models.Model):
    """One thing that is known about an end user, in words that a personality can use."""

    class Kind(models.TextChoices):
        """What it is about."""

        NAME = "name"
        LIKE = "like"
        DISLIKE = "dislike"
        PERSON = "person"
        PLAN = "plan"
        TOPIC = "topic"
        STYLE = "style"
        MOOD = "mood"
        FACT = "fact"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    end_user = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="memories")
    kind = models.CharField(max_length=8, choices=Kind)
    text = models.CharField(max_length=MAX_MEMORY)
    # The text as far as it tells one memory from another: the same thing said twice is one row.
    key = models.CharField(max_length=MAX_MEMORY, editable=False)
    chat_session = models.ForeignKey(ChatSession, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    source = models.ForeignKey(
        Message, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name="source message"
    )
    model = models.CharField(max_length=120, blank=True, help_text="What found it; empty: a person wrote it.")
    prompt_version = models.PositiveIntegerField(default=0)
    # What a person has corrected is not overwritten by what a model finds later.
    corrected_at = models.DateTimeField(null=True, blank=True)
    corrected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    said_at = models.DateTimeField(help_text="When it was said last.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    tenant_id: UUID
    end_user_id: UUID

    class Meta:
        verbose_name_plural = "memories"
        ordering: ClassVar = ["end_user", "-said_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["end_user", "kind", "key"], name="memory_once_per_end_user"),
        ]
        indexes: ClassVar = [models.Index(fields=["end_user", "-said_at"], name="memory_by_end_user")]

    def __str__(self) -> str:
        return self.text


class MemoryPrompt(models.Model):
    """One immutable version of a prompt that models remember with; the highest version of its purpose is in use."""

    class Purpose(models.TextChoices):
        """What it is for."""

        SUMMARY = "summary"
        FACTS = "facts"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    purpose = models.CharField(max_length=8, choices=Purpose)
    version = models.PositiveIntegerField(editable=False)
    text = models.TextField()
    model = models.CharField(max_length=120, blank=True, help_text="Empty: the server's default model.")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "memory prompt"
        ordering: ClassVar = ["purpose", "-version"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["purpose", "version"], name="memory_prompt_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()}, version {self.version}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only the first time. Raises ImmutableError."""
        if not self._state.adding:
            raise ImmutableError("A version never changes.")
        super().save(*args, **kwargs)
