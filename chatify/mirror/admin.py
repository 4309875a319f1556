"""Staff's pages for the mirror: what Firestore refused, what could not be taken from it, and how it is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from chatify.accounts.admin_base import STYLES as ACCOUNTS_STYLES
from chatify.accounts.admin_base import (
    StaffAdmin,
    UncountedPaginator,
    ViewOnly,
    admin_url,
    dialog,
    display,
    for_the_open_one,
    link,
    only,
    soft,
    staff_of,
    time_column,
)
from chatify.accounts.models import Tenant
from chatify.events.models import OutboxRow
from chatify.mirror.dead_letters import replay
from chatify.mirror.models import InboundReport
from chatify.mirror.settling import settle
from chatify.mirror.status import WHAT_TURNS_IT_ON, Status, counted, in_words, read_status
from sessions.admin.home import Part, register_part

STYLES = {"all": [*ACCOUNTS_STYLES["all"], "mirror/admin.css"]}
KINDS = {"Refused": "danger", "Conflict": "warning", "deleted there": "info"}


@admin.register(OutboxRow)
class DeadLetterAdmin(ViewOnly, StaffAdmin[OutboxRow]):
    """What Firestore would not take. It is tried again when somebody says so, or when the same document changes."""

    list_display = ("show_event", "show_about", "show_tenant", "show_error", "attempts", "show_created")
    show_created = time_column("created_at", "Changed")
    list_filter = ("event",)
    search_fields = ("error",)
    ordering = ("-id",)
    paginator = UncountedPaginator
    show_full_result_count = False
    fields = ("show_event", "show_about", "show_tenant", "show_error", "attempts", "show_created")
    readonly_fields = ("show_event", "show_about", "show_tenant", "show_error", "show_created")
    actions = ("replay",)
    actions_detail = ("replay_this",)

    class Media:
        css = STYLES

    def has_replay_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change rows of the outbox: trying again is all that can be done."""
        return request.user.has_perm("events.change_outboxrow")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxRow]:
        """The dead ones, with the names of their tenants."""
        names = Tenant.objects.filter(id=OuterRef("tenant_id")).values("name")
        dead = super().get_queryset(request).filter(state=OutboxRow.State.DEAD)
        return dead.annotate(tenant_name=Subquery(names[:1]))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Under the name that everybody calls them by."""
        return super().changelist_view(request, {"title": "Dead letters", **(extra_context or {})})

    @display(description="What happened", ordering="event")
    def show_event(self, row: OutboxRow) -> str:
        """The event, in words."""
        return str(row)

    @display(description="To what")
    def show_about(self, row: OutboxRow) -> SafeString:
        """The chat session, or the personality."""
        if row.chat_session_id:
            return link(admin_url("chat_sessions_chatsession", "change", row.chat_session_id), "chat session")
        if row.event.startswith("template.") and row.subject_id:
            return link(admin_url("templates_app_prompttemplate", "change", row.subject_id), "personality")
        return soft("–")

    @display(description="Tenant")
    def show_tenant(self, row: OutboxRow) -> str:
        """Whose it is; shared personalities are everybody's."""
        return getattr(row, "tenant_name", None) or "–"

    @display(description="What Firestore said", ordering="error")
    def show_error(self, row: OutboxRow) -> SafeString:
        """The document, and the error."""
        return format_html('<span class="details">{}</span>', row.error or "nothing")

    @admin.action(description="Try again", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[OutboxRow]) -> None:
        """The relay takes them within a second."""
        count = replay(row_ids=_ids(queryset), who=staff_of(request))
        _tell(self, request, count, f"Tried again: {counted(count, 'change')}. What is refused again comes back here.")

    replay_this = for_the_open_one(
        replay,
        "replay",
        dialog("Try again?", "If Firestore refuses it again, it comes back here.", "Try again"),
        is_gone=True,
    )


class OpenFilter(SimpleListFilter):
    """Settled ones are shown when asked for."""

    title = "state"
    parameter_name = "settled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What can be asked for."""
        return [("only", "Settled only"), ("all", "With settled")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[InboundReport]) -> QuerySet[InboundReport]:
        """The open ones unless asked."""
        if self.value() == "all":
            return queryset
        return queryset.filter(settled_at__isnull=self.value() != "only")

    def choices(self, changelist: Any) -> Any:
        """The default is not called "All", which it is not."""
        first, *others = super().choices(changelist)
        return [{**first, "display": "Open"}, *others]


