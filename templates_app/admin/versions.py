"""Staff's pages for the versions of a personality: to read, to compare, to bring back."""

from __future__ import annotations

import difflib
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chatify.accounts.admin_base import (
    StaffAdmin,
    StaffInline,
    ViewOnly,
    action,
    admin_url,
    dialog,
    display,
    go_to,
    link,
    only,
    time_column,
)
from chatify.accounts.models import User
from templates_app.actions import Draft, save_personality
from templates_app.checks import check_prompt, describe
from templates_app.models import PromptTemplate, PromptVersion

STYLES = {"all": ["templates_app/admin.css"]}


class VersionPermissions(ViewOnly):
    """Versions are seen by who sees their personality, and changed by nobody."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for personalities."""
        names = ("templates_app.view_prompttemplate", "templates_app.change_prompttemplate")
        return any(request.user.has_perm(name) for name in names)


class VersionInline(VersionPermissions, StaffInline[PromptVersion, PromptTemplate]):
    """The history of a personality, on a tab."""

    model = PromptVersion
    fk_name = "template"
    fields = ("show_number", "show_created", "show_author", "show_parameters", "show_prompt")
    readonly_fields = fields
    show_created = time_column("created_at", "Saved")
    ordering = ("-number",)
    verbose_name_plural = "versions"
    extra = 0
    per_page = 20
    tab = True
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromptVersion]:
        """With the names that are shown."""
        return super().get_queryset(request).select_related("author", "template")

    @display(description="Version")
    def show_number(self, version: PromptVersion) -> SafeString:
        """The number, as a link to the whole."""
        address = admin_url("templates_app_promptversion", "change", version.id)
        is_current = version.id == version.template.current_version_id
        return format_html("{}{}", link(address, f"Version {version.number}"), " · current" if is_current else "")

    @display(description="Author")
    def show_author(self, version: PromptVersion) -> str:
        """Who wrote it, or where."""
        return writer_of(version)

    @display(description="Parameters")
    def show_parameters(self, version: PromptVersion) -> str:
        """In one line."""
        return parameters_of(version)

    @display(description="Prompt")
    def show_prompt(self, version: PromptVersion) -> SafeString:
        """Its beginning."""
        return format_html('<span class="prompt-start">{}</span>', version.system_prompt[:160])


def parameters_of(version: PromptVersion) -> str:
    """What a version has beside its prompt, in one line."""
    budget = f"context budget {version.context_tokens}"
    parts = [f"temperature {version.temperature:g}", f"{version.max_tokens} tokens", budget, version.model]
    return " · ".join([*filter(None, parts), ", ".join(version.personality_traits)]).removesuffix(" · ")


def writer_of(version: PromptVersion) -> str:
    """Who wrote it; of what was not written here, where: "firestore"."""
    return str(version.author or version.origin or "–")


def author_of(request: HttpRequest) -> User | None:
    """Who is signed in."""
    return request.user if isinstance(request.user, User) else None


@admin.register(PromptVersion)
class VersionAdmin(VersionPermissions, StaffAdmin[PromptVersion]):
    """One version, to read, to compare with the one before, and to bring back."""

    list_display = ("template", "number", "show_created", "show_author")
    show_created = time_column("created_at", "Saved")
    list_select_related = ("template", "author")
    fields = (
        "show_personality", "number", "show_created", "show_author", "show_parameters", "show_changes", "show_prompt",
    )  # fmt: skip
    readonly_fields = (
        "show_personality", "show_created", "show_author", "show_parameters", "show_changes", "show_prompt",
    )  # fmt: skip
    actions_detail = ("bring_back",)

    class Media:
        css = STYLES

    @display(description="Personality")
    def show_personality(self, version: PromptVersion) -> SafeString:
        """A link to it, and whether this is what it uses."""
        template = version.template
        address = link(admin_url("templates_app_prompttemplate", "change", template.id), template)
        note = ", current version" if template.current_version_id == version.id else ""
        return format_html("{}{}", address, note)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Not in the menus: the way here is a personality's history."""
        return False

    def has_bring_back_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may edit personalities."""
        return request.user.has_perm("templates_app.change_prompttemplate")

    @display(description="Author", ordering="author")
    def show_author(self, version: PromptVersion) -> str:
        """Who wrote it, or where."""
        return writer_of(version)

    @display(description="Parameters")
    def show_parameters(self, version: PromptVersion) -> str:
        """In one line."""
        return parameters_of(version)

    @display(description="Prompt")
    def show_prompt(self, version: PromptVersion) -> SafeString:
        """All of it."""
        return format_html('<pre class="prompt-text">{}</pre>', version.system_prompt)

    @display(description="Changes to the version before")
    def show_changes(self, version: PromptVersion) -> str:
        """The changed lines."""
        before = PromptVersion.objects.filter(template=version.template_id, number__lt=version.number).first()
        if before is None:
            return "The first version."
        lines = list(compare(before.system_prompt, version.system_prompt))
        if not lines:
            return f"The prompt is the same; before it was: {parameters_of(before)}"
        spans = format_html_join("", '<span class="{}">{}</span>', lines)
        return format_html('<pre class="prompt-text">{}</pre>', spans)

    @action(
        description="Use this version again", icon="history", permissions=["bring_back"],
        dialog=dialog("Use this version again?", "It becomes the newest. Running conversations keep theirs.", "Use it"),
    )  # fmt: skip
    def bring_back(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        """Save its content as a new version. What today's checks refuse stays where it is."""
        version = only(PromptVersion.objects.select_related("template__current_version"), object_id).first()
        if version is None:
            return go_to(admin_url("templates_app_prompttemplate"))
        if version.template.deleted_at is not None:
            self.message_user(request, "This personality is deleted. Restore it first.", messages.ERROR)
        elif problems := check_prompt(version.system_prompt):
            self.message_user(request, " ".join(describe(problem) for problem in problems), messages.ERROR)
        else:
            template = save_personality(template=version.template, draft=Draft.of(version), who=author_of(request))
            number = template.current_version.number if template.current_version else ""
            self.message_user(request, f"Its content is version {number} now.", messages.SUCCESS)
        return go_to(admin_url("templates_app_prompttemplate", "change", version.template_id))


def compare(before: str, after: str) -> list[tuple[str, str]]:
    """The lines that differ with two of their neighbours, each with the class of its look."""
    classes = {"+": "is-added", "-": "is-removed", "@": "is-gap"}
    found = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    return [(classes.get(line[0], ""), f"{line}\n") for line in found if not line.startswith(("+++", "---"))]
