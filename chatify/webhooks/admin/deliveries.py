"""Staff's page for deliveries: the log of what applications were told, and replay."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chatify.accounts.admin_base import (
    STYLES,
    StaffAdmin,
    UncountedPaginator,
    ViewOnly,
    admin_url,
    as_uuid,
    dialog,
    display,
    for_the_open_one,
    link,
    listed,
    soft,
    staff_of,
    time_column,
    when,
)
from chatify.webhooks.deliveries import replay
from chatify.webhooks.models import WebhookDelivery

STATES = {"pending": "info", "delivered": "success", "given up": "danger", "nothing to tell any more": "warning"}


@admin.register(WebhookDelivery)
class DeliveryAdmin(ViewOnly, StaffAdmin[WebhookDelivery]):
    """What applications were told in the last 30 days."""

    list_display = ("event", "show_endpoint", "tenant", "show_state", "attempts", "show_last", "show_occurred")
    show_occurred = time_column("occurred_at", "Happened")
    show_attempted = time_column("attempted_at", "Last attempt")
    show_delivered = time_column("delivered_at", "Delivered")
    list_filter = ("state", "event", ("endpoint", admin.RelatedOnlyFieldListFilter), "tenant")
    list_select_related = ("endpoint", "tenant")
    search_fields = ("error", "endpoint__url")
    ordering = ("-id",)
    paginator = UncountedPaginator
    show_full_result_count = False
    fields = (
        ("event", "show_state"), ("show_endpoint", "tenant"), ("show_id", "show_about"), "show_occurred",
        ("attempts", "show_next"), ("show_attempted", "show_delivered"), "show_last", "show_log",
    )  # fmt: skip
    readonly_fields = (
        "show_state", "show_endpoint", "show_id", "show_about", "show_occurred", "show_next", "show_attempted",
        "show_delivered", "show_last", "show_log",
    )  # fmt: skip
    actions = ("replay",)
    actions_detail = ("replay_this",)

    class Media:
        css = STYLES

    def has_replay_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change deliveries: sending them again is all that can be done."""
        return request.user.has_perm("webhooks.change_webhookdelivery")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WebhookDelivery], search_term: str
    ) -> tuple[QuerySet[WebhookDelivery], bool]:
        """A webhook-id, as receivers know it, finds its delivery."""
        found = as_uuid(search_term.strip().removeprefix("msg_"))
        if found is not None:
            return queryset.filter(id=found), False
        return super().get_search_results(request, queryset, search_term)

    @display(description="Endpoint", ordering="endpoint")
    def show_endpoint(self, delivery: WebhookDelivery) -> SafeString:
        """Its URL."""
        return link(admin_url("webhooks_webhookendpoint", "change", delivery.endpoint_id), delivery.endpoint)

    @display(description="State", label=STATES, ordering="state")
    def show_state(self, delivery: WebhookDelivery) -> str:
        """What became of it."""
        return delivery.get_state_display().lower()

    @display(description="webhook-id")
    def show_id(self, delivery: WebhookDelivery) -> SafeString:
        """What the receiver knows it by."""
        return format_html("<code>{}</code>", delivery.webhook_id)

    @display(description="About")
    def show_about(self, delivery: WebhookDelivery) -> SafeString:
        """The chat session."""
        if delivery.chat_session_id is None:
            return soft("–")
        return link(admin_url("chat_sessions_chatsession", "change", delivery.chat_session_id), "chat session")

    @display(description="Next attempt")
    def show_next(self, delivery: WebhookDelivery) -> str:
        """While there is one."""
        return when(delivery.next_attempt_at if delivery.state == WebhookDelivery.State.PENDING else None)

    @display(description="What came of it")
    def show_last(self, delivery: WebhookDelivery) -> SafeString:
        """The status, or the error."""
        text = delivery.error or (f"It answered {delivery.status_code}." if delivery.status_code else "nothing yet")
        took = "" if delivery.duration_ms is None else f" ({delivery.duration_ms} ms)"
        return format_html('<span class="details">{}{}</span>', text, took)

    @display(description="Attempts")
    def show_log(self, delivery: WebhookDelivery) -> SafeString:
        """The last ones, newest first."""
        return listed([_attempt(entry) for entry in reversed(delivery.log)], "none yet", is_long=True)

    @admin.action(description="Send again", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        """They go out within a second."""
        count = replay(delivery_ids=list(queryset.values_list("id", flat=True)), who=staff_of(request))
        if count:
            self.message_user(request, f"Sent again: {count}.", messages.SUCCESS)
        else:
            text = "Nothing is sent: the endpoint is not active, or it was a test."
            self.message_user(request, text, messages.WARNING)

    replay_this = for_the_open_one(
        replay, "replay", dialog("Send this again?", "The receiver gets it under the same webhook-id.", "Send it")
    )


def _attempt(entry: dict[str, Any]) -> str:
    outcome = entry.get("error") or f"It answered {entry.get('status_code')}."
    return f"{when(parse_datetime(str(entry.get('at', ''))))}: {outcome} ({entry.get('duration_ms')} ms)"
