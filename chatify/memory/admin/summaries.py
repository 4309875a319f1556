"""Staff's page for summaries: to read, to put right, to have made again."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from chatify.accounts.admin_base import (
    StaffAdmin,
    StaffForm,
    TextArea,
    UncountedPaginator,
    WrittenByActions,
    admin_url,
    as_uuid,
    dialog,
    display,
    for_the_open_one,
    link,
    soft,
    staff_of,
    time_column,
    when,
)
from chatify.common.errors import ChatifyError
from chatify.memory.admin.figures import STYLES, cost_in_words, maker_in_words, tokens_in_words
from chatify.memory.models import MemoryPrompt
from chatify.memory.summaries import MAX_EDITED, edit_summary, followers, rebuild_summary
from sessions.models import Summary
from templates_app.checks import with_plain_newlines

STATE_LOOKS = {"to be made again": "warning", "edited": "info"}

_CHANGED = "This summary has changed since you opened it. Keep your text, open the page anew, and look again."


class SummaryForm(StaffForm[Summary]):
    """The text. What a worker has written since the page was opened is not overwritten unseen."""

    text = forms.CharField(
        max_length=MAX_EDITED,
        show_hidden_initial=True,  # what was seen; compared when it comes back
        widget=TextArea({"rows": 12}),
        help_text="It stands for all messages up to the last of its range, and goes to the model instead of them.",
    )

    class Meta:
        model = Summary
        fields: ClassVar = ["text"]

    def clean_text(self) -> str:
        """Raises ValidationError when it is not the text any more that was opened."""
        seen = self.data.get(self.add_initial_prefix("text"))
        if seen is not None and with_plain_newlines(seen) != with_plain_newlines(self.instance.text):
            raise ValidationError(_CHANGED)
        return with_plain_newlines(self.cleaned_data["text"])


@admin.register(Summary)
class SummaryAdmin(WrittenByActions, StaffAdmin[Summary]):
    """Summaries. Workers make them; people may put one right, or have it made again."""

    form = SummaryForm
    empty_text = "There are no summaries yet. One is made when a conversation outgrows its window, or ends."
    list_display = ("show_range", "show_person", "show_made", "show_tokens", "show_cost", "show_state", "show_created")
    show_created = time_column("created_at", "Made")
    list_filter = ("is_stale", ("edited_at", admin.EmptyFieldListFilter), "tenant")
    list_select_related = ("chat_session__end_user", "edited_by", "tenant")
    list_disable_select_all = True
    search_fields = ("chat_session__title", "chat_session__end_user__external_id", "text")
    search_help_text = "Words of it, the conversation's title, the end user's external_id, or a whole id"
    ordering = ("-id",)
    paginator = UncountedPaginator
    show_full_result_count = False
    actions = ("rebuild",)
    actions_detail = ("rebuild_this",)
    readonly_fields = (
        "show_chat_session", "show_messages", "show_state", "show_maker", "show_tokens", "show_cost",
        "show_created", "show_edited",
    )  # fmt: skip
    fieldsets = (
        ("What it stands for", {"fields": ("show_chat_session", ("show_messages", "show_state"), "text")}),
        (
            "How it was made",
            {"fields": ("show_maker", ("show_tokens", "show_cost"), ("show_created", "show_edited"))},
        ),
    )

    class Media:
        css = STYLES

    # Who may
    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody may: each covers what was said after the one before."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may: the next one stands on it."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Also who reads conversations, which say more."""
        return super().has_view_permission(request) or request.user.has_perm("chat_sessions.view_chatsession")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As rights say; not of a deleted conversation."""
        is_gone = isinstance(obj, Summary) and obj.chat_session.deleted_at is not None
        return super().has_change_permission(request) and not is_gone

    # What is shown
    def get_queryset(self, request: HttpRequest) -> QuerySet[Summary]:
        """With what is shown of other rows."""
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Summary], search_term: str
    ) -> tuple[QuerySet[Summary], bool]:
        """A whole id is that of a conversation."""
        if chat_session_id := as_uuid(search_term):
            return queryset.filter(chat_session_id=chat_session_id), False
        return super().get_search_results(request, queryset, search_term)

    @display(description="Summary", header=True, ordering="from_seq")
    def show_range(self, summary: Summary) -> tuple[str, str]:
        """Its messages, and how it begins."""
        return str(summary), Truncator(summary.text).chars(90)

    @display(description="End user", ordering="chat_session__end_user")
    def show_person(self, summary: Summary) -> str:
        """Whose conversation it is."""
        return str(summary.chat_session.end_user)

    @display(description="Made with")
    def show_made(self, summary: Summary) -> str:
        """Model and prompt."""
        return maker_in_words(summary)

    @display(description="Tokens", ordering="prompt_tokens")
    def show_tokens(self, summary: Summary) -> str:
        """What making it has used."""
        return tokens_in_words(summary)

    @display(description="Cost", ordering="cost")
    def show_cost(self, summary: Summary) -> str:
        """In US dollars."""
        return cost_in_words(summary)

    @display(description="State", label=STATE_LOOKS)
    def show_state(self, summary: Summary) -> str:
        """What is special about it."""
        return "to be made again" if summary.is_stale else "edited" if summary.edited_at else ""

    @display(description="Conversation")
    def show_chat_session(self, summary: Summary) -> SafeString:
        """A link to it, and whose it is."""
        chat_session = summary.chat_session
        address = admin_url("chat_sessions_chatsession", "change", chat_session.id)
        note = ", deleted" if chat_session.deleted_at else ""
        title = chat_session.title or "Untitled"
        return format_html("{} {}", link(address, title), soft(f"with {chat_session.end_user}{note}"))

    @display(description="Messages")
    def show_messages(self, summary: Summary) -> SafeString:
        """Its range, with a link to where it begins."""
        address = admin_url("chat_sessions_chatsession", "change", summary.chat_session_id)
        there = f"{address}?before={summary.to_seq + 1}#message-{summary.from_seq}"
        before = " and the summary before it" if summary.from_seq > 1 else ""
        return format_html("{}{}", link(there, f"{summary.from_seq} to {summary.to_seq}"), before)

    @display(description="Made with")
    def show_maker(self, summary: Summary) -> SafeString:
        """Model and prompt, with a link to the prompt."""
        prompt = MemoryPrompt.objects.filter(purpose="summary", version=summary.prompt_version).first()
        words = maker_in_words(summary)
        address = admin_url("memory_memoryprompt", "change", prompt.id) if prompt else ""
        return format_html("{} {}", words, link(address, "Show the prompt")) if address else format_html("{}", words)

    @display(description="Edited")
    def show_edited(self, summary: Summary) -> str:
        """By whom and when."""
        if summary.edited_at is None:
            return "no"
        return f"{when(summary.edited_at)}, {summary.edited_by or 'somebody who is gone'}"

    # Writing
    def save_model(self, request: HttpRequest, obj: Summary, form: Any, change: bool) -> None:
        """Write the text, if it is another one."""
        if "text" in form.changed_data:
            edit_summary(summary_id=obj.id, text=form.cleaned_data["text"], who=staff_of(request))
            if later := len(followers(obj)):
                self.message_user(request, f"To be made again after it: {_counted(later)}.", messages.INFO)

    @admin.action(description="Make again", permissions=["change"])
    def rebuild(self, request: HttpRequest, queryset: QuerySet[Summary]) -> None:
        """Let workers make them again, out of the same messages."""
        done = list[Summary]()
        for summary in queryset.filter(chat_session__deleted_at=None):
            try:
                rebuild_summary(summary_id=summary.id, who=staff_of(request))
                done.append(summary)
            except ChatifyError as error:  # it went meanwhile
                self.message_user(request, error.detail, messages.ERROR)
        later = {id_ for summary in done for id_ in followers(summary)} - {summary.id for summary in done}
        follow = f", and {_counted(len(later), 'later ')} after that" if later else ""
        text = f"To be made again: {_counted(len(done))}{follow}. Until that is done, the present text is used."
        nothing = "To be made again: none; summaries of deleted conversations stay as they are."
        self.message_user(request, text if done else nothing, messages.SUCCESS if done else messages.WARNING)

    rebuild_this = for_the_open_one(
        rebuild,
        "refresh",
        dialog(
            "Make this summary again?",
            "It is made once more of its messages, with today's prompt. What a person has edited here is replaced, "
            "and later summaries that nobody edited follow.",
            "Make it again",
        ),
    )


def _counted(count: int, which: str = "") -> str:
    return f"{count} {which}{'summary' if count == 1 else 'summaries'}"
