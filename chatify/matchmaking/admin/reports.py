"""Staff's page for what people report."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Case, Count, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from chatify.accounts.admin_base import (
    STYLES,
    StaffAdmin,
    UncountedPaginator,
    ViewOnly,
    action,
    admin_url,
    as_uuid,
    dialog,
    display,
    for_the_open_one,
    go_to,
    listed,
    only,
    soft,
    staff_of,
    time_column,
    when,
)
from chatify.matchmaking.admin.shown import conversation_link, person_link
from chatify.matchmaking.models import Report
from chatify.matchmaking.moderating import end_reported_room, handle_report
from sessions.models import ChatSession

STATE_LOOKS = {"open": "danger", "upheld": "warning", "dismissed": "default"}


@admin.register(Report)
class ReportAdmin(ViewOnly, StaffAdmin[Report]):
    """What people reported. Staff read the transcript, and uphold or dismiss it."""

    list_display = (
        "show_reason",
        "show_state",
        "show_reported",
        "show_reporter",
        "tenant",
        "show_transcript",
        "show_created",
    )
    show_created = time_column("created_at", "When")
    list_filter = ("state", "reason", "tenant")
    list_select_related = ("chat_session", "reporter", "reported", "tenant", "handled_by")
    search_fields = ("comment", "reported__external_id", "reported__name", "reporter__external_id", "reporter__name")
    search_help_text = "Words of the comment, either person's name or external_id, or the whole id of a conversation"
    ordering = (Case(When(state=Report.State.OPEN, then=Value(0)), default=Value(1)).asc(), "-id")
    paginator = UncountedPaginator
    show_full_result_count = False
    list_per_page = 50
    fieldsets = (
        ("What was reported", {"fields": (("reason", "show_state"), "show_comment", ("show_transcript", "tenant"))}),
        ("Who", {"fields": (("show_reported", "show_reporter"), "show_others")}),
        ("When", {"fields": (("show_created", "show_handled"),)}),
    )
    readonly_fields = (
        "show_state", "show_comment", "show_transcript", "show_reported", "show_reporter", "show_others",
        "show_created", "show_handled",
    )  # fmt: skip
    actions = ("uphold", "dismiss")
    actions_detail = ("uphold_this", "dismiss_this", "end_room_this")

    class Media:
        css = STYLES

    def has_handle_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change reports: handling them is all that can be done."""
        return request.user.has_perm("matchmaking.change_report")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Report]:
        """With what is shown of other rows."""
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Report], search_term: str
    ) -> tuple[QuerySet[Report], bool]:
        """A whole id is that of a conversation, or of the report."""
        if id_ := as_uuid(search_term):
            return queryset.filter(Q(id=id_) | Q(chat_session=id_)), False
        return super().get_search_results(request, queryset, search_term)

    @display(description="Report", header=True, ordering="reason")
    def show_reason(self, report: Report) -> tuple[str, str]:
        """What it is about, and how the comment begins."""
        return report.get_reason_display().capitalize(), Truncator(report.comment).chars(90)

    @display(description="State", label=STATE_LOOKS, ordering="state")
    def show_state(self, report: Report) -> str:
        """How far staff are with it."""
        return report.state

    @display(description="Comment")
    def show_comment(self, report: Report) -> SafeString:
        """In the reporter's words."""
        return format_html('<span class="details">{}</span>', report.comment) if report.comment else soft("none")

    @display(description="Transcript")
    def show_transcript(self, report: Report) -> SafeString:
        """A link to what was said."""
        return conversation_link(report.chat_session, "Read it")

    @display(description="About", ordering="reported")
    def show_reported(self, report: Report) -> SafeString:
        """A link to who was reported."""
        return person_link(report.reported)

    @display(description="By", ordering="reporter")
    def show_reporter(self, report: Report) -> SafeString:
        """A link to who reported."""
        return person_link(report.reporter)

    @display(description="Other reports about this person")
    def show_others(self, report: Report) -> SafeString:
        """How many there are, by what staff made of them."""
        others = Report.objects.filter(reported=report.reported_id).exclude(id=report.id).order_by("state")
        counts = others.values_list("state").annotate(count=Count("id"))
        return listed([f"{count} {state}" for state, count in counts])

    @display(description="Handled")
    def show_handled(self, report: Report) -> str:
        """By whom and when."""
        if report.handled_at is None:
            return "not yet"
        return f"{when(report.handled_at)}, {report.handled_by or 'somebody who is gone'}"

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only those that would change something."""
        found: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        report = only(Report.objects.select_related("chat_session"), object_id).first()
        if report is None:
            return found
        is_over = report.chat_session.status == ChatSession.Status.ENDED or report.chat_session.deleted_at is not None
        idle = {Report.State.UPHELD: ("uphold_this",), Report.State.DISMISSED: ("dismiss_this",)}
        hidden = (*idle.get(Report.State(report.state), ()), *(("end_room_this",) if is_over else ()))
        return [one for one in found if not one.action_name.endswith(hidden)]

    # Actions
    @admin.action(description="Uphold", permissions=["handle"])
    def uphold(self, request: HttpRequest, queryset: QuerySet[Report]) -> None:
        """They are right."""
        self._handle(request, queryset, Report.State.UPHELD)

    @admin.action(description="Dismiss", permissions=["handle"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Report]) -> None:
        """There is nothing to it."""
        self._handle(request, queryset, Report.State.DISMISSED)

    uphold_this = for_the_open_one(
        uphold,
        "gavel",
        dialog("Uphold this report?", "It is noted that it was right. Neither of the two is told.", "Uphold it"),
    )

    dismiss_this = for_the_open_one(
        dismiss,
        "do_not_disturb_on",
        dialog("Dismiss this report?", "There is nothing to it. Neither of the two is told.", "Dismiss it"),
    )

    @action(
        description="End the room", icon="stop_circle", permissions=["handle"],
        dialog=dialog("End the room?", "It is over for both at once; both may look for somebody else.", "End it"),
    )  # fmt: skip
    def end_room_this(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        """End the room that it is about."""
        for report in only(Report.objects.all(), object_id):
            is_done = end_reported_room(report_id=report.id, who=staff_of(request))
            text, level = ("The room has ended.", messages.SUCCESS) if is_done else ("It was over.", messages.WARNING)
            self.message_user(request, text, level)
        return go_to(admin_url("matchmaking_report", "change", object_id))

    def _handle(self, request: HttpRequest, queryset: QuerySet[Report], state: Report.State) -> None:
        ids = list(queryset.order_by("id").values_list("id", flat=True))
        count = sum(handle_report(report_id=id_, state=state, who=staff_of(request)) for id_ in ids)
        text = f"{state.label}: {count}." if count else f"{state.label}: none; there was nothing to do."
        self.message_user(request, text, messages.SUCCESS if count else messages.WARNING)
