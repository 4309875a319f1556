"""What memory adds to the page of an end user: what is remembered, and which personality they prefer."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chatify.accounts.admin import EndUserAdmin
from chatify.accounts.admin.end_users import EndUserForm
from chatify.accounts.admin_base import (
    Choice,
    action,
    admin_url,
    as_uuid,
    dialog,
    display,
    go_to,
    link,
    listed,
    soft,
    staff_of,
)
from chatify.accounts.models import EndUser
from chatify.memory.actions import forget_everything
from chatify.memory.admin.memories import memories_of
from chatify.memory.models import Memory
from templates_app.models import PromptTemplate

SHOWN = 20
"""So many memories are on the page; a link leads to the others."""

_NOBODY = "nobody: it is chosen by rules"


class RememberedUserForm(EndUserForm):
    """The profile, with the preferred personality."""

    preferred_template = forms.ChoiceField(
        label="Preferred personality",
        required=False,
        widget=Choice(),
        help_text="Answers when the application names none.",
    )

    class Meta(EndUserForm.Meta):
        fields = (*EndUserForm.Meta.fields, "preferred_template")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if field := self.fields.get("preferred_template"):
            field.choices = _choices(self.instance)  # type: ignore[attr-defined]


admin.site.unregister(EndUser)


@admin.register(EndUser)
class RememberedEndUserAdmin(EndUserAdmin):
    """End users, with what is remembered about them."""

    form = RememberedUserForm
    readonly_fields = (*EndUserAdmin.readonly_fields, "show_memories", "show_preferred")
    actions_detail = ("export_this", "end_tokens_of_this", "forget_this", "erase_this")

    # Who may
    def has_forget_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may delete memories."""
        return request.user.has_perm("memory.delete_memory")

    # What is shown
    def get_fieldsets(self, request: HttpRequest, obj: EndUser | None = None) -> list[Any]:
        """With what is remembered, for who may see that."""
        who, known, *rest = super().get_fieldsets(request, obj)
        preferred = "preferred_template" if self.has_change_permission(request, obj) else "show_preferred"
        known = (known[0], {"fields": (*known[1]["fields"], preferred)})
        may_see = any(request.user.has_perm(f"memory.{verb}_memory") for verb in ("view", "change"))
        remembered = [("What is remembered", {"fields": ("show_memories",)})] if may_see else []
        return [who, known, *remembered, *rest]

    @display(description="Preferred personality")
    def show_preferred(self, user: EndUser) -> str:
        """By name, for who may look but not edit."""
        return dict(_choices(user))[user.preferred_template]

    @display(description="Memories")
    def show_memories(self, user: EndUser) -> SafeString:
        """The newest, each with a link to its page."""
        found = list(Memory.objects.filter(end_user=user)[: SHOWN + 1])
        if not found:
            return soft("Nothing yet. What is worth remembering is looked for when a conversation ends.")
        rows = [
            format_html("{} {}", link(admin_url("memory_memory", "change", one.id), one.text), soft(f"· {one.kind}"))
            for one in found[:SHOWN]
        ]
        more = [link(memories_of(user.id), "Show all")] if len(found) > SHOWN else []
        return listed([*rows, *more], is_long=True)

    # Actions
    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Without forgetting, where nothing is remembered."""
        found: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        if Memory.objects.filter(end_user_id=as_uuid(object_id)).exists():
            return found
        return [one for one in found if not one.action_name.endswith("_forget_this")]

    @action(
        description="Forget", icon="memory_alt", permissions=["forget"],
        dialog=dialog(
            "Forget what is remembered about this person?",
            "All memories go for good. Conversations stay, and what is said from now on is remembered again.",
            "Forget everything",
        ),
    )  # fmt: skip
    def forget_this(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        """Forget all memories of the one that is open."""
        end_user_id = as_uuid(object_id)
        deleted = forget_everything(end_user_id=end_user_id, who=staff_of(request)) if end_user_id else 0
        count = f"{deleted} {'memory' if deleted == 1 else 'memories'}" if deleted else "nothing; none was there"
        self.message_user(request, f"Forgotten: {count}.", messages.SUCCESS if deleted else messages.WARNING)
        return go_to(admin_url("accounts_enduser", "change", object_id))


def _choices(user: EndUser) -> list[tuple[str, str]]:
    """The personalities on offer to this person's tenant, nobody, and whoever is preferred although gone."""
    offered = PromptTemplate.objects.on_offer_to(user.tenant_id).values_list("slug", "name")
    found = {"": _NOBODY, **dict(offered.order_by("name"))}
    if user.preferred_template not in found:
        found[user.preferred_template] = f"{user.preferred_template} (not on offer)"
    return list(found.items())
