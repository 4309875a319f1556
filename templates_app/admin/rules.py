"""Staff's page for the rules that choose a personality when nobody did."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator

from chatify.accounts.admin_base import STYLES as ACCOUNT_STYLES
from chatify.accounts.admin_base import (
    Checkboxes,
    NumberInput,
    StaffAdmin,
    StaffForm,
    TagsField,
    TextArea,
    WrittenByActions,
    display,
    staff_of,
)
from chatify.common.errors import InvalidInput
from templates_app.actions import delete_selection_rule, save_selection_rule
from templates_app.admin.versions import STYLES
from templates_app.checks import check_label, describe
from templates_app.models import PromptTemplate, SelectionRule
from templates_app.selection import MAX_WORD, MAX_WORDS, PARTS_OF_DAY, checked_words

MAX_PRIORITY = 9999


class WordsField(TagsField):
    """Words with commas in between, on as many lines as they need."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_items=MAX_WORDS, max_item_length=MAX_WORD, **options)
        self.widget = TextArea({"rows": 7})


class RuleForm(StaffForm[SelectionRule]):
    """A rule. Its words are checked as the action checks them, so that a wrong one is shown beside the field."""

    words = WordsField(
        help_text="One of them has to come up in what the conversation is about: love, break up, relation*. The star "
        "stands for all words that begin like that. Empty: whatever it is about.",
    )
    parts_of_day = forms.MultipleChoiceField(
        label="Parts of the day",
        required=False,
        choices=[(part, part.capitalize()) for part in PARTS_OF_DAY],
        widget=Checkboxes(),
        help_text="Only then. None of them: at any time.",
    )

    priority = forms.IntegerField(
        min_value=0, max_value=MAX_PRIORITY, initial=100, widget=NumberInput(), help_text="The lower one goes first."
    )

    class Meta:
        model = SelectionRule
        fields = ("name", "template", "words", "parts_of_day", "tenant", "priority", "is_active")

    def clean_name(self) -> str:
        """Raises ValidationError: it is shown as the reason of a choice."""
        name: str = self.cleaned_data["name"]
        if problems := check_label(name):
            raise ValidationError([describe(problem) for problem in problems])
        return name

    def clean_words(self) -> list[str]:
        """Raises ValidationError for what is no word."""
        try:
            return checked_words(self.cleaned_data["words"])
        except InvalidInput as error:
            raise ValidationError([one.message for one in error.errors]) from None

    def clean(self) -> dict[str, Any]:
        """Refuse a personality that not everybody gets for whom the rule is."""
        entered = super().clean() or self.cleaned_data
        tenant, template = entered.get("tenant"), entered.get("template")
        if isinstance(template, PromptTemplate) and template.tenant not in (None, tenant):
            self.add_error("template", f"{template} is {template.tenant}'s own: the rule has to be that tenant's, too.")
        return entered


@admin.register(SelectionRule)
class SelectionRuleAdmin(WrittenByActions, StaffAdmin[SelectionRule]):
    """Rules of selection, in the order in which they are asked."""

    form = RuleForm
    empty_text = "There are no rules: whoever chooses nobody talks to the default personality."
    list_display = ("name", "show_words", "show_parts", "template", "show_tenant", "priority", "is_active")
    list_filter = ("is_active", "template", "tenant")
    list_select_related = ("template", "tenant")
    search_fields = ("name", "template__name", "template__slug")
    autocomplete_fields = ("template", "tenant")
    readonly_fields = ("show_all_words", "show_parts")

    class Media:
        css = {"all": [*ACCOUNT_STYLES["all"], *STYLES["all"]]}

    def get_fieldsets(self, request: HttpRequest, obj: SelectionRule | None = None) -> list[Any]:
        """Lists are lines for who may only look."""
        may_write = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        conditions = ("words", "parts_of_day") if may_write else ("show_all_words", "show_parts")
        return [
            ("What it does", {"fields": ("name", "template")}),
            ("When", {"fields": conditions}),
            ("For whom, and in which order", {"fields": ("tenant", "priority", "is_active")}),
        ]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """No deleted personality is led to."""
        if db_field.name == "template":
            options["queryset"] = PromptTemplate.objects.existing()
        return super().formfield_for_foreignkey(db_field, request, **options)

    @display(description="Words")
    def show_words(self, rule: SelectionRule) -> str:
        """The first of them."""
        return Truncator(self.show_all_words(rule)).chars(70)

    @display(description="Words")
    def show_all_words(self, rule: SelectionRule) -> str:
        """As a line."""
        return ", ".join(rule.words) or "any"

    @display(description="Parts of the day")
    def show_parts(self, rule: SelectionRule) -> str:
        """As a line."""
        return ", ".join(rule.parts_of_day) or "any"

    @display(description="Tenant", ordering="tenant__name")
    def show_tenant(self, rule: SelectionRule) -> str:
        """For whom it is."""
        return str(rule.tenant) if rule.tenant else "everybody"

    # Writing
    def save_model(self, request: HttpRequest, obj: SelectionRule, form: Any, change: bool) -> None:
        """Write it."""
        save_selection_rule(rule=obj, who=staff_of(request))

    def delete_model(self, request: HttpRequest, obj: SelectionRule) -> None:
        """Delete one."""
        delete_selection_rule(rule=obj, who=staff_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SelectionRule]) -> None:
        """Delete those that were chosen."""
        for rule in queryset:
            delete_selection_rule(rule=rule, who=staff_of(request))
