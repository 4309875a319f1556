"""Staff's pages for those who use Chatify: people who sign in, tenants, their API keys and their end users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chatify.accounts.admin_base import (
    NumberInput,
    StaffAdmin,
    StaffForm,
    TagsField,
    UncountedPaginator,
    action,
    admin_url,
    dialog,
    display,
    go_to,
    link,
    only,
    time_column,
)
from chatify.accounts.credentials import create_api_key
from chatify.accounts.models import ApiKey, EndUser, Tenant, User
from chatify.accounts.profile import MAX_AGE, MAX_INTEREST, MAX_INTERESTS

if TYPE_CHECKING:
    from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
else:
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm


# People who sign in -------------------------------------------------------------------------------
class _LowerCaseEmail:
    """Addresses are stored in lower case, as `UserManager` has them."""

    cleaned_data: dict[str, Any]

    def clean_email(self) -> str:
        """The address in lower case."""
        return str(self.cleaned_data["email"]).lower()


class StaffCreationForm(_LowerCaseEmail, UserCreationForm):  # type: ignore[type-arg]
    """A new person, with a password."""

    class Meta:
        model = User
        fields = ("email", "name")


class StaffChangeForm(_LowerCaseEmail, UserChangeForm):  # type: ignore[type-arg]
    """A person; the password has a page of its own."""

    class Meta:
        model = User
        fields = "__all__"


@admin.register(User)
class UserAdmin(DjangoUserAdmin, StaffAdmin[User]):  # type: ignore[type-arg]
    """People who sign in. Rights are given by superusers only, or whoever may edit people could do everything."""

    form = StaffChangeForm
    add_form = StaffCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "show_role", "is_active", "show_last_login")
    show_last_login = time_column("last_login", "Last sign-in")
    show_created = time_column("created_at", "Created")
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("show_last_login", "show_created")
    fieldsets = (
        ("Who it is", {"fields": ("email", "name", "password")}),
        ("What they may do", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("When", {"fields": (("show_last_login", "show_created"),)}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "password1", "password2")}),)
    rights = ("is_staff", "is_superuser", "groups", "user_permissions")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Rights, too, for who is no superuser."""
        fixed = tuple(super().get_readonly_fields(request, obj))
        return fixed if _is_superuser(request) else (*fixed, *self.rights)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A superuser is changed by superusers only: whoever sets a password can sign in with it."""
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody deletes themself, nor a superuser without being one."""
        return super().has_delete_permission(request, obj) and _may_touch(request, obj) and obj != request.user

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without deleting many at once, which would not ask who they are."""
        return {name: found for name, found in super().get_actions(request).items() if name != "delete_selected"}

    @display(description="Role", label={"superuser": "primary", "staff": "info", "person": "default"})
    def show_role(self, user: User) -> str:
        """What they are."""
        return "superuser" if user.is_superuser else "staff" if user.is_staff else "person"


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    return _is_superuser(request) or not (isinstance(user, User) and user.is_superuser)


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, StaffAdmin[Group]):
    """Groups of rights for staff."""


# Tenants and their keys ---------------------------------------------------------------------------
@admin.register(Tenant)
class TenantAdmin(StaffAdmin[Tenant]):
    """Tenants. They are not deleted here: with them every conversation of theirs would go."""

    list_display = ("name", "slug", "show_keys", "show_people", "show_created")
    show_created = time_column("created_at", "Created")
    search_fields = ("name", "slug")
    readonly_fields = ("show_created", "show_people", "show_keys")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        """With the number of keys that work."""
        lasts = Q(api_keys__expires_at=None) | Q(api_keys__expires_at__gt=Now())
        keys = Count("api_keys", filter=Q(lasts, api_keys__revoked_at=None))
        return super().get_queryset(request).annotate(keys=keys)

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> tuple[str, ...]:
        """The slug stays: settings and applications name it."""
        return (*self.readonly_fields, "slug") if obj else tuple(self.readonly_fields)

    def get_fields(self, request: HttpRequest, obj: Tenant | None = None) -> tuple[str, ...]:
        """What a new tenant has not got yet is left out."""
        return ("name", "slug", "show_created", "show_people", "show_keys") if obj else ("name", "slug")

    def get_prepopulated_fields(self, request: HttpRequest, obj: Tenant | None = None) -> dict[str, Sequence[str]]:
        """A new tenant's slug follows its name."""
        return {} if obj else {"slug": ("name",)}

    def has_delete_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        """Nobody may."""
        return False

    @display(description="Working keys")
    def show_keys(self, tenant: Tenant) -> SafeString:
        """Their number, as a link."""
        return link(f"{admin_url('accounts_apikey')}?tenant__id__exact={tenant.id}", getattr(tenant, "keys", 0))

    @display(description="End users")
    def show_people(self, tenant: Tenant) -> SafeString:
        """A link to them. There may be too many to count on every visit."""
        return link(f"{admin_url('accounts_enduser')}?tenant__id__exact={tenant.id}", "Show")


class ApiKeyForm(StaffForm[ApiKey]):
    """A key's name and how long it works."""

    class Meta:
        model = ApiKey
        fields = ("tenant", "name", "expires_at")
        help_texts: ClassVar = {
            "name": "Where it is used, to know which one to revoke some day.",
            "expires_at": "UTC. Empty: it works until it is revoked.",
        }


