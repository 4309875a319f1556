"""Staff's page for people who sign in, and their groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chatify.accounts.admin_base import (
    STYLES,
    AuditedAdmin,
    StaffAdmin,
    action,
    admin_url,
    dialog,
    display,
    go_to,
    link,
    listed,
    only,
    soft,
    staff_of,
    time_column,
    when,
)
from chatify.accounts.emails import normal_email
from chatify.accounts.models import Login, User
from chatify.accounts.people import rename_person
from chatify.accounts.signing_in import sign_out_everywhere

if TYPE_CHECKING:
    from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
else:
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

SIGN_INS = 20
"""How many of the latest are shown."""


class _NormalEmail:
    """Addresses are stored as people sign in with them."""

    cleaned_data: dict[str, Any]

    def clean_email(self) -> str:
        """The address in lower case."""
        return normal_email(self.cleaned_data["email"])


class StaffCreationForm(_NormalEmail, UserCreationForm):  # type: ignore[type-arg]
    """A new person, with a password."""

    class Meta:
        model = User
        fields = ("email", "name")


class StaffChangeForm(_NormalEmail, UserChangeForm):  # type: ignore[type-arg]
    """A person; the password has a page of its own."""

    class Meta:
        model = User
        fields = "__all__"


@admin.register(User)
class UserAdmin(AuditedAdmin, DjangoUserAdmin, StaffAdmin[User]):  # type: ignore[type-arg]
    """People who sign in. Rights are given by superusers only, or whoever may edit people could do everything."""

    audited_as = "person"
    form = StaffChangeForm
    add_form = StaffCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "show_role", "is_active", "show_last_login")
    show_last_login = time_column("last_login", "Last sign-in")
    show_created = time_column("created_at", "Created")
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("show_last_login", "show_created", "show_tenants", "show_logins")
    fieldsets = (
        ("Who it is", {"fields": ("email", "name", "password")}),
        (
            "What they own, and when they came",
            {"fields": ("show_tenants", ("show_last_login", "show_created"), "show_logins")},
        ),
        ("What they may do", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "password1", "password2")}),)
    rights = ("is_staff", "is_superuser", "groups", "user_permissions")
    actions_detail = ("sign_out_this",)

    class Media:
        css = STYLES

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Rights, too, for who is no superuser."""
        fixed = tuple(super().get_readonly_fields(request, obj))
        return fixed if _is_superuser(request) else (*fixed, *self.rights)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Staff are changed by superusers and themselves only: whoever sets a password can sign in with it."""
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody deletes themself, nor other staff without being a superuser."""
        return super().has_delete_permission(request, obj) and _may_touch(request, obj) and obj != request.user

    def has_sign_out_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change this person. unfold asks with the id."""
        return self.has_change_permission(request, only(User.objects.all(), obj).first())

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """The name is also that of the end user that they are."""
        super().save_model(request, obj, form, change)
        if change and "name" in form.changed_data:
            rename_person(user=obj, name=obj.name)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without deleting many at once, which would not ask who they are."""
        return {name: found for name, found in super().get_actions(request).items() if name != "delete_selected"}

    @display(description="Role", label={"superuser": "primary", "staff": "info", "person": "default"})
    def show_role(self, user: User) -> str:
        """What they are."""
        return "superuser" if user.is_superuser else "staff" if user.is_staff else "person"

    @display(description="Tenants")
    def show_tenants(self, user: User) -> SafeString:
        """Those that they own."""
        owned = [membership.tenant for membership in user.memberships.select_related("tenant")]
        return listed(
            [
                format_html(
                    "{}{}",
                    link(admin_url("accounts_tenant", "change", tenant.id), tenant),
                    " (deleted)" if tenant.deleted_at else "",
                )
                for tenant in owned
            ]
        )

    @display(description="Latest sign-ins")
    def show_logins(self, user: User) -> SafeString:
        """When, and what became of them."""
        latest = list(user.logins.select_related("user")[: SIGN_INS + 1])
        lines = [format_html("{} {}", when(one.created_at), soft(_fate(one))) for one in latest[:SIGN_INS]]
        more = [soft("and earlier ones")] if len(latest) > SIGN_INS else []
        return listed([*lines, *more], "none lately", is_long=True)

    @action(
        description="Sign out everywhere", icon="logout", permissions=["sign_out"],
        dialog=dialog(
            "Sign this person out everywhere?",
            "Every sign-in ends, in applications and in browsers. The password stays: they can sign in again.",
            "Sign out",
        ),
    )  # fmt: skip
    def sign_out_this(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        """End all that they are signed in with."""
        user = only(User.objects.all(), object_id).first()
        if user is not None:
            kept = request.session.session_key
            count = sign_out_everywhere(user=user, kept_browser=kept, who=staff_of(request))
            here = " This browser stays signed in." if user == request.user else ""
            self.message_user(request, f"Ended: {count} sign-in{'' if count == 1 else 's'}.{here}", messages.SUCCESS)
        return go_to(admin_url("accounts_user", "change", object_id))


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    if _is_superuser(request) or not isinstance(user, User) or user == request.user:
        return True
    if user.memberships.exists() and not request.user.has_perm("accounts.add_membership"):
        return False  # whoever sets an owner's password owns the tenant
    return not (user.is_staff or user.is_superuser)


def _fate(login: Login) -> str:
    if login.ended_at is not None:
        return f"ended {when(login.ended_at)}"
    if login.is_working:
        return "signed in"
    return "ended by a new password" if login.user.is_active else "cannot sign in now"


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, StaffAdmin[Group]):
    """Groups of rights for staff."""

    class Media:
        css = STYLES
