"""Staff's page for what end users think."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from chatify.accounts.admin_base import StaffAdmin, UncountedPaginator, ViewOnly, admin_url, display, link, time_column
from sessions.models import Feedback


@admin.register(Feedback)
class FeedbackAdmin(ViewOnly, StaffAdmin[Feedback]):
    """Feedback, to read."""

    list_display = ("show_rating", "comment", "show_subject", "show_personality", "tenant", "show_updated")
    show_created = time_column("created_at", "Given")
    show_updated = time_column("updated_at", "Changed")
    list_filter = ("rating", "tenant")
    list_select_related = ("tenant", "message", "chat_session__template")
    search_fields = ("comment",)
    ordering = ("-id",)
    paginator = UncountedPaginator
    show_full_result_count = False
    fields = ("show_rating", "comment", "show_subject", "show_personality", "tenant", ("show_created", "show_updated"))
    readonly_fields = ("show_created", "show_updated", "show_rating", "show_subject", "show_personality")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feedback]:
        """With what is shown of other rows."""
        return super().get_queryset(request).select_related(*self.list_select_related)

    @display(description="Rating", ordering="rating")
    def show_rating(self, feedback: Feedback) -> str:
        """As stars."""
        return "★" * feedback.rating + "☆" * (5 - feedback.rating)

    @display(description="About")
    def show_subject(self, feedback: Feedback) -> SafeString:
        """The chat session, and which of its replies."""
        title = feedback.chat_session.title or "Untitled"
        about = f"{title}, reply {feedback.message.seq}" if feedback.message else f"{title}, as a whole"
        anchor = f"#message-{feedback.message.seq}" if feedback.message else ""
        return link(admin_url("chat_sessions_chatsession", "change", feedback.chat_session_id) + anchor, about)

    @display(description="Personality", ordering="chat_session__template__name")
    def show_personality(self, feedback: Feedback) -> str:
        """Who was rated."""
        return str(feedback.chat_session.template or "–")
