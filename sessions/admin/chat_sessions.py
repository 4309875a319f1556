"""Staff's page for chat sessions: to find, to read, to end, to delete and to restore them."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from chatify.accounts.admin_base import (
    DeletedFilter,
    StaffAdmin,
    UncountedPaginator,
    ViewOnly,
    admin_url,
    as_uuid,
    dialog,
    display,
    for_the_open_one,
    only,
    time_column,
    when,
)
from chatify.accounts.models import EndUser
from chatify.common.errors import NotFound
from sessions.access import people_of
from sessions.actions import delete_chat_sessions, end_chat_session, restore_chat_sessions
from sessions.admin.transcript import read_transcript
from sessions.models import ChatSession

ENDED_BY_STAFF = "ended_by_staff"
STATUS_LOOKS = {"active": "success", "paused": "warning", "ended": "default", "deleted": "danger"}


class PersonFilter(admin.SimpleListFilter):
    """The conversations of one person, rooms among them in which they are the second. Asked for by links."""

    title = "person"
    parameter_name = "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Who is asked for, and nobody else: there are too many."""
        asked = self.value()
        person = only(EndUser.objects.all(), asked).first() if asked else None
        return [(str(asked), str(person or "nobody"))] if asked else []

    def value(self) -> str | None:
        """Their id."""
        found: str | None = super().value()
        return found

    def queryset(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> QuerySet[ChatSession]:
        """Those; none for what is no id."""
        id_ = as_uuid(self.value())
        if id_ is None:
            return queryset.none() if self.value() else queryset
        return queryset.filter(Q(end_user_id=id_) | Q(partner_id=id_))


@admin.register(ChatSession)
class ChatSessionAdmin(ViewOnly, StaffAdmin[ChatSession]):
    """Chat sessions. What was said is read here and never changed."""

    list_display = (
        "show_title", "show_personality", "show_people", "tenant", "show_status", "show_messages", "show_tokens",
        "show_activity",
    )  # fmt: skip
    show_activity = time_column("last_activity", "Last activity")
    list_filter: ClassVar[tuple[Any, ...]] = (
        "status", "mode", DeletedFilter, "tenant", "template", "chosen_by", PersonFilter,
    )  # fmt: skip
    list_select_related = ("template", "end_user", "partner", "tenant", "version")
    list_per_page = 50
    list_disable_select_all = True
    search_fields = (
        "title", "end_user__external_id", "end_user__name", "partner__external_id", "partner__name",
    )  # fmt: skip
    search_help_text = "Title, end user's name or external_id, or a whole id"
    ordering = ("-last_activity",)
    paginator = UncountedPaginator
    show_full_result_count = False
    actions: tuple[str, ...] = ("end", "delete", "restore")
    actions_detail: tuple[str, ...] = ("end_this", "delete_this", "restore_this")

    class Media:
        css = {"all": ["sessions/admin.css"]}

    # Who may
    def has_end_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change chat sessions: ending and restoring is all that can be changed."""
        return request.user.has_perm("chat_sessions.change_chatsession")

    def has_remove_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may delete chat sessions."""
        return request.user.has_perm("chat_sessions.delete_chatsession")

    # The list
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ChatSession], search_term: str
    ) -> tuple[QuerySet[ChatSession], bool]:
        """A whole id is looked up as such: fast, and in every way it can be written."""
        if chat_session_id := as_uuid(search_term):
            return queryset.filter(id=chat_session_id), False
        return super().get_search_results(request, queryset, search_term)

    @display(description="Title", header=True, ordering="title")
    def show_title(self, chat_session: ChatSession) -> tuple[str, str]:
        """The title, and when it began."""
        untitled = "Room of two people" if chat_session.partner is not None else "Untitled"
        return chat_session.title or untitled, f"started {when(chat_session.created_at)}"

    @display(description="Personality", ordering="template__name")
    def show_personality(self, chat_session: ChatSession) -> str:
        """With the version that it keeps."""
        if chat_session.version is None:
            return "two people"
        return f"{chat_session.template} · v{chat_session.version.number}"

    @display(description="People", ordering="end_user")
    def show_people(self, chat_session: ChatSession) -> str:
        """The end user, and in a room the second person."""
        return " and ".join(map(str, people_of(chat_session)))

    @display(description="Status", label=STATUS_LOOKS, ordering="status")
    def show_status(self, chat_session: ChatSession) -> str:
        """Where it is in its life."""
        return "deleted" if chat_session.deleted_at else chat_session.status

    @display(description="Messages", ordering="last_seq")
    def show_messages(self, chat_session: ChatSession) -> int:
        """Their number."""
        return chat_session.last_seq

    @display(description="Tokens", ordering="total_tokens_used")
    def show_tokens(self, chat_session: ChatSession) -> str:
        """What it has used."""
        return f"{chat_session.total_tokens_used:,}" if chat_session.partner is None else "–"

    # One conversation
    def get_queryset(self, request: HttpRequest) -> QuerySet[ChatSession]:
        """With what both pages show of other rows."""
        shown = ("template", "end_user", "partner", "tenant", "version", "suggested_template")
        return super().get_queryset(request).select_related(*shown)

    def get_fields(self, request: HttpRequest, obj: ChatSession | None = None) -> tuple[str, ...]:
        """None: the page has a template of its own."""
        return ()

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: ChatSession | None = None,
    ) -> HttpResponse:
        """With the conversation. By now it is sure that the reader may."""
        chat_session: ChatSession = context["original"]
        before = request.GET.get("before", "")
        context |= {
            "chat_session": chat_session,
            "status": self.show_status(chat_session),
            "transcript": read_transcript(chat_session, int(before) if _is_small_number(before) else None),
            "people": [
                (person, admin_url("accounts_enduser", "change", person.id)) for person in people_of(chat_session)
            ],
            "participants": chat_session.participants.select_related("end_user"),
            "links": {
                "template": _address("templates_app_prompttemplate", chat_session.template_id),
                "version": _address("templates_app_promptversion", chat_session.version_id),
                "suggested": _address("templates_app_prompttemplate", chat_session.suggested_template_id),
            },
        }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only those that would change something."""
        state = only(ChatSession.objects.all(), object_id).values_list("status", "deleted_at").first()
        status, deleted_at = state or (ChatSession.Status.ENDED, None)
        is_open = status != ChatSession.Status.ENDED
        idle = (
            ("end_this", "delete_this")
            if deleted_at
            else ("restore_this",)
            if is_open
            else ("end_this", "restore_this")
        )
        found: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [one for one in found if not one.action_name.endswith(idle)]

    # Actions
    @admin.action(description="End", permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> None:
        """They take no messages any more."""
        found = queryset.filter(deleted_at=None).exclude(status=ChatSession.Status.ENDED)
        ended = sum(_end(chat_session_id) for chat_session_id in found.values_list("id", flat=True))
        self._tell(request, "Ended", ended)

    @admin.action(description="Delete", permissions=["remove"])
    def delete(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> None:
        """Hide them from everybody but staff."""
        count = delete_chat_sessions(chat_session_ids=list(queryset.values_list("id", flat=True)))
        self._tell(request, "Deleted", count, "Staff can still read and restore what was deleted.")

    @admin.action(description="Restore", permissions=["end"])
    def restore(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> None:
        """Undo the deletion."""
        self._tell(request, "Restored", restore_chat_sessions(chat_session_ids=queryset.values_list("id", flat=True)))

    end_this = for_the_open_one(
        end,
        "stop_circle",
        dialog("End this conversation?", "It takes no messages any more. A running reply is stopped.", "End it"),
    )

    delete_this = for_the_open_one(
        delete,
        "delete",
        dialog("Delete this conversation?", "Nobody but staff sees it then. They can restore it.", "Delete it"),
    )

    restore_this = for_the_open_one(
        restore, "restore_from_trash", dialog("Restore this conversation?", "The end user sees it again.", "Restore it")
    )

    def _tell(self, request: HttpRequest, done: str, count: int, note: str = "") -> None:
        conversations = f"{count} conversation{'' if count == 1 else 's'}"
        text = f"{done}: {conversations}. {note}" if count else f"{done}: none; there was nothing to do."
        self.message_user(request, text, messages.SUCCESS if count else messages.WARNING)


def _address(model: str, id_: UUID | None) -> str:
    return admin_url(model, "change", id_) if id_ is not None else ""


def _end(chat_session_id: UUID) -> bool:
    try:
        end_chat_session(chat_session_id=chat_session_id, reason=ENDED_BY_STAFF)
    except NotFound:  # deleted meanwhile
        return False
    return True


def _is_small_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10
