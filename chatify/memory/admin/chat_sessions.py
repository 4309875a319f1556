"""What memory adds to the page of a chat session: how far it has come, its summaries, and another try."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from chatify.accounts.admin_base import (
    action,
    admin_url,
    dialog,
    for_the_open_one,
    go_to,
    only,
    staff_of,
)
from chatify.memory.admin.figures import STYLES, cost_in_words, maker_in_words, tokens_in_words
from chatify.memory.models import Memory
from chatify.memory.summaries import rebuild_memories, retry_memory
from sessions.admin import ChatSessionAdmin
from sessions.models import ChatSession, Summary

SHOWN = 5
"""So many summaries are on the page, the newest first; a link leads to the others."""


class MemoryFilter(admin.SimpleListFilter):
    """Conversations for which memory has something to do. Both are found by the index of what is due."""

    title = "memory"
    parameter_name = "memory"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What can be asked for."""
        return [("due", "Something to do"), ("failing", "Failed and tried again")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> QuerySet[ChatSession]:
        """Those."""
        found = {
            "due": Q(memory_due_at__isnull=False),
            "failing": Q(memory_due_at__isnull=False, memory_attempts__gt=0),
        }
        return queryset.filter(found.get(self.value() or "", Q()))


admin.site.unregister(ChatSession)


@admin.register(ChatSession)
class RememberedChatSessionAdmin(ChatSessionAdmin):
    """Chat sessions, with their memory."""

    change_form_template = "memory/admin_chat_session.html"
    list_filter = (*ChatSessionAdmin.list_filter, MemoryFilter)
    actions = (*ChatSessionAdmin.actions, "retry_memory")
    actions_detail = ("retry_memory_this", "rebuild_memories_this", *ChatSessionAdmin.actions_detail)

    class Media:
        css = STYLES

    # What is shown
    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: ChatSession | None = None,
    ) -> HttpResponse:
        """With what is remembered of it; of a room of two people nothing is."""
        if context["original"].mode == ChatSession.Mode.AI:
            context["memory"] = _memory_of(context["original"], request)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Another try only where one is waited for; memories anew only where they have been looked for."""
        rows = ChatSession.objects.existing().filter(mode=ChatSession.Mode.AI)
        waits = rows.filter(memory_due_at__isnull=False, memory_claim=None)
        is_over = rows.filter(status=ChatSession.Status.ENDED)
        hidden = [
            name
            for name, theirs in (("retry_memory_this", waits), ("rebuild_memories_this", is_over))
            if not only(theirs, object_id).exists()
        ]
        found = super().get_actions_detail(request, object_id)
        return [one for one in found if not one.action_name.endswith(tuple(hidden))]

    # Actions
    @admin.action(description="Try memory again", permissions=["end"])
    def retry_memory(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> None:
        """Let workers look at them at once."""
        count = retry_memory(chat_session_ids=queryset.values_list("id", flat=True), who=staff_of(request))
        note = "A worker looks at them within seconds."
        self._tell(request, "Tried again", count, note)

    retry_memory_this = for_the_open_one(
        retry_memory,
        "refresh",
        dialog(
            "Try again now?", "A worker makes the summaries and memories that are due, without waiting.", "Retry now"
        ),
        description="Retry memory",
    )

    @action(
        description="Look for memories again", icon="manage_search", permissions=["end"],
        dialog=dialog(
            "Look for memories again?", "All that the person said is searched once more. What they had corrected or "
            "forgotten stays as it is.", "Look again"
        ),
    )  # fmt: skip
    def rebuild_memories_this(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        """Have a worker find the facts of an ended conversation anew."""
        for row in only(ChatSession.objects.all(), object_id):
            rebuild_memories(chat_session_id=row.id, who=staff_of(request))
            self._tell(request, "Looked for memories again", 1, "A worker does it within seconds.")
        return go_to(admin_url("chat_sessions_chatsession", "change", object_id))


def _memory_of(chat_session: ChatSession, request: HttpRequest) -> dict[str, Any]:
    """What the page shows of it."""
    found = list(chat_session.summaries.order_by("-from_seq")[: SHOWN + 1])
    its = f"?chat_session__id__exact={chat_session.id}"
    may_see = any(request.user.has_perm(f"memory.{verb}_memory") for verb in ("view", "change"))
    return {
        "state": state_in_words(chat_session),
        "summaries": [_row(summary) for summary in found[:SHOWN]],
        "all_summaries": f"{admin_url('chat_sessions_summary')}{its}" if len(found) > SHOWN else "",
        "memories": Memory.objects.filter(chat_session=chat_session).count() if may_see else 0,
        "all_memories": f"{admin_url('memory_memory')}{its}",
    }


def _row(summary: Summary) -> dict[str, Any]:
    return {
        "summary": summary,
        "address": admin_url("chat_sessions_summary", "change", summary.id),
        "maker": maker_in_words(summary),
        "tokens": tokens_in_words(summary),
        "cost": cost_in_words(summary),
    }


def state_in_words(chat_session: ChatSession) -> str:
    """How memory stands with it."""
    due = chat_session.memory_due_at
    if chat_session.deleted_at is not None:
        return "Nothing is remembered of a deleted conversation."
    if due is None:
        return "Up to date."
    if due <= timezone.now():
        return "It is due, and done within seconds."
    return "A worker is at it." if chat_session.memory_claim is not None else f"Next try at {due:%H:%M:%S}."
