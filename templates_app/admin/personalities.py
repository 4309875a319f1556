"""Staff's page for personalities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from chatify.accounts.admin_base import (
    DeletedFilter,
    StaffAdmin,
    admin_url,
    dialog,
    display,
    for_the_open_one,
    only,
    time_column,
)
from chatify.common.errors import Conflict
from templates_app.actions import Draft, delete_personality, restore_personality, save_personality
from templates_app.admin.versions import STYLES, VersionInline, author_of
from templates_app.forms import PersonalityForm
from templates_app.models import PromptTemplate, PromptVersion
from templates_app.rendering import Values, build_system_prompt

SAMPLE = Values(
    user_name="Ada",
    user_age=28,
    user_interests=("jazz", "bread baking", "long walks"),
    user_style="playful",
    part_of_day="evening",
    topics="a trip to Lisbon",
    mood="curious",
)
"""The person for whom the preview is rendered."""

HOW_IT_TALKS = (
    "system_prompt", "personality_traits", "temperature", "max_tokens", "context_tokens", "model_name",
)  # fmt: skip

_IN_USE = "{} has had conversations, which need it. Deactivate it instead: it takes no new ones then."


@admin.register(PromptTemplate)
class PersonalityAdmin(StaffAdmin[PromptTemplate]):
    """Personalities. A changed prompt is saved as a new version; running conversations keep theirs."""

    form = PersonalityForm
    inlines = (VersionInline,)
    list_display = ("show_name", "slug", "show_tenant", "show_marks", "is_active", "show_version", "show_updated")
    show_updated = time_column("updated_at", "Updated")
    list_filter = ("is_active", "adult_only", "is_default", DeletedFilter, "tenant")
    list_select_related = ("tenant", "current_version")
    search_fields = ("name", "slug", "description")
    actions = ("activate", "deactivate", "make_default", "restore")
    actions_detail = ("make_default_this", "activate_this", "deactivate_this", "restore_this")
    autocomplete_fields = ("tenant",)

    class Media:
        css = STYLES

    # Who may
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As rights say; what is deleted is only read and restored."""
        is_deleted = getattr(obj, "deleted_at", None) is not None  # it may also be an id
        return not is_deleted and super().has_change_permission(request, obj)

    def has_restore_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may edit personalities."""
        return request.user.has_perm("templates_app.change_prompttemplate")

    # What is shown
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[PromptTemplate], search_term: str
    ) -> tuple[QuerySet[PromptTemplate], bool]:
        """Deleted ones are not offered where forms ask for a personality."""
        if request.resolver_match is not None and request.resolver_match.url_name == "autocomplete":
            queryset = queryset.filter(deleted_at=None)
        return super().get_search_results(request, queryset, search_term)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromptTemplate]:
        """With the version that the form shows."""
        return super().get_queryset(request).select_related("tenant", "current_version")

    def get_fieldsets(self, request: HttpRequest, obj: PromptTemplate | None = None) -> list[Any]:
        """Who it is, how it talks, who may have it; and how a prompt ends up, once there is one."""
        sections: list[Any] = [
            ("Who it is", {"fields": ("name", "slug", "description", "greeting", "welcome_back", "goodbye")}),
            ("How it talks", {"fields": HOW_IT_TALKS}),
            ("Who may have it", {"fields": ("is_active", "is_default", "adult_only", "tenant")}),
        ]
        if obj and self.has_change_permission(request, obj):
            sections[0][1]["fields"] += ("seen",)
        if obj:
            sections.append(("Preview", {"fields": ("show_preview",), "classes": ("collapse",)}))
        return sections

    def get_readonly_fields(self, request: HttpRequest, obj: PromptTemplate | None = None) -> tuple[str, ...]:
        """The slug stays as it is: applications name it."""
        return ("slug", "show_preview") if obj else ()

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: PromptTemplate | None = None
    ) -> dict[str, Sequence[str]]:
        """A new slug follows the name."""
        return {} if obj or not self.has_add_permission(request) else {"slug": ("name",)}

    def get_inlines(self, request: HttpRequest, obj: PromptTemplate | None) -> list[Any]:
        """A new one has no history."""
        return [VersionInline] if obj else []

    @display(description="Personality", header=True, ordering="name")
    def show_name(self, template: PromptTemplate) -> tuple[str, str]:
        """The name, and below what it is like."""
        return template.name, Truncator(template.description).chars(80)

    @display(description="Tenant", ordering="tenant__name")
    def show_tenant(self, template: PromptTemplate) -> str:
        """Whose it is."""
        return str(template.tenant) if template.tenant else "everybody"

    @display(description="Mark", label={"default": "primary", "adults": "warning", "deleted": "danger"})
    def show_marks(self, template: PromptTemplate) -> str:
        """What is special about it."""
        if template.deleted_at is not None:
            return "deleted"
        return "default" if template.is_default else "adults" if template.adult_only else ""

    @display(description="Version", ordering="current_version__number")
    def show_version(self, template: PromptTemplate) -> str:
        """The number of the current one."""
        return str(template.current_version.number) if template.current_version else "–"

    @display(description="As the model gets it")
    def show_preview(self, template: PromptTemplate) -> str:
        """The whole system prompt of the saved version for a sample person."""
        version = template.current_version
        if version is None:
            return "–"
        text = build_system_prompt(version.system_prompt, version.personality_traits, SAMPLE)
        return format_html('<pre class="prompt-text">{}</pre>', text)

    # The version's fields, for who may look but not edit: the form's own are not shown then.
    @display(description="System prompt")
    def system_prompt(self, template: PromptTemplate) -> SafeString:
        """The current version's."""
        return format_html('<pre class="prompt-text">{}</pre>', getattr(template.current_version, "system_prompt", ""))

    @display(description="Traits")
    def personality_traits(self, template: PromptTemplate) -> str:
        """The current version's."""
        return ", ".join(getattr(template.current_version, "personality_traits", ()))

    @display(description="Temperature")
    def temperature(self, template: PromptTemplate) -> str:
        """The current version's."""
        return str(getattr(template.current_version, "temperature", ""))

    @display(description="Token limit")
    def max_tokens(self, template: PromptTemplate) -> str:
        """The current version's."""
        return str(getattr(template.current_version, "max_tokens", ""))

    @display(description="Context budget")
    def context_tokens(self, template: PromptTemplate) -> str:
        """The current version's."""
        return str(getattr(template.current_version, "context_tokens", ""))

    @display(description="Model")
    def model_name(self, template: PromptTemplate) -> str:
        """The current version's."""
        return getattr(template.current_version, "model", "") or "the server's default"

    # Saving
    def save_model(self, request: HttpRequest, obj: PromptTemplate, form: Any, change: bool) -> None:
        """Save, and say when that made a version."""
        before = obj.current_version_id
        save_personality(template=obj, draft=form.draft, who=author_of(request))
        if obj.current_version is not None and obj.current_version_id != before:
            rest = "; running conversations keep theirs." if change else "."
            self.message_user(request, f"Saved as version {obj.current_version.number}{rest}", messages.SUCCESS)

    # Actions
    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[PromptTemplate]) -> None:
        """Put them on offer."""
        _switch(self, request, queryset, is_active=True)

    @admin.action(description="Deactivate", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[PromptTemplate]) -> None:
        """Take them off the offer; conversations that have them go on."""
        _switch(self, request, queryset, is_active=False)

    @admin.action(description="Make default", permissions=["change"])
    def make_default(self, request: HttpRequest, queryset: QuerySet[PromptTemplate]) -> None:
        """Let one answer when nobody chose."""
        rows = list(queryset.filter(deleted_at=None)[:2])
        if len(rows) != 1:
            self.message_user(request, "Select one: there is a single default.", messages.ERROR)
        elif rows[0].tenant_id or rows[0].adult_only or not rows[0].is_active:
            text = "The default has to be for everybody: active, of no tenant, not adult only."
            self.message_user(request, text, messages.ERROR)
        else:
            rows[0].is_default = True
            _save(rows[0], request)
            self.message_user(request, f"{rows[0]} is the default now.", messages.SUCCESS)

    @admin.action(description="Restore", permissions=["restore"])
    def restore(self, request: HttpRequest, queryset: QuerySet[PromptTemplate]) -> None:
        """Undo the deletion of those that a tenant deleted."""
        restored = []
        for template in queryset:
            try:
                if restore_personality(template_id=template.id, who=author_of(request)):
                    restored.append(template.name)
            except Conflict as error:
                self.message_user(request, f"{template} stays deleted. {error.detail}", messages.ERROR)
        if restored:
            self.message_user(request, f"Restored: {', '.join(restored)}.", messages.SUCCESS)

    restore_this = for_the_open_one(
        restore, "restore_from_trash", dialog("Restore it?", "Its tenant has it again.", "Restore")
    )

    make_default_this = for_the_open_one(
        make_default,
        "star",
        dialog("Make this the default?", "It answers whenever nobody chose a personality.", "Make default"),
    )

    activate_this = for_the_open_one(
        activate, "visibility", dialog("Activate it?", "New conversations can choose it then.", "Activate")
    )

    deactivate_this = for_the_open_one(
        deactivate,
        "visibility_off",
        dialog("Deactivate it?", "It takes no new conversations. Running ones go on.", "Deactivate"),
    )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only those that would change something."""
        template = only(PromptTemplate.objects.all(), object_id).first()
        is_deleted = template is not None and template.deleted_at is not None
        idle = {
            "_restore_this": not is_deleted,
            "_activate_this": template is not None and template.is_active,
            "_deactivate_this": template is not None and not template.is_active,
            "_make_default_this": template is not None and template.is_default,
        }
        found: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        idle_names = tuple(name for name, is_idle in idle.items() if is_idle)
        fitting = [one for one in found if not one.action_name.endswith(idle_names)]
        return [one for one in fitting if not is_deleted or one.action_name.endswith("_restore_this")]

    # Deleting
    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without deleting many at once."""
        return {name: found for name, found in super().get_actions(request).items() if name != "delete_selected"}

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        """One that conversations had stays, for their sake; the page says what to do instead."""
        template = self.get_object(request, object_id)
        if template is None or not self.has_delete_permission(request, template):
            return super().delete_view(request, object_id, extra_context)
        if reason := _why_it_stays(template):
            self.message_user(request, reason, messages.WARNING)
            return HttpResponseRedirect(admin_url("templates_app_prompttemplate", "change", object_id))
        try:
            return super().delete_view(request, object_id, extra_context)
        except models.ProtectedError:  # a conversation began meanwhile
            self.message_user(request, _IN_USE.format(template), messages.WARNING)
            return HttpResponseRedirect(admin_url("templates_app_prompttemplate", "change", object_id))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with it: its versions. (Django's own search counts its current version as a reason to stay.)"""
        count = PromptVersion.objects.filter(template__in=objs).count()
        return [str(one) for one in objs], {"personalities": len(objs), "versions": count}, set(), []

    def delete_model(self, request: HttpRequest, obj: PromptTemplate) -> None:
        """Delete it with its versions."""
        delete_personality(template=obj, who=author_of(request))


def _save(template: PromptTemplate, request: HttpRequest) -> None:
    """Save a personality whose prompt stays as it is."""
    if template.current_version is not None:
        save_personality(template=template, draft=Draft.of(template.current_version), who=author_of(request))


def _switch(page: PersonalityAdmin, request: HttpRequest, rows: QuerySet[PromptTemplate], *, is_active: bool) -> None:
    changed = []
    for template in rows.filter(deleted_at=None).exclude(is_active=is_active):
        if template.is_default and not is_active:
            page.message_user(request, f"{template} is the default: make another one that first.", messages.ERROR)
            continue
        template.is_active = is_active
        _save(template, request)
        changed.append(template.name)
    if changed:
        word = "On offer" if is_active else "No longer on offer for new conversations"
        page.message_user(request, f"{word}: {', '.join(changed)}.", messages.SUCCESS)


def _why_it_stays(template: PromptTemplate) -> str:
    if template.is_default:
        return f"{template} is the default: make another one that before you delete it."
    if _is_in_use(template):
        return _IN_USE.format(template)
    return ""


def _is_in_use(template: PromptTemplate) -> bool:
    """Whether rows of layers above protect it or its versions."""
    return _are_protected(PromptTemplate, [template.id]) or _are_protected(
        PromptVersion, template.versions.values("id")
    )


def _are_protected(model: type[models.Model], ids: Any) -> bool:
    # Hidden ones, too: they have no name to come back by. Not the personality's own link to its version.
    relations: list[Any] = [one for one in model._meta.get_fields(include_hidden=True) if one.one_to_many]
    return any(
        relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": ids}).exists()
        for relation in relations
        if relation.on_delete is models.PROTECT and relation.related_model is not PromptTemplate
    )
