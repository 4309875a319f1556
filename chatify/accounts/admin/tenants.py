"""Staff's page for tenants: who they are, who owns them, what they may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chatify.accounts.admin.figures import usage_this_month
from chatify.accounts.admin.tenant_forms import LimitsInline, MemberInline, TenantForm, limit_in_words
from chatify.accounts.admin_base import (
    STYLES,
    DeletedFilter,
    StaffAdmin,
    admin_url,
    dialog,
    display,
    for_the_open_one,
    link,
    listed,
    only,
    pairs,
    staff_of,
    time_column,
)
from chatify.accounts.allowances import allowances_of
from chatify.accounts.audit import record
from chatify.accounts.models import ApiKey, Membership, Tenant, TenantLimits, Usage
from chatify.accounts.tenancy import delete_tenants, restore_tenants, update_tenant
from chatify.common.errors import ChatifyError

WRITTEN = ("name", "allowed_origins", "retention_days", "firestore_prefix")


@admin.register(Tenant)
class TenantAdmin(StaffAdmin[Tenant]):
    """Tenants. They are deleted softly, and stay as they are until they are restored."""

    form = TenantForm
    list_display = ("name", "slug", "show_state", "show_keys", "show_people", "show_created")
    show_created = time_column("created_at", "Created")
    show_deleted = time_column("deleted_at", "Deleted")
    list_filter = (DeletedFilter,)
    search_fields = ("name", "slug")
    ordering = ("slug",)  # the model's own would be lost in counting keys
    actions = ("delete", "restore")
    actions_detail = ("delete_this", "restore_this")

    class Media:
        css = STYLES

    # Who may
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A deleted one stays as it is."""
        is_gone = isinstance(obj, Tenant) and obj.deleted_at is not None
        return super().has_change_permission(request) and not is_gone

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may for good: every conversation of theirs would go."""
        return False

    def has_remove_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may delete tenants."""
        return request.user.has_perm("accounts.delete_tenant")

    def has_restore_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change tenants."""
        return request.user.has_perm("accounts.change_tenant")

    # What is shown
    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        """With the number of keys that work."""
        keys = Count("api_keys", filter=Q(api_keys__in=ApiKey.objects.working()))
        return super().get_queryset(request).annotate(keys=keys)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Tenant], search_term: str
    ) -> tuple[QuerySet[Tenant], bool]:
        """Deleted ones are not offered where forms ask for a tenant."""
        if request.resolver_match is not None and request.resolver_match.url_name == "autocomplete":
            queryset = queryset.filter(deleted_at=None)
        return super().get_search_results(request, queryset, search_term)

    def get_fieldsets(self, request: HttpRequest, obj: Tenant | None = None) -> list[Any]:
        """A new tenant says its name; the rest follows."""
        if obj is None:
            return [(None, {"fields": ("name", "slug", "firestore_prefix")})]
        may_change = self.has_change_permission(request, obj)
        origins = "allowed_origins" if may_change else "show_origins"
        times = ("show_created", "show_deleted") if obj.deleted_at else ("show_created",)
        shown: list[Any] = [] if may_change else [("Limits", {"fields": ("show_limits",)})]
        return [
            ("What it is", {"fields": (("name", "slug"), times)}),
            ("What there is", {"fields": (("show_keys", "show_usage"), "show_links")}),
            ("Browsers and data", {"fields": (origins, "retention_days", "firestore_prefix")}),
            *shown,
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> tuple[str, ...]:
        """The slug stays: settings and applications name it."""
        shown = ("show_created", "show_deleted", "show_keys", "show_usage", "show_links")
        return (*shown, "slug") if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Tenant | None) -> list[Any]:
        """Once it is there."""
        if obj is None:
            return []
        return [MemberInline, LimitsInline] if self.has_change_permission(request, obj) else [MemberInline]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Tenant | None = None) -> dict[str, Sequence[str]]:
        """A new tenant's slug follows its name."""
        return {} if obj else {"slug": ("name",)}

    @display(description="State", label={"active": "success", "deleted": "danger"})
    def show_state(self, tenant: Tenant) -> str:
        """Whether it can be used."""
        return "deleted" if tenant.deleted_at else "active"

    @display(description="Working keys", ordering="keys")
    def show_keys(self, tenant: Tenant) -> SafeString:
        """Their number, as a link."""
        return link(f"{admin_url('accounts_apikey')}?tenant__id__exact={tenant.id}", getattr(tenant, "keys", 0))

    @display(description="End users")
    def show_people(self, tenant: Tenant) -> SafeString:
        """A link to them. There may be too many to count on every visit."""
        return link(f"{admin_url('accounts_enduser')}?tenant__id__exact={tenant.id}", "Show")

    @display(description="Used this month")
    def show_usage(self, tenant: Tenant) -> str:
        """Tokens, of those allowed, and replies."""
        return usage_this_month(Usage.objects.filter(tenant=tenant), limit=allowances_of(tenant.id).tokens_per_month)

    @display(description="Its own")
    def show_links(self, tenant: Tenant) -> SafeString:
        """Where the rest of it is."""
        its = f"tenant__id__exact={tenant.id}"
        links = {
            "Characters": f"{admin_url('templates_app_prompttemplate')}?{its}",
            "End users": f"{admin_url('accounts_enduser')}?{its}",
            "Conversations": f"{admin_url('chat_sessions_chatsession')}?{its}",
            "Audit log": f"{admin_url('accounts_auditentry')}?tenant={tenant.id}",
        }
        return listed([link(address, text) for text, address in links.items()])

    @display(description="Allowed origins")
    def show_origins(self, tenant: Tenant) -> SafeString:
        """For who may look but not edit."""
        return listed(tenant.allowed_origins, is_long=True)

    @display(description="What it may use")
    def show_limits(self, tenant: Tenant) -> SafeString:
        """For who may look but not edit."""
        own = TenantLimits.objects.filter(tenant=tenant).first() or TenantLimits()
        return pairs([(own._meta.get_field(name).verbose_name, limit_in_words(own, name)) for name in settings.LIMITS])  # type: ignore[union-attr]

    # Saving
    def get_formset_kwargs(self, request: HttpRequest, obj: Tenant, inline: Any, prefix: str) -> dict[str, Any]:
        """What was sent without owners or limits leaves them as they are."""
        found: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        if "data" in found and f"{prefix}-TOTAL_FORMS" not in found["data"]:
            found["data"].update({f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"})
        return found

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        """Write what was changed, and note who did."""
        who = staff_of(request)
        if change:
            changes = {name: form.cleaned_data[name] for name in WRITTEN if name in form.cleaned_data}
            update_tenant(tenant=Tenant.objects.select_for_update().get(id=obj.id), changes=changes, who=who)
            return
        obj.save()
        record("tenant.created", who=who, tenant_id=obj.id, subject_id=obj.id)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Owners and limits, too."""
        super().save_related(request, form, formsets, change)
        fields = sorted({name for formset in formsets for name in _changed(formset)})
        if fields:
            tenant_id = form.instance.id
            record("tenant.updated", who=staff_of(request), tenant_id=tenant_id, subject_id=tenant_id, fields=fields)

    def response_add(self, request: HttpRequest, obj: Tenant, post_url_continue: str | None = None) -> HttpResponse:
        """The page of the new one: owners, origins and limits come next."""
        text = format_html("“{}” is there. Say who owns it and what it may use, then make it a key.", obj)
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(admin_url("accounts_tenant", "change", obj.id))

    # Actions
    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only the one that would change something."""
        tenant = only(Tenant.objects.all(), object_id).first()
        fitting: tuple[str, ...] = ("_restore_this",) if tenant and tenant.deleted_at else ("_delete_this",)
        if tenant is None or tenant.slug == settings.HOUSE_TENANT:
            fitting = tuple(name for name in fitting if name != "_delete_this")
        found: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [one for one in found if one.action_name.endswith(fitting)]

    @admin.action(description="Delete", permissions=["remove"])
    def delete(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        """Cut every access of theirs."""
        try:
            count = delete_tenants(tenant_ids=_ids(queryset), who=staff_of(request))
        except ChatifyError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return
        self._tell(request, "Deleted", count, "Every access of theirs is cut. Staff can restore what was deleted.")

    @admin.action(description="Restore", permissions=["restore"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        """Undo the deletion."""
        count = restore_tenants(tenant_ids=_ids(queryset), who=staff_of(request))
        self._tell(request, "Restored", count, "Keys and tokens that were not revoked work again.")

    delete_this = for_the_open_one(
        delete,
        "delete",
        dialog(
            "Delete this tenant?",
            "Its keys, tokens and sockets stop working at once, for all of its people. Staff can restore it.",
            "Delete it",
        ),
    )

    restore_this = for_the_open_one(
        restore,
        "restore_from_trash",
        dialog("Restore this tenant?", "Keys and tokens that were not revoked work again.", "Restore it"),
    )

    def _tell(self, request: HttpRequest, done: str, count: int, note: str) -> None:
        tenants = f"{count} tenant{'' if count == 1 else 's'}"
        text = f"{done}: {tenants}. {note}" if count else f"{done}: none; there was nothing to do."
        self.message_user(request, text, messages.SUCCESS if count else messages.WARNING)


def _ids(rows: QuerySet[Tenant]) -> list[Any]:
    return list(rows.values_list("id", flat=True))


def _changed(formset: Any) -> set[str]:
    """What a formset wrote, as the audit log names it."""
    if formset.model is Membership:
        return {"owners"} if formset.new_objects or formset.changed_objects or formset.deleted_objects else set()
    return {name for form in formset.forms for name in form.changed_data if name in settings.LIMITS}
