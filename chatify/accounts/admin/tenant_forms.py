"""What staff enter about a tenant: its form, its owners, its limits."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from chatify.accounts.admin_base import StaffForm, StaffInline, StaffStackedInline, TextArea, TextInput, time_column
from chatify.accounts.models import Membership, Tenant, TenantLimits
from chatify.accounts.origins import MAX_ORIGINS, normal_origin
from chatify.accounts.prefixes import normal_prefix, objection_to

LIMITS_HELP = "Empty: the server's default, as shown. 0: no limit."


class OriginsField(forms.CharField):
    """Web origins, one per line."""

    widget = TextArea({"rows": 4, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        """The list as people edit it; what they typed stays."""
        return "\n".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compared as lists: a wrong one is a change."""
        try:
            return (initial or []) != self.clean(data)
        except ValidationError:
            return True

    def clean(self, value: Any) -> list[str]:
        """As browsers write them, each once. Raises ValidationError for every line that is none."""
        found: dict[str, None] = {}
        wrong: list[str] = []
        for line in filter(None, map(str.strip, str(super().clean(value)).splitlines())):
            origin = normal_origin(line)
            if origin is None:
                wrong.append(f"“{line[:80]}” is no web origin; one looks like https://example.com.")
            else:
                found[origin] = None
        if len(found) > MAX_ORIGINS:
            wrong.append(f"These are {len(found)}; at most {MAX_ORIGINS} are allowed.")
        if wrong:
            raise ValidationError(wrong)
        return list(found)


class PrefixField(forms.CharField):
    """A document in Firestore, or nothing."""

    widget = TextInput({"spellcheck": "false", "placeholder": "tenants/acme"})

    def to_python(self, value: Any) -> str:
        """Without slashes around it. Raises ValidationError for what is no document."""
        try:
            return normal_prefix(super().to_python(value) or "")
        except ValueError as error:
            raise ValidationError(str(error)) from None


class TenantForm(StaffForm[Tenant]):
    """What a tenant is called, and what it may do with browsers and data."""

    allowed_origins = OriginsField(
        required=False,
        help_text="One per line, such as https://example.com: pages from there may use its end users' tokens.",
    )

    firestore_prefix = PrefixField(
        required=False,
        help_text="Document below which its collections are in Firestore, such as tenants/acme. Empty: at the top, "
        "together with those of others. When this is changed, nothing is moved by itself: what happens from then on "
        "is written to the new place, and what was written before stays in the old one, which nobody else can have, "
        "until somebody runs manage.py firestore_sync --rebuild --tenant with its slug. That writes everything to the "
        "new place and removes it from the old one.",
    )

    class Meta:
        model = Tenant
        fields = ("name", "slug", "allowed_origins", "retention_days", "firestore_prefix")
        labels: ClassVar = {"retention_days": "Keep conversations for so many days"}
        help_texts: ClassVar = {
            "retention_days": "Without activity for longer they are erased for good, soon after this is saved. "
            "Empty: they are kept."
        }

    def clean_firestore_prefix(self) -> str:
        """Two tenants in one place would overwrite each other's personalities."""
        prefix: str = self.cleaned_data["firestore_prefix"]
        if objection := objection_to(self.instance, prefix):
            raise ValidationError(objection)
        return prefix


class MemberInline(StaffInline[Membership, Tenant]):
    """Who owns the tenant."""

    model = Membership
    fields = ("user", "show_since")
    readonly_fields = ("show_since",)
    show_since = time_column("created_at", "Since")
    autocomplete_fields = ("user",)
    verbose_name = "owner"
    verbose_name_plural = "owners"
    extra = 0
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """With the people."""
        return super().get_queryset(request).select_related("user")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever owns a tenant reaches its data: that takes a right of its own."""
        return super().has_add_permission(request, obj) and request.user.has_perm("accounts.change_tenant")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may: one is taken out, another put in."""
        return False


class LimitsForm(StaffForm[TenantLimits]):
    """Limits, with what counts where none is set."""

    class Meta:
        model = TenantLimits
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in settings.LIMITS:
            self.fields[name].widget.attrs["placeholder"] = limit_in_words(TenantLimits(), name)


class LimitsInline(StaffStackedInline[TenantLimits, Tenant]):
    """What it may use. Part of the tenant: who may change that may change this."""

    model = TenantLimits
    form = LimitsForm
    fieldsets = (
        (
            None,
            {
                "description": format_html('<span class="note">{}</span>', LIMITS_HELP),
                "fields": (
                    ("key_requests_per_minute", "person_requests_per_minute"),
                    ("user_messages_per_minute", "session_messages_per_minute"),
                    ("tokens_per_day", "tokens_per_month"),
                    ("user_tokens_per_day", "user_tokens_per_month"),
                    "concurrent_replies",
                ),
            },
        ),
    )
    can_delete = False
    extra = max_num = 1
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for changing the tenant; others read them as words."""
        return request.user.has_perm("accounts.change_tenant")

    has_change_permission = has_view_permission = has_add_permission


def limit_in_words(own: TenantLimits, name: str) -> str:
    """A limit, and whether it is the server's default."""
    value: int | None = getattr(own, name)
    number = settings.LIMITS[name] if value is None else value
    return (f"{number:,}" if number else "no limit") + (" (default)" if value is None else "")