@admin.register(ApiKey)
class ApiKeyAdmin(StaffAdmin[ApiKey]):
    """API keys: made here, shown once, revoked, never deleted, so that a trace stays."""

    form = ApiKeyForm
    list_display = ("name", "show_prefix", "tenant", "show_state", "show_created", "show_expires")
    show_created = time_column("created_at", "Created")
    show_expires = time_column("expires_at", "Expires")
    show_revoked = time_column("revoked_at", "Revoked")
    list_filter = ("tenant", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("tenant",)
    search_fields = ("name", "prefix", "tenant__name")
    actions = ("revoke",)
    actions_detail = ("revoke_this",)
    autocomplete_fields = ("tenant",)
    warn_unsaved_form = False

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        """What a new key has not got yet is left out."""
        asked = ("tenant", "name", "expires_at")
        return ("show_state", "show_prefix", *asked, "show_created", "show_revoked") if obj else asked

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        """All but the name and the end, and these too once it is revoked."""
        fixed = ("show_state", "show_prefix", "show_created", "show_revoked", "tenant")
        return () if obj is None else fixed if obj.revoked_at is None else (*fixed, "name", "expires_at")

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """Nobody may: they are revoked."""
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """A new key is made where keys are made; its text is kept for the one answer that shows it."""
        if change:
            obj.save(update_fields=["name", "expires_at"])
            return
        made, key = create_api_key(tenant=obj.tenant, name=obj.name, expires_at=obj.expires_at)
        obj.__dict__.update(made.__dict__)
        request.new_api_key = key  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Show the key, this once, on the list."""
        text = (
            "Here is the key “{}” of {}. <strong>It is shown this once</strong>: copy it now. "
            '<code class="api-key">{}</code>'
        )
        key = request.new_api_key  # type: ignore[attr-defined]
        self.message_user(request, format_html(text, obj.name, obj.tenant, key), messages.SUCCESS)
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
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **buttons})

    @display(description="Key", ordering="prefix")
    def show_prefix(self, key: ApiKey) -> SafeString:
        """Its beginning."""
        return format_html("<code>ck_{}_…</code>", key.prefix)

    @display(description="State", label={"works": "success", "revoked": "danger", "expired": "warning"})
    def show_state(self, key: ApiKey) -> str:
        """Whether it opens anything."""
        if key.revoked_at is not None:
            return "revoked"
        return "expired" if key.expires_at and key.expires_at <= timezone.now() else "works"

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """They stop working at once."""
        count = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        self.message_user(request, f"Revoked: {count}. They do not work any more.", messages.SUCCESS)

    @action(
        description="Revoke",
        icon="block",
        permissions=["change"],
        dialog=dialog("Revoke this key?", "What uses it is refused at once. This cannot be undone.", "Revoke it"),
    )
    def revoke_this(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        """The same for one key."""
        self.revoke(request, only(ApiKey.objects.all(), object_id))
        return go_to(admin_url("accounts_apikey"))


# End users ----------------------------------------------------------------------------------------
class EndUserForm(StaffForm[EndUser]):
    """What is known about an end user, within the limits that the API has."""

    age = forms.IntegerField(
        required=False, min_value=0, max_value=MAX_AGE, widget=NumberInput(),
        help_text="Unknown counts as under age: adult personalities are then refused.",
    )  # fmt: skip
    interests = TagsField(
        max_items=MAX_INTERESTS, max_item_length=MAX_INTEREST, help_text="With commas in between: jazz, cooking."
    )

    class Meta:
        model = EndUser
        fields = ("name", "age", "interests", "style")


@admin.register(EndUser)
class EndUserAdmin(StaffAdmin[EndUser]):
    """End users. They come through the API, so none is added here; their profiles can be put right."""

    form = EndUserForm
    list_display = ("__str__", "external_id", "tenant", "age", "show_interests", "show_created")
    show_created = time_column("created_at", "First seen")
    show_updated = time_column("updated_at", "Changed")
    list_filter = ("tenant",)
    list_select_related = ("tenant",)
    list_disable_select_all = True
    search_fields = ("external_id", "name")
    ordering = ("-id",)  # as created, and the key of the table: fast whatever its size
    paginator = UncountedPaginator
    show_full_result_count = False
    readonly_fields = ("external_id", "tenant", "show_conversations", "show_created", "show_updated")
    fieldsets = (
        ("Who it is", {"fields": ("external_id", "tenant", "show_conversations")}),
        ("What personalities know", {"fields": ("name", "age", "interests", "style")}),
        ("When", {"fields": (("show_created", "show_updated"),)}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody may: applications name their end users."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: EndUser | None = None) -> bool:
        """Nobody may: erasing somebody is more than deleting a row."""
        return False

    @display(description="Interests")
    def show_interests(self, user: EndUser) -> str:
        """The list as a line."""
        return ", ".join(map(str, user.interests))

    @display(description="Conversations")
    def show_conversations(self, user: EndUser) -> SafeString:
        """A link to them."""
        address = f"{admin_url('chat_sessions_chatsession')}?end_user__id__exact={user.id}&deleted=all"
        return link(address, "Show the conversations of this person")
