"""Staff's page for the audit log: to read, for nobody to change."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.apps import apps
from django.contrib import admin
from django.db.models import Model, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chatify.accounts.admin_base import (
    STYLES,
    StaffAdmin,
    UncountedPaginator,
    ViewOnly,
    admin_url,
    as_uuid,
    display,
    link,
    pairs,
    soft,
    time_column,
    when,
)
from chatify.accounts.models import AuditEntry, Tenant

RECENT = 2000
"""So many of the newest entries say which actions can be chosen: the log may be too long to ask it all."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Something that entries tell of by its id: its model, the field that names it, and how the name looks."""

    label: str
    field: str
    form: str = "{}"

    @property
    def model(self) -> type[Model]:
        """Looked up by name: personalities and more live in layers above."""
        return apps.get_model(self.label)

    def name_of(self, reference: str) -> Subquery:
        """The name of the row whose id stands in the field `reference`, if it is one of these."""
        rows = self.model._base_manager.filter(pk=OuterRef(reference))
        return Subquery(rows.values(self.field)[:1])

    def address_of(self, id_: UUID) -> str:
        """Its page."""
        return admin_url(self.label.lower().replace(".", "_"), "change", id_)


KINDS = {
    "user": Kind("accounts.User", "email"),
    "key": Kind("accounts.ApiKey", "prefix", "ck_{}_…"),
    "end_user": Kind("accounts.EndUser", "external_id"),
    "tenant": Kind("accounts.Tenant", "name"),
    "personality": Kind("templates_app.PromptTemplate", "name"),
    "rule": Kind("templates_app.SelectionRule", "name"),
    "summary": Kind("chat_sessions.Summary", "to_seq", "Summary up to message {}"),
    "memory": Kind("memory.Memory", "kind", "Memory ({})"),  # not what it says
    "chat_session": Kind("chat_sessions.ChatSession", "mode", "Chat session ({})"),  # not its title
    "report": Kind("matchmaking.Report", "reason", "Report ({})"),
    "memory_prompt": Kind("memory.MemoryPrompt", "version", "Memory prompt, version {}"),
}
ACTORS = {"staff": "staff", "user": "person", "api_key": "API key", "end_user": "end user"}
"""Kinds of actors, in words for staff."""

LINKED = {"new_key": "key"}
"""Details that are ids of something else."""


