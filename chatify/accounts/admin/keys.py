"""Staff's page for API keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chatify.accounts.admin_base import (
    STYLES,
    Checkboxes,
    Choice,
    DialogForm,
    OfExistingTenant,
    StaffAdmin,
    StaffForm,
    action,
    admin_url,
    dialog,
    display,
    for_the_open_one,
    go_to,
    only,
    staff_of,
    time_column,
    when,
)
from chatify.accounts.audit import record
from chatify.accounts.models import ApiKey
from chatify.accounts.principal import SCOPES
from chatify.accounts.tenancy import issue_api_key, revoke_api_keys, rotate_api_key
from chatify.common.errors import ChatifyError

MEANINGS = {
    "chat": "chats for its people, and makes tokens for their browsers",
    "templates": "writes personalities of the tenant's own",
    "knowledge": "writes what personalities can look up",
    "admin": "manages the tenant: its keys, its origins, the data of its people",
}
"""What scopes are good for, in words for staff."""

GRACES = (
    (0, "Not at all: it stops now"),
    (3600, "One hour"),
    (86_400, "One day"),
    (7 * 86_400, "One week"),
    (30 * 86_400, "30 days"),
)
STATE_LOOKS = {
    "works": "success", "replaced": "info", "expired": "warning", "revoked": "danger", "tenant deleted": "danger",
}  # fmt: skip


class NewKeyForm(OfExistingTenant, StaffForm[ApiKey]):
    """What is said of a new key."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope, f"{scope}: {MEANINGS[scope]}") for scope in SCOPES],
        required=False,
        widget=Checkboxes(),
        help_text="What it is good for; this stays. What people use all day should do no more than chat.",
    )

    class Meta:
        model = ApiKey
        fields = ("tenant", "name", "scopes", "expires_at")
        help_texts: ClassVar = {
            "name": "Where it is used, to know which one to revoke some day.",
            "expires_at": "UTC. Empty: it works until it is revoked.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["scopes"] = ["chat"]  # as in the API; the model's own default is everything

    def clean_scopes(self) -> list[str]:
        """As in the API: a key that nobody said more about chats."""
        return self.cleaned_data["scopes"] or ["chat"]


class KeyForm(StaffForm[ApiKey]):
    """What can be changed of a key."""

    class Meta:
        model = ApiKey
        fields = ("name", "expires_at")
        help_texts: ClassVar = NewKeyForm.Meta.help_texts


class GraceForm(DialogForm):
    """How long a replaced key goes on."""

    grace = forms.TypedChoiceField(
        label="The old key still works for", choices=GRACES, coerce=int, initial=86_400, widget=Choice()
    )


@admin.register(ApiKey)
class ApiKeyAdmin(StaffAdmin[ApiKey]):
    """API keys: made here, shown once, replaced, revoked, never deleted, so that a trace stays."""

    form = KeyForm
    list_display = ("name", "show_prefix", "tenant", "show_scopes", "show_state", "show_last_use", "show_expires")
    show_created = time_column("created_at", "Created")
    show_last_use = time_column("last_used_at", "Last used")
    show_expires = time_column("expires_at", "Expires")
    show_rotated = time_column("rotated_at", "Replaced")
    show_revoked = time_column("revoked_at", "Revoked")
    list_filter = ("tenant", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("tenant",)
    search_fields = ("name", "prefix", "tenant__name")
    actions = ("revoke",)
    actions_detail = ("rotate_this", "revoke_this")
    autocomplete_fields = ("tenant",)
    warn_unsaved_form = False

    class Media:
        css = STYLES

    def get_fieldsets(self, request: HttpRequest, obj: ApiKey | None = None) -> list[Any]:
        """What a new key has not got yet is left out."""
        if obj is None:
            return [(None, {"fields": ("tenant", "name", "scopes", "expires_at")})]
        times: list[Any] = [("show_created", "show_last_use")]
        if obj.rotated_at or obj.revoked_at:
            times.append(("show_rotated", "show_revoked"))
        return [
            ("What it is", {"fields": ("name", "tenant", ("show_prefix", "show_state"), "show_scopes")}),
            ("When", {"fields": ("expires_at", *times)}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        """All but the name and the end, and these too once it is revoked."""
        shown = (
            "show_state", "show_prefix", "show_scopes", "show_created", "show_last_use", "show_rotated",
            "show_revoked", "tenant",
        )  # fmt: skip
        return () if obj is None else shown if obj.revoked_at is None else (*shown, "name", "expires_at")

    def get_form(self, request: HttpRequest, obj: ApiKey | None = None, change: bool = False, **options: Any) -> Any:
        """A new key says more."""
        return super().get_form(request, obj, change=change, **({} if obj else {"form": NewKeyForm}), **options)

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """Nobody may: they are revoked."""
        return False

    def has_rotate_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may both end a key and make one."""
        return self.has_change_permission(request) and self.has_add_permission(request)

    # Saving
    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """A new key is made where keys are made; its text is kept for the one answer that shows it."""
        if change:
            self._save_changes(request, obj, form.changed_data)
            return
        made, key = issue_api_key(
            tenant=obj.tenant, name=obj.name, scopes=obj.scopes, expires_at=obj.expires_at, who=staff_of(request)
        )
        obj.__dict__.update(made.__dict__)
        request.new_api_key = key  # type: ignore[attr-defined]

    def _save_changes(self, request: HttpRequest, key: ApiKey, changed: list[str]) -> None:
        if changed:
            key.save(update_fields=changed)
            record("key.updated", who=staff_of(request), tenant_id=key.tenant_id, subject_id=key.id, fields=changed)

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Show the key, this once, on the list."""
        self._show_once(request, obj, request.new_api_key)  # type: ignore[attr-defined]
        return HttpResponseRedirect(admin_url("accounts_apikey"))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Without "save and ...": after a new key comes the list, which shows it."""
        buttons = {"show_save_and_add_another": False, "show_save_and_continue": object_id is not None}
        try:
            return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **buttons})
        except ChatifyError as error:  # there are too many
            self.message_user(request, error.detail, messages.ERROR)
            return HttpResponseRedirect(admin_url("accounts_apikey"))

    def _show_once(self, request: HttpRequest, key: ApiKey, text: str) -> None:
        message = (
            "Here is the key “{}” of {}. <strong>It is shown this once</strong>: copy it now. "
            '<code class="api-key">{}</code>'
        )
        self.message_user(request, format_html(message, key.name, key.tenant, text), messages.SUCCESS)

    # What is shown
    @display(description="Key", ordering="prefix")
    def show_prefix(self, key: ApiKey) -> SafeString:
        """Its beginning."""
        return format_html("<code>ck_{}_…</code>", key.prefix)

    @display(description="Good for")
    def show_scopes(self, key: ApiKey) -> str:
        """Its scopes."""
        return ", ".join(key.scopes) or "nothing"

    @display(description="State", label=STATE_LOOKS)
    def show_state(self, key: ApiKey) -> str:
        """Whether it opens anything."""
        if key.revoked_at is not None:
            return "revoked"
        if key.expires_at and key.expires_at <= timezone.now():
            return "expired"
        if key.tenant.deleted_at is not None:
            return "tenant deleted"
        return "replaced" if key.rotated_at else "works"

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only those that would change something."""
        key = only(ApiKey.objects.select_related("tenant"), object_id).first()
        fitting = {"works": ("_rotate_this", "_revoke_this"), "revoked": ()}
        names = fitting.get(self.show_state(key), ("_revoke_this",)) if key else ()
        found: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [one for one in found if one.action_name.endswith(names)]

    # Actions
    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """They stop working at once."""
        count = revoke_api_keys(api_key_ids=queryset.values_list("id", flat=True), who=staff_of(request))
        text = f"Revoked: {count}. " + ("They do not work any more." if count else "There was nothing to do.")
        self.message_user(request, text, messages.SUCCESS if count else messages.WARNING)

    revoke_this = for_the_open_one(
        revoke,
        "block",
        dialog("Revoke this key?", "What uses it is refused at once. This cannot be undone.", "Revoke it"),
        description="Revoke",
        is_gone=True,
    )

    @action(
        description="Replace", icon="sync_lock", permissions=["rotate"],
        dialog=dialog(
            "Replace this key?",
            "A new key of the same kind is made and shown once. The old one goes on for a while, so that what uses it "
            "can change over.",
            "Replace it",
            GraceForm,
        ),
    )  # fmt: skip
    def rotate_this(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        """Make a new key instead of this one, and show it."""
        key = only(ApiKey.objects.select_related("tenant"), object_id).first()
        if key is not None:
            self._rotate(request, key, timedelta(seconds=form.cleaned_data["grace"]))
        return go_to(admin_url("accounts_apikey"))

    def _rotate(self, request: HttpRequest, key: ApiKey, grace: timedelta) -> None:
        try:
            made, text = rotate_api_key(api_key=key, grace=grace, who=staff_of(request))
        except ChatifyError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return
        self._show_once(request, made, text)
        if grace:
            key.refresh_from_db()
            self.message_user(request, f"The old key works until {when(key.expires_at)} UTC.", messages.INFO)
