"""Staff's page for endpoints."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chatify.accounts.admin_base import (
    STYLES,
    Checkboxes,
    OfExistingTenant,
    StaffAdmin,
    StaffForm,
    TextInput,
    WrittenByActions,
    action,
    admin_url,
    dialog,
    display,
    go_to,
    link,
    listed,
    only,
    staff_of,
    time_column,
    when,
)
from chatify.common.errors import ChatifyError, InvalidInput
from chatify.webhooks.addresses import MAX_URL, check_url
from chatify.webhooks.admin.secret import ShowsSecretOnce
from chatify.webhooks.endpoints import create_endpoint, delete_endpoints, rotate_secret, update_endpoint
from chatify.webhooks.models import WebhookDelivery, WebhookEndpoint
from chatify.webhooks.names import NAMES
from chatify.webhooks.trying import send_test

STATES = {"works": "success", "failing": "warning", "off": "info", "disabled": "danger", "tenant deleted": "danger"}


class EndpointForm(OfExistingTenant, StaffForm[WebhookEndpoint]):
    """What can be said of an endpoint."""

    url = forms.URLField(label="URL", max_length=MAX_URL, assume_scheme="https", widget=TextInput())
    events = forms.MultipleChoiceField(
        choices=[(name, name) for name in NAMES], required=False, widget=Checkboxes(),
        help_text="What is told; none: everything.",
    )  # fmt: skip

    class Meta:
        model = WebhookEndpoint
        fields = ("tenant", "url", "description", "events", "is_active")

    def clean_url(self) -> str:
        """As in the API. Raises ValidationError."""
        url: str = self.cleaned_data["url"]
        try:
            check_url(url)
        except InvalidInput as error:
            raise forms.ValidationError(error.errors[0].message) from None
        return url


@admin.register(WebhookEndpoint)
class EndpointAdmin(ShowsSecretOnce, WrittenByActions, StaffAdmin[WebhookEndpoint]):
    """Endpoints: made here, their secret shown once, tried out, given another secret."""

    form = EndpointForm
    empty_text = "Applications make endpoints by the API, or you for them. Then they are told what happens."
    list_display = ("url", "tenant", "show_state", "show_events", "show_created")
    show_created = time_column("created_at", "Created")
    list_filter = ("tenant", "is_active", ("failing_since", admin.EmptyFieldListFilter))
    list_select_related = ("tenant",)
    search_fields = ("url", "description", "tenant__name")
    ordering = ("-created_at",)
    actions_detail = ("show_deliveries", "test_this", "rotate_this")
    autocomplete_fields = ("tenant",)
    warn_unsaved_form = False

    class Media:
        css = STYLES

    def get_fieldsets(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> list[Any]:
        """A new one has no state yet."""
        said = ("tenant", "url", "description", "events")
        if obj is None:
            return [(None, {"fields": said})]
        return [
            ("What it is", {"fields": (*said, "is_active")}),
            ("How it is", {"fields": (("show_state", "show_since"), "show_why", "show_former", "show_created")}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> tuple[str, ...]:
        """An endpoint stays with its tenant."""
        shown = ("show_state", "show_since", "show_why", "show_former", "show_created")
        return () if obj is None else ("tenant", *shown)

    # Saving
    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        """By the same actions as the API."""
        who, said = staff_of(request), form.cleaned_data
        if change:
            row = WebhookEndpoint.objects.get(id=obj.id)
            update_endpoint(endpoint=row, changes={name: said[name] for name in form.changed_data}, who=who)
            return
        made, secret = create_endpoint(
            tenant=obj.tenant, url=obj.url, description=obj.description, events=obj.events, who=who
        )
        obj.__dict__.update(made.__dict__)
        self.show_once(request, obj.url, secret)

    def delete_model(self, request: HttpRequest, obj: WebhookEndpoint) -> None:
        """With its deliveries."""
        delete_endpoints(endpoint_ids=[obj.id], who=staff_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """The same for several."""
        delete_endpoints(endpoint_ids=queryset.values_list("id", flat=True), who=staff_of(request))

    # What is shown
    @display(description="State", label=STATES)
    def show_state(self, endpoint: WebhookEndpoint) -> str:
        """Whether anything comes through."""
        if endpoint.tenant.deleted_at is not None:
            return "tenant deleted"
        if not endpoint.is_active:
            return "disabled" if endpoint.disabled_at else "off"
        return "failing" if endpoint.failing_since else "works"

    @display(description="Told")
    def show_events(self, endpoint: WebhookEndpoint) -> SafeString:
        """The names."""
        return listed(endpoint.events, "everything")

    @display(description="Since")
    def show_since(self, endpoint: WebhookEndpoint) -> str:
        """When that began."""
        return when(endpoint.disabled_at or endpoint.failing_since)

    @display(description="Why it was disabled")
    def show_why(self, endpoint: WebhookEndpoint) -> str:
        """In words."""
        return endpoint.disabled_reason or "–"

    @display(description="The former secret signs, too, until")
    def show_former(self, endpoint: WebhookEndpoint) -> str:
        """After a rotation."""
        return when(endpoint.former_until)

    # Actions
    @action(description="Deliveries", icon="outbox")
    def show_deliveries(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What it was told."""
        return HttpResponseRedirect(f"{admin_url('webhooks_webhookdelivery')}?endpoint__id__exact={object_id}")

    @action(
        description="Send a test", icon="send", permissions=["change_secret"],
        dialog=dialog("Send a test?", "webhook.test is sent now, once. That takes up to 15 seconds.", "Send it"),
    )  # fmt: skip
    def test_this(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        """Send it, and tell how that went."""
        endpoint = only(WebhookEndpoint.objects.all(), object_id).first()
        if endpoint is not None:
            self._test(request, endpoint)
        return go_to(admin_url("webhooks_webhookendpoint", "change", object_id))

    def _test(self, request: HttpRequest, endpoint: WebhookEndpoint) -> None:
        try:
            delivery = send_test(endpoint=endpoint)
        except ChatifyError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return
        page = link(admin_url("webhooks_webhookdelivery", "change", delivery.id), "the delivery")
        if delivery.state == WebhookDelivery.State.DELIVERED:
            text = format_html("It answered {} after {} ms: {}.", delivery.status_code, delivery.duration_ms, page)
            self.message_user(request, text, messages.SUCCESS)
        else:
            self.message_user(request, format_html("{} See {}.", delivery.error, page), messages.ERROR)

    @action(
        description="New secret", icon="sync_lock", permissions=["change_secret"],
        dialog=dialog(
            "Make a new secret?",
            "It is shown once. For 24 hours the one before signs, too, so that the receiver can change over.",
            "Make it",
        ),
    )  # fmt: skip
    def rotate_this(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        """Make it, and show it."""
        endpoint = only(WebhookEndpoint.objects.all(), object_id).first()
        if endpoint is not None:
            self.show_once(request, endpoint.url, rotate_secret(endpoint=endpoint, who=staff_of(request)))
        return go_to(admin_url("webhooks_webhookendpoint", "change", object_id))
