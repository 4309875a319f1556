"""Staff's page for the prompts that models remember with: new versions, and the history of old ones."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chatify.accounts.admin_base import (
    StaffAdmin,
    StaffForm,
    TextArea,
    TextInput,
    WrittenByActions,
    action,
    admin_url,
    dialog,
    display,
    go_to,
    link,
    only,
    staff_of,
    time_column,
)
from chatify.common.errors import ChatifyError
from chatify.memory.admin.figures import STYLES
from chatify.memory.finding import FACTS_PROMPT
from chatify.memory.models import MemoryPrompt
from chatify.memory.prompts import MAX_PROMPT, SUMMARY_PROMPT, Prompt, prompt_of, save_memory_prompt
from templates_app.admin.versions import compare
from templates_app.checks import with_plain_newlines

Purpose = MemoryPrompt.Purpose
BUILT_IN = {Purpose.SUMMARY: SUMMARY_PROMPT, Purpose.FACTS: FACTS_PROMPT}
TITLES = {Purpose.SUMMARY: "Prompt for summaries", Purpose.FACTS: "Prompt for memories"}
MEANINGS = {
    Purpose.SUMMARY: "What a model is told that compresses the older messages of a conversation.",
    Purpose.FACTS: "What a model is told that looks for what is worth remembering about a person, when a "
    "conversation has ended. Keep the form of the answer: one that cannot be read is thrown away.",
}


class MemoryPromptForm(StaffForm[MemoryPrompt]):
    """A new version of one of the prompts."""

    text = forms.CharField(
        label="Prompt",
        max_length=MAX_PROMPT,
        widget=TextArea({"rows": 22, "class": "prompt", "spellcheck": "true"}),
        help_text="Used for everything that is remembered from now on. What is there already stays as it is.",
    )
    # Not `model`: the admin page has an attribute of that name.
    model_name = forms.CharField(
        label="Model",
        required=False,
        max_length=120,
        widget=TextInput(),
        help_text="Empty: the server's default model.",
    )

    class Meta:
        model = MemoryPrompt
        fields: ClassVar = ["text"]

    def clean_text(self) -> str:
        """As it is stored: browsers send other ends of lines."""
        return with_plain_newlines(self.cleaned_data["text"])


@admin.register(MemoryPrompt)
class MemoryPromptAdmin(WrittenByActions, StaffAdmin[MemoryPrompt]):
    """Memory prompts. Each save is a new version; the newest of each purpose is in use."""

    form = MemoryPromptForm
    empty_text = "The built-in prompts are in use, until somebody saves a version of their own."
    show_add_link = False  # the buttons say for what
    list_display = ("show_title", "show_state", "show_model", "author", "show_created")
    show_created = time_column("created_at", "Saved")
    list_filter = ("purpose",)
    list_select_related = ("author",)
    actions_list = ("write_for_summaries", "write_for_memories")
    actions_detail = ("bring_back",)
    readonly_fields = ("show_title", "show_state", "show_model", "show_created", "show_changes", "show_text")

    class Media:
        css = STYLES

    # Who may
    def has_write_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may add versions."""
        return self.has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may: a version never changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may: summaries and memories name the version that they were made with."""
        return False

    # What is shown
    def get_fieldsets(self, request: HttpRequest, obj: MemoryPrompt | None = None) -> list[Any]:
        """A form for a new one; an old one is only read."""
        if obj is not None:
            shown = ("show_title", "show_state", ("author", "show_created"), "show_model")
            return [("What it is", {"fields": shown}), ("Text", {"fields": ("show_changes", "show_text")})]
        purpose = _purpose_of(request)
        return [(TITLES[purpose], {"fields": ("text", "model_name"), "description": _advice(purpose)})]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The prompt in use, or the built-in one if that is asked for."""
        purpose = _purpose_of(request)
        present = Prompt(0, BUILT_IN[purpose]) if "built-in" in request.GET else prompt_of(purpose)
        return {"text": present.text, "model_name": present.model}

    @display(description="Prompt", ordering="purpose")
    def show_title(self, prompt: MemoryPrompt) -> str:
        """What it is for, and its number."""
        return f"{TITLES[Purpose(prompt.purpose)]}, version {prompt.version}"

    @display(description="State", label={"in use": "success"})
    def show_state(self, prompt: MemoryPrompt) -> str:
        """Whether it is the one in use."""
        return "in use" if getattr(prompt, "newest", None) == prompt.version else ""

    @display(description="Model")
    def show_model(self, prompt: MemoryPrompt) -> str:
        """Which one gets it."""
        return prompt.model or "the server's default"

    @display(description="Changes to the version before")
    def show_changes(self, prompt: MemoryPrompt) -> SafeString:
        """The changed lines."""
        older = MemoryPrompt.objects.filter(purpose=prompt.purpose, version__lt=prompt.version)
        before = older.order_by("-version").values_list("text", flat=True).first()
        lines = compare(BUILT_IN[Purpose(prompt.purpose)] if before is None else before, prompt.text)
        if not lines:
            return format_html("The text is the same.")
        spans = format_html_join("", '<span class="{}">{}</span>', lines)
        return format_html('<pre class="prompt-text">{}</pre>', spans)

    @display(description="Prompt")
    def show_text(self, prompt: MemoryPrompt) -> SafeString:
        """All of it."""
        return format_html('<pre class="prompt-text">{}</pre>', prompt.text)

    # Writing
    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any) -> Any:
        """With one way to save: the page that follows is the list."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **options)

    def save_model(self, request: HttpRequest, obj: MemoryPrompt, form: Any, change: bool) -> None:
        """Save it as a new version, and say its number."""
        entered = form.cleaned_data
        self._save(request, _purpose_of(request), entered["text"], entered["model_name"])

    def response_add(
        self, request: HttpRequest, obj: MemoryPrompt, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The list; the message is there already."""
        return HttpResponseRedirect(admin_url("memory_memoryprompt"))

    def _save(self, request: HttpRequest, purpose: str, text: str, model: str) -> None:
        before = prompt_of(purpose)
        saved = save_memory_prompt(purpose=purpose, text=text, model=model, who=staff_of(request))
        if saved == before:
            self.message_user(request, "This is what is in use already. Nothing was saved.", messages.WARNING)
        else:
            self.message_user(request, f"Saved as version {saved.version}. It is in use now.", messages.SUCCESS)

    # Buttons
    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """None for what is in use already."""
        prompt = only(self.get_queryset(request), object_id).first()
        is_used = prompt is None or self.show_state(prompt) == "in use"
        found: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [] if is_used else found

    @action(description="Prompt for summaries", icon="edit_note", permissions=["write"])
    def write_for_summaries(self, request: HttpRequest) -> HttpResponse:
        """The form, with what is in use."""
        return HttpResponseRedirect(_address(Purpose.SUMMARY))

    @action(description="Prompt for memories", icon="edit_note", permissions=["write"])
    def write_for_memories(self, request: HttpRequest) -> HttpResponse:
        """The form, with what is in use."""
        return HttpResponseRedirect(_address(Purpose.FACTS))

    @action(
        description="Use this version again", icon="history", permissions=["write"],
        dialog=dialog("Use this version again?", "It becomes the newest.", "Use it"),
    )  # fmt: skip
    def bring_back(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        """Save its content as a new version."""
        prompt = only(MemoryPrompt.objects.all(), object_id).first()
        if prompt is not None:
            try:
                self._save(request, prompt.purpose, prompt.text, prompt.model)
            except ChatifyError as error:
                self.message_user(request, error.detail, messages.ERROR)
        return go_to(admin_url("memory_memoryprompt"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[MemoryPrompt]:
        """With the authors, and the newest version of each one's purpose."""
        siblings = MemoryPrompt.objects.filter(purpose=OuterRef("purpose")).order_by("-version")
        newest = Subquery(siblings.values("version")[:1])
        return super().get_queryset(request).select_related("author").annotate(newest=newest)


def _purpose_of(request: HttpRequest) -> Purpose:
    """What the new version is for, as the address says; summaries if it says nothing known."""
    named = request.GET.get("purpose", "")
    return Purpose(named) if named in Purpose.values else Purpose.SUMMARY


def _address(purpose: Purpose) -> str:
    return f"{admin_url('memory_memoryprompt', 'add')}?purpose={purpose.value}"


def _advice(purpose: Purpose) -> SafeString:
    """What the prompt is for, and the way back to the built-in text."""
    built_in = link(f"{_address(purpose)}&built-in=1", "Start from the built-in text")
    return format_html('<span class="note">{} {}.</span>', MEANINGS[purpose], built_in)