@admin.register(InboundReport)
class InboundReportAdmin(ViewOnly, StaffAdmin[InboundReport]):
    """Edits in Firestore that were not taken as they were."""

    list_display = ("show_path", "show_kind", "show_template", "tenant", "show_state", "show_created")
    show_created = time_column("created_at", "Noticed")
    show_settled = time_column("settled_at", "Settled")
    list_filter = (OpenFilter, "kind", "tenant")
    list_select_related = ("tenant", "template", "version")
    search_fields = ("path", "template__name")
    ordering = ("-created_at",)
    paginator = UncountedPaginator
    show_full_result_count = False
    fields = (
        ("show_kind", "show_path"), ("show_template", "show_version"), "show_detail", "show_content",
        ("show_created", "show_settled"),
    )  # fmt: skip
    readonly_fields = (
        "show_kind", "show_path", "show_template", "show_version", "show_detail", "show_content", "show_created",
        "show_settled",
    )  # fmt: skip
    actions = ("settle",)
    actions_detail = ("settle_this",)

    class Media:
        css = STYLES

    def has_settle_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change these: settling them is all that can be done."""
        return request.user.has_perm("mirror.change_inboundreport")

    @display(description="Document", ordering="path")
    def show_path(self, report: InboundReport) -> SafeString:
        """Its path in Firestore."""
        return _breakable(report.path)

    @display(description="What was the matter", label=KINDS, ordering="kind")
    def show_kind(self, report: InboundReport) -> str:
        """In a word."""
        return report.get_kind_display()

    @display(description="State", label={"open": "warning", "settled": "success"})
    def show_state(self, report: InboundReport) -> str:
        """Whether somebody has to look at it."""
        return "settled" if report.settled_at else "open"

    @display(description="Personality", ordering="template__name")
    def show_template(self, report: InboundReport) -> SafeString:
        """Ours, if there is one."""
        if report.template is None:
            return soft("none of ours")
        return link(admin_url("templates_app_prompttemplate", "change", report.template.id), report.template)

    @display(description="Kept as")
    def show_version(self, report: InboundReport) -> SafeString:
        """The version that theirs has become."""
        if report.version is None:
            return soft("no version")
        return link(admin_url("templates_app_promptversion", "change", report.version.id), report.version)

    @display(description="In words")
    def show_detail(self, report: InboundReport) -> SafeString:
        """Line by line."""
        return _lines(report.detail.splitlines())

    @display(description="What was written there")
    def show_content(self, report: InboundReport) -> SafeString:
        """The whole document, to copy from."""
        text = json.dumps(_with_whole_numbers(report.content), indent=2, ensure_ascii=False, sort_keys=True)
        return format_html('<pre class="document">{}</pre>', text)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Settled ones stay that."""
        is_open = only(InboundReport.objects.filter(settled_at=None), object_id).exists()
        found: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return found if is_open else []

    @admin.action(description="Settle", permissions=["settle"])
    def settle(self, request: HttpRequest, queryset: QuerySet[InboundReport]) -> None:
        """Somebody has seen to it."""
        count = settle(report_ids=_ids(queryset), who=staff_of(request))
        _tell(self, request, count, f"Settled: {counted(count, 'edit')}. Firestore gets what is valid here.")

    settle_this = for_the_open_one(
        settle,
        "done_all",
        dialog(
            "Settle this?",
            "What is valid here is written over a refused edit. What was written there can still be read on this "
            "page. A document that is no personality here stays in Firestore until a rebuild removes it.",
            "Settle it",
        ),
    )


def _ids(rows: QuerySet[Any]) -> list[Any]:
    return list(rows.values_list("pk", flat=True))


def _with_whole_numbers(value: Any) -> Any:
    """As people write them: reports keep every number as a float."""
    if isinstance(value, dict):
        return {name: _with_whole_numbers(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _lines(texts: Sequence[str]) -> SafeString:
    return format_html_join(mark_safe("<br>"), "{}", ((text,) for text in texts))


def _tell(page: StaffAdmin[Any], request: HttpRequest, count: int, text: str) -> None:
    if count:
        page.message_user(request, text, messages.SUCCESS)
    else:
        page.message_user(request, "There was nothing to do.", messages.WARNING)


# The first page -----------------------------------------------------------------------------------


def read_part(request: HttpRequest) -> Part:
    """How the mirror is, in a few words, and what would change it."""
    if not settings.FIRESTORE_IS_ON:
        return "Firestore", "off", _breakable(WHAT_TURNS_IT_ON)
    status = read_status()
    return "Firestore", _state(status), _lines(_hints(request, status))


def _breakable(text: str) -> SafeString:
    """Long names break where they consist of parts, if they have to break."""
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in re.split(r"(?<=[_/])", text)))


def _state(status: Status) -> str:
    waiting, _, lag = status.backlog
    if not waiting:
        return "on, up to date"
    return f"on, {counted(waiting, 'change')} waiting for up to {in_words(lag)}"


def _hints(request: HttpRequest, status: Status) -> list[str]:
    found: list[str] = []
    if status.is_behind and not status.relay:
        found.append("No relay is at work.")
    if status.backlog.dead:
        text = counted(status.backlog.dead, "dead letter")
        found.append(_link(request, "events.outboxrow", text))
    if status.reports:
        text = f"{counted(status.reports, 'edit')} there to look at"
        found.append(_link(request, "mirror.inboundreport", text))
    found += [f"{slug} has another prefix: run firestore_sync --rebuild --tenant {slug}" for slug in status.moved]
    return found


def _link(request: HttpRequest, model: str, text: str) -> str:
    """A link for those who may follow it."""
    label, name = model.split(".")
    may_see = any(request.user.has_perm(f"{label}.{verb}_{name}") for verb in ("view", "change"))
    return link(admin_url(f"{label}_{name}"), text) if may_see else text


register_part(read_part)
