"""Staff's page for memories: to read, to put right, to forget."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from chatify.accounts.admin_base import (
    StaffAdmin,
    StaffForm,
    TextInput,
    UncountedPaginator,
    WrittenByActions,
    admin_url,
    as_uuid,
    display,
    link,
    listed,
    soft,
    staff_of,
    time_column,
    when,
)
from chatify.memory.actions import correct_memory, forget_memories
from chatify.memory.admin.figures import STYLES
from chatify.memory.models import MAX_MEMORY, Memory

MAX_QUOTE = 400


class MemoryForm(StaffForm[Memory]):
    """The text of a memory."""

    text = forms.CharField(
        max_length=MAX_MEMORY,
        widget=TextInput(),
        help_text="In words that a personality can use. What you correct is not overwritten by what is found later.",
    )

    class Meta:
        model = Memory
        fields: ClassVar = ["text"]


@admin.register(Memory)
class MemoryAdmin(WrittenByActions, StaffAdmin[Memory]):
    """Memories. They are found in conversations that have ended; people correct and delete them."""

    form = MemoryForm
    empty_text = (
        "Nothing is remembered yet. When a conversation ends, Chatify looks for what is worth remembering in what "
        "the person said."
    )
    list_display = ("show_text", "show_kind", "end_user", "tenant", "show_source", "show_state", "show_said")
    show_said = time_column("said_at", "Said last")
    show_created = time_column("created_at", "Found")
    list_filter = ("kind", ("corrected_at", admin.EmptyFieldListFilter), "tenant")
    list_select_related = ("end_user", "tenant", "source", "corrected_by")
    list_disable_select_all = True
    search_fields = ("text", "end_user__external_id", "end_user__name")
    search_help_text = "Words of it, the end user's name or external_id, or an end user's whole id"
    ordering = ("-id",)
    paginator = UncountedPaginator
    show_full_result_count = False
    readonly_fields = (
        "show_kind", "show_end_user", "show_origin", "show_source", "show_said", "show_maker", "show_corrected",
    )  # fmt: skip

    class Media:
        css = STYLES

    # Who may
    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody may: each has its source."""
        return False

    # What is shown
    def get_queryset(self, request: HttpRequest) -> QuerySet[Memory]:
        """With what is shown of other rows."""
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_fieldsets(self, request: HttpRequest, obj: Memory | None = None) -> list[Any]:
        """The source is quoted for who may read conversations."""
        source = "show_origin" if request.user.has_perm("chat_sessions.view_chatsession") else "show_source"
        return [
            ("What is remembered", {"fields": ("text", "show_kind", "show_end_user")}),
            ("Where it comes from", {"fields": (source, "show_said", "show_maker", "show_corrected")}),
        ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Memory], search_term: str
    ) -> tuple[QuerySet[Memory], bool]:
        """A whole id is that of an end user."""
        if end_user_id := as_uuid(search_term):
            return queryset.filter(end_user_id=end_user_id), False
        return super().get_search_results(request, queryset, search_term)

    @display(description="Memory", ordering="text")
    def show_text(self, memory: Memory) -> str:
        """Its words."""
        return Truncator(memory.text).chars(110)

    @display(description="Kind", label=True, ordering="kind")
    def show_kind(self, memory: Memory) -> str:
        """What it is about."""
        return memory.kind

    @display(description="State", label={"corrected": "info"})
    def show_state(self, memory: Memory) -> str:
        """Whether a person has put it right."""
        return "corrected" if memory.corrected_at else ""

    @display(description="Source")
    def show_source(self, memory: Memory) -> SafeString:
        """A link to where it was said."""
        return source_of(memory)

    @display(description="End user")
    def show_end_user(self, memory: Memory) -> SafeString:
        """A link to the person, and how to see the rest."""
        user = memory.end_user
        return listed(
            [
                link(admin_url("accounts_enduser", "change", user.id), user),
                link(memories_of(user.id), "All that is remembered about this person"),
            ]
        )

    @display(description="Said in")
    def show_origin(self, memory: Memory) -> SafeString:
        """The source with its words."""
        if memory.source is None:
            return source_of(memory)
        quote = Truncator(memory.source.content).chars(MAX_QUOTE)
        return format_html('{}<blockquote class="quote">{}</blockquote>', source_of(memory), quote)

    @display(description="Found by")
    def show_maker(self, memory: Memory) -> str:
        """The model and its prompt."""
        if not memory.model:
            return "a person wrote it"
        prompt = f"prompt {memory.prompt_version}" if memory.prompt_version else "built-in prompt"
        return f"{memory.model} · {prompt} · {when(memory.created_at)}"

    @display(description="Corrected")
    def show_corrected(self, memory: Memory) -> str:
        """When, and by whom of staff."""
        if memory.corrected_at is None:
            return "no"
        return f"{when(memory.corrected_at)}, {memory.corrected_by or 'over the API'}"

    # Writing
    def save_model(self, request: HttpRequest, obj: Memory, form: Any, change: bool) -> None:
        """Write the text, if it is another one."""
        if "text" in form.changed_data:
            correct_memory(memory=obj, text=form.cleaned_data["text"], who=staff_of(request))

    def delete_model(self, request: HttpRequest, obj: Memory) -> None:
        """Forget one."""
        forget_memories(memories=[obj], who=staff_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Memory]) -> None:
        """Forget those that were chosen."""
        forget_memories(memories=list(queryset), who=staff_of(request))


def memories_of(end_user_id: object) -> str:
    """The address of the list of one person's memories."""
    return f"{admin_url('memory_memory')}?end_user__id__exact={end_user_id}"


def source_of(memory: Memory) -> SafeString:
    """A link to the message that says it."""
    if memory.source is None:
        return soft("none")
    chat_session = admin_url("chat_sessions_chatsession", "change", memory.source.chat_session_id)
    seq = memory.source.seq
    return link(f"{chat_session}?before={seq + 1}#message-{seq}", f"Message {seq}")
