"""Staff's page for match tickets: who waits, and who waited for how long."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from chatify.accounts.admin_base import (
    STYLES,
    StaffAdmin,
    UncountedPaginator,
    ViewOnly,
    as_uuid,
    display,
    listed,
    soft,
    time_column,
    when,
)
from chatify.matchmaking.admin.shown import conversation_link, in_seconds, person_link
from chatify.matchmaking.models import MatchProposal, MatchTicket

STATUS_LOOKS = {"waiting": "warning", "with a personality": "info", "with a person": "success"}


class LiveFilter(admin.SimpleListFilter):
    """Whether they are done with."""

    title = "now"
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What can be asked for."""
        return [("yes", "In the queue, or talking"), ("no", "Closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[MatchTicket]) -> QuerySet[MatchTicket]:
        """Those."""
        found = {"yes": Q(closed_at=None), "no": Q(closed_at__isnull=False)}
        return queryset.filter(found.get(self.value() or "", Q()))


@admin.register(MatchTicket)
class MatchTicketAdmin(ViewOnly, StaffAdmin[MatchTicket]):
    """Places in the queue, to read: those of now, and of the last 30 days."""

    list_display = ("show_who", "tenant", "show_status", "show_waited", "show_with", "show_created", "show_closed")
    show_created = time_column("created_at", "Joined")
    show_deadline = time_column("deadline", "Deadline")
    show_seen = time_column("seen_at", "Last heard of")
    list_filter = ("status", LiveFilter, "band", "tenant")
    list_select_related = ("end_user", "tenant", "chat_session__template", "room__end_user", "room__partner")
    search_fields = ("end_user__external_id", "end_user__name")
    search_help_text = "The end user's name or external_id, or a whole id of a ticket or a conversation"
    ordering = ("-id",)
    paginator = UncountedPaginator
    show_full_result_count = False
    list_per_page = 50
    fieldsets = (
        ("Who", {"fields": (("show_person", "tenant"), ("show_status", "show_closed"))}),
        (
            "Whom they want to meet",
            {"fields": (("band", "language"), "show_interests", "show_strict", "show_template")},
        ),
        ("What came of it", {"fields": (("show_waited", "show_asked"), ("show_chatbot", "show_room"))}),
        ("When", {"fields": (("show_created", "show_deadline"), "show_seen")}),
    )
    readonly_fields = (
        "show_person", "show_status", "show_closed", "show_interests", "show_strict", "show_template", "show_waited",
        "show_asked", "show_chatbot", "show_room", "show_created", "show_deadline", "show_seen",
    )  # fmt: skip

    class Media:
        css = STYLES

    def get_queryset(self, request: HttpRequest) -> QuerySet[MatchTicket]:
        """With what is shown of other rows."""
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[MatchTicket], search_term: str
    ) -> tuple[QuerySet[MatchTicket], bool]:
        """A whole id is that of a ticket, or of what it led to."""
        if id_ := as_uuid(search_term):
            return queryset.filter(Q(id=id_) | Q(chat_session=id_) | Q(room=id_)), False
        return super().get_search_results(request, queryset, search_term)

    @display(description="Who", header=True, ordering="end_user")
    def show_who(self, ticket: MatchTicket) -> tuple[str, str]:
        """The person, and whom they want to meet."""
        wanted = [ticket.get_band_display(), ticket.language, ", ".join(map(str, ticket.interests))]
        return str(ticket.end_user), Truncator(" · ".join(filter(None, wanted))).chars(80)

    @display(description="Person")
    def show_person(self, ticket: MatchTicket) -> SafeString:
        """A link to them."""
        return person_link(ticket.end_user)

    @display(description="Status", label=STATUS_LOOKS, ordering="status")
    def show_status(self, ticket: MatchTicket) -> str:
        """Where they are; of one that is closed, that."""
        is_over = ticket.closed_at is not None and ticket.get_status_display() in STATUS_LOOKS
        return "closed" if is_over else ticket.get_status_display().lower()

    @display(description="Waited", ordering="served_at")
    def show_waited(self, ticket: MatchTicket) -> str:
        """Until they had somebody to talk to, or went."""
        if ticket.served_at is not None:
            return f"served after {in_seconds(ticket.served_at - ticket.created_at)}"
        if ticket.closed_at is not None:
            return f"went after {in_seconds(ticket.closed_at - ticket.created_at)}"
        return f"waiting for {in_seconds(timezone.now() - ticket.created_at)}"

    @display(description="Talked to")
    def show_with(self, ticket: MatchTicket) -> SafeString:
        """The personality, and the other person."""
        found = [("show_chatbot", ticket.chat_session), ("show_room", ticket.room)]
        return listed([getattr(self, name)(ticket) for name, one in found if one is not None], "–")

    @display(description="With a personality")
    def show_chatbot(self, ticket: MatchTicket) -> SafeString:
        """The chat session."""
        chat_session = ticket.chat_session
        return conversation_link(chat_session, str(chat_session.template) if chat_session is not None else "")

    @display(description="With a person")
    def show_room(self, ticket: MatchTicket) -> SafeString:
        """The room, by the other one's name."""
        room = ticket.room
        if room is None:
            return soft("–")
        return conversation_link(room, str(room.partner if room.end_user_id == ticket.end_user_id else room.end_user))

    @display(description="Closed", ordering="closed_at")
    def show_closed(self, ticket: MatchTicket) -> str:
        """When, and why."""
        return f"{when(ticket.closed_at)}{f', {ticket.close_reason}' if ticket.close_reason else ''}"

    @display(description="Interests")
    def show_interests(self, ticket: MatchTicket) -> SafeString:
        """One beside the other."""
        return listed(ticket.interests)

    @display(description="Never without")
    def show_strict(self, ticket: MatchTicket) -> SafeString:
        """What waiting does not loosen."""
        return listed(ticket.strict, "nothing")

    @display(description="Personality meanwhile")
    def show_template(self, ticket: MatchTicket) -> str:
        """The one that they asked for."""
        return ticket.template or "the one that fits"

    @display(description="Asked whether to meet somebody")
    def show_asked(self, ticket: MatchTicket) -> SafeString:
        """When, and what came of it; the newest first."""
        about = MatchProposal.objects.filter(Q(first=ticket) | Q(second=ticket)).order_by("-id")[:20]
        return listed([f"{when(one.created_at)}: {one.get_state_display().lower()}" for one in about], "never")
