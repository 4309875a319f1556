"""Staff's page for end users: their profile, their data, and its end."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.safestring import SafeString

from chatify.accounts.admin.figures import usage_this_month
from chatify.accounts.admin_base import (
    STYLES,
    AuditedAdmin,
    DialogForm,
    NumberInput,
    StaffAdmin,
    StaffForm,
    TagsField,
    TextInput,
    UncountedPaginator,
    action,
    admin_url,
    as_uuid,
    dialog,
    display,
    go_to,
    link,
    only,
    staff_of,
    time_column,
)
from chatify.accounts.erasure import erase_end_user
from chatify.accounts.export import export_end_user
from chatify.accounts.models import EndUser
from chatify.accounts.profile import MAX_AGE, MAX_INTEREST, MAX_INTERESTS
from chatify.accounts.tenancy import end_tokens_of
from chatify.common.errors import ChatifyError


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
        fields: tuple[str, ...] = ("name", "age", "interests", "style")


class EraseForm(DialogForm):
    """Whoever erases somebody types whom."""

    external_id = forms.CharField(
        label="Type the external_id to confirm", widget=TextInput({"autocomplete": "off", "spellcheck": "false"})
    )

    def clean_external_id(self) -> str:
        """Raises ValidationError for another one."""
        user = only(EndUser.objects.all(), self.object_id).first()
        typed = str(self.cleaned_data["external_id"])
        if user is None or typed.strip() != user.external_id.strip():
            raise forms.ValidationError("This is not the external_id of the person on this page.")
        return typed


@admin.register(EndUser)
class EndUserAdmin(AuditedAdmin, StaffAdmin[EndUser]):
    """End users. They come through the API, so none is added here; their profiles can be put right."""

    audited_as = "user"
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
    readonly_fields: ClassVar[tuple[str, ...]] = (
        "external_id",
        "tenant",
        "show_conversations",
        "show_usage",
        "show_created",
        "show_updated",
    )
    actions_detail: tuple[str, ...] = ("export_this", "end_tokens_of_this", "erase_this")

    class Media:
        css = STYLES

    # Who may
    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody may: applications name their end users."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: EndUser | None = None) -> bool:
        """Nobody may: erasing somebody is more than deleting a row."""
        return False

    def has_export_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change end users and read conversations, which are most of it."""
        return self.has_change_permission(request) and request.user.has_perm("chat_sessions.view_chatsession")

    def has_erase_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may delete end users."""
        return request.user.has_perm("accounts.delete_enduser")

    # What is shown
    def get_fieldsets(self, request: HttpRequest, obj: EndUser | None = None) -> list[Any]:
        """Interests are a list for who may only look."""
        interests = "interests" if self.has_change_permission(request, obj) else "show_interests"
        return [
            ("Who it is", {"fields": (("external_id", "tenant"), ("show_conversations", "show_usage"))}),
            ("What personalities know", {"fields": ("name", "age", interests, "style")}),
            ("When", {"fields": (("show_created", "show_updated"),)}),
        ]

    @display(description="Interests")
    def show_interests(self, user: EndUser) -> str:
        """The list as a line."""
        return ", ".join(map(str, user.interests))

    @display(description="Conversations")
    def show_conversations(self, user: EndUser) -> SafeString:
        """A link to them."""
        address = f"{admin_url('chat_sessions_chatsession')}?person={user.id}&deleted=all"
        return link(address, "Show the conversations of this person")

    @display(description="Used this month")
    def show_usage(self, user: EndUser) -> str:
        """Tokens and replies."""
        return usage_this_month(user.usage.all())

    # Saving
    def save_model(self, request: HttpRequest, obj: EndUser, form: Any, change: bool) -> None:
        """Only what was changed: the rest of the row is others' to write, who may have done so meanwhile."""
        obj.save(update_fields=[*form.changed_data, "updated_at"])

    # Actions
    @action(description="Export", icon="download", permissions=["export"])
    def export_this(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Everything about this person, as the API exports it."""
        user = only(EndUser.objects.select_related("tenant"), object_id).first()
        if user is None:
            return HttpResponseRedirect(admin_url("accounts_enduser"))
        return export_end_user(end_user=user, who=staff_of(request))

    @action(
        description="End tokens", icon="key_off", permissions=["change"],
        dialog=dialog(
            "End this person's tokens?",
            "Browsers and apps that have one are refused and disconnected, until the application gives them another.",
            "End them",
        ),
    )  # fmt: skip
    def end_tokens_of_this(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        """All that were issued until now are good for nothing."""
        user = only(EndUser.objects.all(), object_id).first()
        if user is not None:
            end_tokens_of(end_user=user, who=staff_of(request))
            self.message_user(request, "Every token issued until now is refused.", messages.SUCCESS)
        return go_to(admin_url("accounts_enduser", "change", object_id))

    @action(
        description="Erase", icon="delete_forever", permissions=["erase"],
        dialog=dialog(
            "Erase this person for good?",
            "The profile and all conversations go, everywhere and for good. If they may be needed, export them first.",
            "Erase for good",
            EraseForm,
        ),
    )  # fmt: skip
    def erase_this(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        """Erase who was typed."""
        end_user_id = as_uuid(object_id)
        if end_user_id is not None:
            try:
                erase_end_user(end_user_id=end_user_id, who=staff_of(request))
                self.message_user(request, "The person is erased.", messages.SUCCESS)
            except ChatifyError as error:
                self.message_user(request, error.detail, messages.ERROR)
        return go_to(admin_url("accounts_enduser"))
