"""The form of a personality: what is its own, and what makes a version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chatify.accounts.admin_base import NumberInput, StaffForm, TagsField, TextArea, TextInput
from templates_app.actions import Draft
from templates_app.checks import (
    PromptProblem,
    check_goodbye,
    check_greeting,
    check_label,
    check_prompt,
    check_slug,
    describe,
    with_plain_newlines,
)
from templates_app.models import DEFAULT_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS, MIN_CONTEXT_TOKENS, PromptTemplate
from templates_app.overlaps import mark, marks_of, read_marks, tell, tell_of_both
from templates_app.rendering import MAX_TRAIT, MAX_TRAITS

MEANINGS = {
    "user.name": "what the person wants to be called",
    "user.age": "their age, if known",
    "user.interests": "what they like",
    "user.style": "how they like to be talked to",
    "time.part_of_day": "morning, afternoon, evening or night",
    "topics": "what the conversation was about lately",
    "mood": "how they seem to feel",
}
"""What the variables of a prompt stand for, in words for staff."""


def _prompt_help() -> SafeString:
    rows = format_html_join("", "<li><code>{{{{ {} }}}}</code> {}</li>", MEANINGS.items())
    return format_html(
        "Speak to the personality: “You are …”. It is checked when you save: a personality never claims to be human. "
        'Variables, filled in for each person:<ul class="variables">{}</ul>',
        rows,
    )


class PersonalityForm(StaffForm[PromptTemplate]):
    """A personality with its current version. Saving is `templates_app.actions.save_personality`'s."""

    system_prompt = forms.CharField(
        label="System prompt",
        strip=False,
        widget=TextArea({"rows": 24, "class": "prompt", "spellcheck": "true"}),
        help_text=_prompt_help(),
    )
    personality_traits = TagsField(
        label="Traits",
        max_items=MAX_TRAITS,
        max_item_length=MAX_TRAIT,
        help_text="With commas in between: warm, curious, direct. They are added to the prompt.",
    )
    temperature = forms.FloatField(
        min_value=0,
        max_value=2,
        initial=0.8,
        widget=NumberInput({"step": "0.05"}),
        help_text="0 is the same every time, 2 is wild. 0.7 to 1.0 suits conversation.",
    )
    max_tokens = forms.IntegerField(
        label="Token limit",
        min_value=1,
        max_value=32_000,
        initial=400,
        widget=NumberInput(),
        help_text="The longest reply; 100 tokens are about 75 words.",
    )
    context_tokens = forms.IntegerField(
        label="Context budget",
        min_value=MIN_CONTEXT_TOKENS,
        max_value=MAX_CONTEXT_TOKENS,
        initial=DEFAULT_CONTEXT_TOKENS,
        widget=NumberInput(),
        help_text="The most that goes to the model with a message, in tokens: this prompt, what is remembered, and the "
        "latest messages. What does not fit is left out, the oldest messages first.",
    )
    # Not `model`: the admin page has an attribute of that name.
    model_name = forms.CharField(
        label="Model",
        required=False,
        max_length=120,
        widget=TextInput(),
        help_text="Empty: the server's default model.",
    )
    # What the page showed when it was opened. Empty, as with edits from Firestore: nobody looked at a page.
    seen = forms.CharField(required=False, widget=forms.HiddenInput())

    class Meta:
        model = PromptTemplate
        fields = (
            "name", "slug", "description", "greeting", "welcome_back", "goodbye", "tenant", "adult_only", "is_active",
            "is_default",
        )  # fmt: skip
        widgets: ClassVar = {
            "description": TextArea({"rows": 2}),
            "greeting": TextArea({"rows": 3}),
            "welcome_back": TextArea({"rows": 2}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        version = self.instance.current_version
        if version is not None:
            draft = Draft.of(version)
            self.initial = {
                **self.initial,
                "system_prompt": draft.system_prompt,
                "personality_traits": list(draft.personality_traits),
                "temperature": draft.temperature,
                "max_tokens": draft.max_tokens,
                "context_tokens": draft.context_tokens,
                "model_name": draft.model,
            }
        if not self.instance._state.adding:
            self.fields["seen"].initial = self._marks

    @property
    def draft(self) -> Draft:
        """What was entered of a version. Only after the form was found valid."""
        entered = self.cleaned_data
        return Draft(
            system_prompt=entered["system_prompt"],
            temperature=entered["temperature"],
            max_tokens=entered["max_tokens"],
            context_tokens=entered["context_tokens"],
            personality_traits=tuple(entered["personality_traits"]),
            model=entered["model_name"],
        )

    def clean_name(self) -> str:
        """Raises ValidationError: a name says who one talks to."""
        return _checked(self.cleaned_data["name"], check_label)

    def clean_slug(self) -> str:
        """Raises ValidationError: documents in Firestore are called so."""
        slug: str = self.cleaned_data["slug"]
        if self.instance._state.adding and (problem := check_slug(slug)):
            raise ValidationError(problem)
        return slug

    def clean_personality_traits(self) -> list[str]:
        """Raises ValidationError: traits are added to the prompt."""
        return [_checked(trait, check_label) for trait in self.cleaned_data["personality_traits"]]

    def clean_system_prompt(self) -> str:
        """Raises ValidationError with the place of each problem."""
        return _checked(self.cleaned_data["system_prompt"], check_prompt)

    def clean_greeting(self) -> str:
        """Raises ValidationError with the place of each problem."""
        return _checked(self.cleaned_data["greeting"], check_greeting)

    def clean_welcome_back(self) -> str:
        """Raises ValidationError with the place of each problem."""
        return _checked(self.cleaned_data["welcome_back"], check_greeting)

    def clean_goodbye(self) -> str:
        """Raises ValidationError with the place of each problem."""
        return _checked(self.cleaned_data["goodbye"], check_goodbye)

    def clean_description(self) -> str:
        """Raises ValidationError with the place of each problem."""
        return _checked(self.cleaned_data["description"], check_greeting)

    def clean(self) -> dict[str, Any]:
        """Refuse a default that not everybody gets, and a second shared one of the same slug."""
        entered = super().clean() or self.cleaned_data
        is_for_all = not entered.get("tenant") and not entered.get("adult_only") and entered.get("is_active")
        if entered.get("is_default") and not is_for_all:
            self.add_error("is_default", "The default has to be for everybody: active, of no tenant, not adult only.")
        slug = entered.get("slug")
        others = PromptTemplate.objects.existing().exclude(id=self.instance.id)
        others = others.filter(tenant=entered.get("tenant"), slug=slug)
        if slug and others.exists():
            self.add_error("slug", "There is another personality of this slug.")
        if entered.get("seen") and not self.instance._state.adding:
            self._check_overlap(read_marks(entered["seen"]))
        return entered

    # Saved by somebody else meanwhile -------------------------------------------------------------

    def _check_overlap(self, seen: dict[str, str]) -> None:
        """Refuse what would put back what somebody has changed since the page was opened.

        A field that was not touched here shows then what is there now, so that saving again keeps both.
        """
        locked = PromptTemplate.objects.select_for_update().filter(id=self.instance.id).first()
        now = type(self)(instance=locked) if locked else self  # until this is saved nobody else saves
        data, labels = QueryDict(mutable=True), list[str]()
        data.update(self.data)
        for name, value in now._shown().items():
            entered = mark(self.cleaned_data[name]) if name in self.cleaned_data else ""
            if mark(value) in (seen.get(name), entered):
                continue
            labels.append(str(self[name].label))
            if entered == seen.get(name):
                data[name] = "" if value is None else value
                self.add_error(name, "Changed meanwhile. This is what is there now.")
            else:
                self.add_error(name, tell_of_both(value))
        if labels:
            data["seen"] = now._marks()
            self.data = data
            self.add_error(None, tell(self.instance.id, seen, labels))

    def _shown(self) -> dict[str, Any]:
        """What the fields hold as long as nobody types."""
        return {name: self.get_initial_for_field(field, name) for name, field in self.fields.items() if name != "seen"}

    def _marks(self) -> str:
        return marks_of(self._shown(), self.instance.id)

    def _get_validation_exclusions(self) -> set[str]:
        # That there is one default is kept by save_personality, which takes it from the one that was it.
        found: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return {*found, "is_default"}


def _checked(text: str, check: Callable[[str], list[PromptProblem]]) -> str:
    text = with_plain_newlines(text)
    if problems := check(text):
        raise ValidationError([describe(problem) for problem in problems])
    return text
