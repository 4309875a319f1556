"""Staff's page for sources."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import register
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from chatify.accounts.admin_base import (
    STYLES,
    OfExistingTenant,
    StaffAdmin,
    StaffForm,
    WrittenByActions,
    action,
    admin_url,
    dialog,
    display,
    go_to,
    only,
    staff_of,
    time_column,
    when,
)
from chatify.webhooks.admin.secret import ShowsSecretOnce
from chatify.webhooks.models import WebhookSource
from chatify.webhooks.sources import create_source, delete_sources, rotate_source, update_source

STATES = {"works": "success", "off": "info", "tenant deleted": "danger"}


class SourceForm(OfExistingTenant, StaffForm[WebhookSource]):
    """What can be said of a source."""

    class Meta:
        model = WebhookSource
        fields = ("tenant", "name", "is_active")


@register(WebhookSource)
class SourceAdmin(ShowsSecretOnce, WrittenByActions, StaffAdmin[WebhookSource]):
    """Sources: made here, their secret shown once, switched off, given another secret."""

    form = SourceForm
    empty_text = "Matchmakers that may tell us who waits: applications make them by the API, or you for them."
    list_display = ("name", "tenant", "show_state", "show_last_use", "show_created")
    show_created = time_column("created_at", "Created")
    show_last_use = time_column("last_used_at", "Last used")
    show_former = time_column("former_until", "The former secret is good, too, until")
    list_filter = ("tenant", "is_active")
    list_select_related = ("tenant",)
    search_fields = ("name", "tenant__name")
    ordering = ("-created_at",)
    actions_detail = ("rotate_this",)
    autocomplete_fields = ("tenant",)
    warn_unsaved_form = False

    class Media:
        css = STYLES

    def get_fieldsets(self, request: HttpRequest, obj: WebhookSource | None = None) -> list[Any]:
        """A new one has no state yet."""
        if obj is None:
            return [(None, {"fields": ("tenant", "name")})]
        times = ("show_created", "show_last_use")
        return [
            ("What it is", {"fields": ("tenant", "name", "show_url", "is_active")}),
            ("How it is", {"fields": ("show_state", times, "show_former")}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: WebhookSource | None = None) -> tuple[str, ...]:
        """A source stays with its tenant."""
        shown = ("show_url", "show_state", "show_created", "show_last_use", "show_former")
        return () if obj is None else ("tenant", *shown)

    # Saving
    def save_model(self, request: HttpRequest, obj: WebhookSource, form: Any, change: bool) -> None:
        """By the same actions as the API."""
        who, said = staff_of(request), form.cleaned_data
        if change:
            row = WebhookSource.objects.get(id=obj.id)
            update_source(source=row, changes={name: said[name] for name in form.changed_data}, who=who)
            return
        made, secret = create_source(tenant=obj.tenant, name=obj.name, who=who)
        obj.__dict__.update(made.__dict__)
        self.show_once(request, obj.name, secret)

    def delete_model(self, request: HttpRequest, obj: WebhookSource) -> None:
        """With the notes of what it has sent."""
        delete_sources(source_ids=[obj.id], who=staff_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WebhookSource]) -> None:
        """The same for several."""
        delete_sources(source_ids=queryset.values_list("id", flat=True), who=staff_of(request))

    # What is shown
    @display(description="State", label=STATES)
    def show_state(self, source: WebhookSource) -> str:
        """Whether anything is taken from it."""
        if source.tenant.deleted_at is not None:
            return "tenant deleted"
        return "works" if source.is_active else "off"

    @display(description="Sends to")
    def show_url(self, source: WebhookSource) -> str:
        """Without the server's name, which staff may know by another one than the matchmaker does."""
        return f"{reverse('webhook-matchmaking')}?source={source.id}"

    # Actions
    @action(
        description="New secret", icon="sync_lock", permissions=["change_secret"],
        dialog=dialog(
            "Make a new secret?",
            "It is shown once. For 24 hours the one before is good, too, so that the matchmaker can change over.",
            "Make it",
        ),
    )  # fmt: skip
    def rotate_this(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        """Make it, and show it."""
        source = only(WebhookSource.objects.all(), object_id).first()
        if source is not None:
            self.show_once(request, source.name, rotate_source(source=source, who=staff_of(request)))
            if source.former_until:
                until = f"The former secret is good until {when(source.former_until)} UTC."
                self.message_user(request, until, messages.INFO)
        return go_to(admin_url("webhooks_webhooksource", "change", object_id))
