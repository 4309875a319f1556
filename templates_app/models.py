"""Personalities and their immutable versions."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn
from uuid import UUID

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from chatify.accounts.models import Tenant
from chatify.common.ids import uuid7

DEFAULT_CONTEXT_TOKENS = 6000
MIN_CONTEXT_TOKENS = 500
MAX_CONTEXT_TOKENS = 200_000


class PromptTemplateQuerySet(models.QuerySet["PromptTemplate"]):
    """Reads of personalities."""

    def on_offer_to(self, tenant_id: UUID) -> PromptTemplateQuerySet:
        """The active ones that a tenant's people may choose: its own, and the shared ones it does not shadow."""
        own = PromptTemplate.objects.existing().filter(
            tenant_id=tenant_id, slug=models.OuterRef("slug"), is_active=True
        )
        is_seen = Q(tenant_id=tenant_id) | (Q(tenant=None) & ~models.Exists(own))
        return self.existing().filter(is_seen, is_active=True, current_version__isnull=False)

    def existing(self) -> PromptTemplateQuerySet:
        """Those that nobody deleted."""
        return self.filter(deleted_at=None)


class PromptTemplate(models.Model):
    """A personality. Shared by all tenants, or one tenant's own character. Edits of its prompt make versions."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="templates",
        help_text="Empty: on offer to every tenant.",
    )  # fmt: skip
    slug = models.SlugField(help_text="What applications call it; does not change.")
    name = models.CharField(max_length=80, help_text="What people call it.")
    description = models.CharField(max_length=400, blank=True, help_text="What it is like, for those who choose.")
    greeting = models.TextField(max_length=1000, blank=True, help_text="Shown when a conversation starts.")
    welcome_back = models.TextField(
        max_length=1000, blank=True, help_text="Said when somebody resumes a conversation that was paused."
    )
    goodbye = models.CharField(
        max_length=300, blank=True, help_text="Said when somebody leaves it for a person; empty: the usual words."
    )
    adult_only = models.BooleanField(default=False, help_text="Only for people whose age is known and at least 18.")
    is_active = models.BooleanField("active", default=True, help_text="Inactive ones take no new conversations.")
    is_default = models.BooleanField("default", default=False, help_text="Answers when nobody chose a personality.")
    current_version = models.ForeignKey(
        "PromptVersion", null=True, blank=True, on_delete=models.RESTRICT, related_name="+", editable=False
    )
    seed_digest = models.CharField(
        max_length=64, blank=True, editable=False, help_text="What seed_templates wrote last, to see staff's edits."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    # Chat sessions go on with the version that they pinned.
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = PromptTemplateQuerySet.as_manager()
    tenant_id: UUID | None

    class Meta:
        verbose_name = "personality"
        verbose_name_plural = "personalities"
        ordering: ClassVar = ["-is_default", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "slug"], condition=Q(deleted_at=None), name="template_slug_once_per_tenant"
            ),
            models.UniqueConstraint(
                fields=["slug"], condition=Q(tenant=None, deleted_at=None), name="template_slug_once_shared"
            ),
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="template_one_default"),
        ]

    def __str__(self) -> str:
        return self.name


class ImmutableError(TypeError):
    """Somebody tried to change a version: make a new one instead (`templates_app.actions.save_personality`)."""


class PromptVersionQuerySet(models.QuerySet["PromptVersion"]):
    """Versions are only ever added."""

    def update(self, **fields: Any) -> NoReturn:
        """Refused. Raises ImmutableError."""
        raise ImmutableError("A version never changes.")


class PromptVersion(models.Model):
    """One immutable edit of a personality; chat sessions pin the one they started with."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    template = models.ForeignKey(PromptTemplate, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    system_prompt = models.TextField()
    temperature = models.FloatField(default=0.8, validators=[MinValueValidator(0), MaxValueValidator(2)])
    max_tokens = models.PositiveIntegerField(default=400, validators=[MinValueValidator(1), MaxValueValidator(32_000)])
    # What goes to the model at most, reply not counted: the prompt, what is remembered, and the latest messages.
    context_tokens = models.PositiveIntegerField(
        default=DEFAULT_CONTEXT_TOKENS,
        validators=[MinValueValidator(MIN_CONTEXT_TOKENS), MaxValueValidator(MAX_CONTEXT_TOKENS)],
    )
    personality_traits = models.JSONField(default=list, blank=True)
    model = models.CharField(max_length=120, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # Where it was written: empty for the admin and the API, "firestore" for Firebase's console.
    origin = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PromptVersionQuerySet.as_manager()
    template_id: UUID

    class Meta:
        verbose_name = "version"
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["template", "number"], name="version_number_once_per_template")
        ]

    def __str__(self) -> str:
        return f"Version {self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only the first time. Raises ImmutableError."""
        if not self._state.adding:
            raise ImmutableError("A version never changes.")
        super().save(*args, **kwargs)


class SelectionRule(models.Model):
    """When nobody chose a personality: which one answers, and under what condition.

    All conditions of a rule have to hold; an empty one always does. Rules with words are asked before those with
    parts of the day only, and within each kind the lower `priority` goes first.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Empty: for every tenant."
    )
    name = models.CharField(max_length=80, help_text="Shown as the reason of the choice.")
    priority = models.PositiveSmallIntegerField(default=100, help_text="The lower one goes first.")
    words = models.JSONField(default=list, blank=True, help_text="One of these has to come up: what it is about.")
    parts_of_day = models.JSONField(default=list, blank=True, help_text="Only at these times.")
    template = models.ForeignKey(PromptTemplate, on_delete=models.CASCADE, related_name="+", verbose_name="personality")
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    tenant_id: UUID | None
    template_id: UUID

    class Meta:
        verbose_name = "selection rule"
        ordering: ClassVar = ["priority", "id"]

    def __str__(self) -> str:
        return self.name