class ActionFilter(admin.SimpleListFilter):
    """What was done."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What was done lately, and what is asked for."""
        recent = AuditEntry.objects.order_by("-id").values_list("action", flat=True)[:RECENT]
        return [(name, name) for name in sorted({*recent, *filter(None, [self.value()])})]

    def value(self) -> str | None:
        """What is asked for."""
        found = self.used_parameters.get(self.parameter_name)
        return str(found).replace("\0", "") if found else None

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Those entries."""
        return queryset.filter(action=self.value()) if self.value() else queryset


class TenantFilter(admin.SimpleListFilter):
    """Whose things were done something to."""

    title = "tenant"
    parameter_name = "tenant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All tenants."""
        return [(str(tenant.id), tenant.name) for tenant in Tenant.objects.order_by("name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Those entries; none for what is no id."""
        return queryset.filter(tenant_id=as_uuid(self.value())) if self.value() else queryset


class DaysFilter(admin.SimpleListFilter):
    """When it was done."""

    title = "date"
    parameter_name = "days"
    spans = (("1", "Last 24 hours"), ("7", "Last 7 days"), ("30", "Last 30 days"), ("365", "Last 12 months"))

    def lookups(self, request: HttpRequest, model_admin: Any) -> tuple[tuple[str, str], ...]:
        """Ever longer spans until now."""
        return self.spans

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """The entries since then; all for what is none of the spans."""
        days = self.value()
        if days not in dict(self.spans):
            return queryset
        return queryset.filter(id__gte=_first_id(timezone.now() - timedelta(days=int(days))))


@admin.register(AuditEntry)
class AuditAdmin(ViewOnly, StaffAdmin[AuditEntry]):
    """The audit log, the newest first. Names are looked up when it is read: an entry outlives what it tells of."""

    list_display = ("show_when", "show_action", "show_actor", "show_subject", "show_tenant", "show_details")
    show_when = time_column("at", "When")
    list_display_links = ("show_when",)
    list_filter = (ActionFilter, TenantFilter, DaysFilter)
    list_per_page = 50
    search_fields = ("request_id",)
    search_help_text = "Id of a subject or an actor, request id, or a day: 2026-03-31"
    sortable_by = ()
    ordering = ("-id",)
    paginator = UncountedPaginator
    show_full_result_count = False
    fieldsets = (
        ("What was done", {"fields": (("show_action", "show_when"), ("show_subject", "show_tenant"), "show_pairs")}),
        ("Who did it", {"fields": ("show_actor", "show_request")}),
    )

    class Media:
        css = STYLES

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        """With the names of those that are still there."""
        names = {f"subject_{name}": kind.name_of("subject_id") for name, kind in KINDS.items()}
        names |= {f"actor_{name}": KINDS[name].name_of("actor_id") for name in ("user", "key", "end_user")}
        return super().get_queryset(request).annotate(**names, tenant_name=KINDS["tenant"].name_of("tenant_id"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """Whole ids, in every way they can be written; and days."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        if day := _day(term):
            return queryset.filter(id__gte=_first_id(day), id__lt=_first_id(day + timedelta(days=1))), False
        found = Q(request_id=term)
        if id_ := as_uuid(term):
            found |= Q(subject_id=id_) | Q(actor_id=id_)
        return queryset.filter(found), False

    @display(description="What")
    def show_action(self, entry: AuditEntry) -> SafeString:
        """As programs name it."""
        return format_html("<code>{}</code>", entry.action)

    @display(description="Who")
    def show_actor(self, entry: AuditEntry) -> str:
        """Their name, if they are still there, and what they are."""
        if entry.actor_kind == AuditEntry.Actor.SYSTEM:
            return "Chatify itself"
        return format_html("{} {}", _named(entry, "actor", entry.actor_id), soft(ACTORS[entry.actor_kind]))

    @display(description="To what")
    def show_subject(self, entry: AuditEntry) -> SafeString:
        """Its name and page, if it is still there."""
        return _named(entry, "subject", entry.subject_id) if entry.subject_id else soft("–")

    @display(description="Tenant")
    def show_tenant(self, entry: AuditEntry) -> SafeString:
        """Whose it is."""
        if entry.tenant_id is None:
            return soft("none")
        name = getattr(entry, "tenant_name", None)
        return _link("tenant", entry.tenant_id, name) if name else _gone(entry.tenant_id)

    @display(description="Details")
    def show_details(self, entry: AuditEntry) -> SafeString:
        """In a few words."""
        words = format_html_join(", ", "{}: {}", _pairs(entry))
        return format_html('<span class="details">{}</span>', words) if entry.details else soft("–")

    @display(description="Details")
    def show_pairs(self, entry: AuditEntry) -> SafeString:
        """Name by name."""
        return pairs(_pairs(entry)) if entry.details else soft("none")

    @display(description="Request")
    def show_request(self, entry: AuditEntry) -> SafeString:
        """As in the server's log, and where else it was noted."""
        if not entry.request_id:
            return soft("none: it happened by itself")
        address = f"{admin_url('accounts_auditentry')}?{urlencode({'q': entry.request_id})}"
        return format_html("<code>{}</code> {}", entry.request_id, link(address, "All that it did"))


def _first_id(moment: datetime) -> UUID:
    """Ids sort by time (UUID version 7), and `at` has no index: the least id of a moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def _named(entry: AuditEntry, role: str, id_: UUID | None) -> SafeString:
    for kind in KINDS:
        found = getattr(entry, f"{role}_{kind}", None)
        if found and id_:
            return _link(kind, id_, found)
    return _gone(id_)


def _link(kind: str, id_: UUID, name: str) -> SafeString:
    return link(KINDS[kind].address_of(id_), KINDS[kind].form.format(name))


def _gone(id_: UUID | None) -> SafeString:
    return format_html('<span class="soft" title="{}">gone</span>', id_ or "")


def _pairs(entry: AuditEntry) -> list[tuple[str, object]]:
    return [(str(name).replace("_", " "), _words(name, value)) for name, value in entry.details.items()]


def _words(name: str, value: Any) -> object:
    """A value of JSON for people."""
    if isinstance(value, list):
        return ", ".join(str(_words("", item)) for item in value) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if name in LINKED and (id_ := as_uuid(value)):
        return link(KINDS[LINKED[name]].address_of(id_), "show")
    return _moment(str(value)) or str(value)


def _moment(text: str) -> str:
    """A time for people, if this is one."""
    try:
        return when(datetime.fromisoformat(text)) if "T" in text else ""
    except ValueError:
        return ""
