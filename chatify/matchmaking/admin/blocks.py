"""Staff's page for who does not want to meet whom."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from chatify.accounts.admin_base import (
    StaffAdmin,
    UncountedPaginator,
    WrittenByActions,
    display,
    staff_of,
    time_column,
)
from chatify.matchmaking.admin.shown import person_link
from chatify.matchmaking.models import Block
from chatify.matchmaking.moderating import delete_blocks


@admin.register(Block)
class BlockAdmin(WrittenByActions, StaffAdmin[Block]):
    """Who does not want to meet whom. People make them; staff may take one away."""

    empty_text = "Nobody blocks anybody. People do it from within a room."
    list_display = ("blocker", "blocked", "tenant", "show_created")
    show_created = time_column("created_at", "Since")
    list_filter = ("tenant",)
    list_select_related = ("blocker", "blocked", "tenant")
    search_fields = ("blocker__external_id", "blocker__name", "blocked__external_id", "blocked__name")
    search_help_text = "Either person's name or external_id"
    ordering = ("-id",)
    paginator = UncountedPaginator
    show_full_result_count = False
    fields = ("show_blocker", "show_blocked", "name", "tenant", "show_created")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may: it is people's own to say."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may."""
        return False

    @display(description="Who")
    def show_blocker(self, block: Block) -> SafeString:
        """A link to them."""
        return person_link(block.blocker)

    @display(description="Does not meet")
    def show_blocked(self, block: Block) -> SafeString:
        """A link to them."""
        return person_link(block.blocked)

    def delete_model(self, request: HttpRequest, obj: Block) -> None:
        """They may meet again."""
        delete_blocks(block_ids=[obj.id], who=staff_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Block]) -> None:
        """The same for several."""
        delete_blocks(block_ids=list(queryset.values_list("id", flat=True)), who=staff_of(request))
