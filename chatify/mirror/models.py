"""What came from Firestore and could not simply be taken."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from chatify.accounts.models import Tenant
from chatify.common.ids import uuid7
from templates_app.models import PromptTemplate, PromptVersion


class InboundReport(models.Model):
    """An edit in Firestore that was refused, or that met one of ours. What was written there is kept here."""

    class Kind(models.TextChoices):
        """What was the matter."""

        REFUSED = "refused"
        CONFLICT = "conflict"
        DELETED = "deleted", "deleted there"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=8, choices=Kind)
    path = models.CharField(max_length=400, help_text="The document.")
    digest = models.CharField(max_length=64, editable=False, help_text="Of what was written: it is reported once.")
    detail = models.TextField(help_text="What was the matter, in words.")
    content = models.JSONField(default=dict, help_text="What was written there.")
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    template = models.ForeignKey(
        PromptTemplate, null=True, blank=True, on_delete=models.CASCADE, related_name="+", verbose_name="personality"
    )
    version = models.ForeignKey(PromptVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "edit in Firestore"
        verbose_name_plural = "edits in Firestore"
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["path", "digest"], name="inbound_report_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.path}"


class MirrorCursor(models.Model):
    """How far a long run (a rebuild, a check, an import) has come, so that it can be taken up again."""

    name = models.CharField(max_length=120, primary_key=True)
    position = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name
