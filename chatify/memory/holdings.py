"""What is kept about end users here: how it is exported, and how it is erased."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from chatify.accounts.models import EndUser
from chatify.accounts.personal_data import Holding, Page, register_holding
from chatify.memory.actions import delete_memories, lock_memories
from chatify.memory.models import Memory
from chatify.memory.objects import memory_object

READ_AT_ONCE = 50


def register_holdings() -> None:
    """Said by the app when it is ready."""
    register_holding(Holding("memories", export=_memories, hide=_erase, erase=_erase))


def _memories(end_user: EndUser, after: UUID | None) -> Page:
    rows = Memory.objects.filter(end_user=end_user).select_related("source__chat_session")
    found = list((rows.filter(id__gt=after) if after else rows).order_by("id")[:READ_AT_ONCE])
    return [memory_object(row) for row in found], found[-1].id if len(found) == READ_AT_ONCE else None


@transaction.atomic
def _erase(end_user: EndUser) -> None:
    """At once, not only hidden: what is remembered is what personalities speak of."""
    delete_memories([row.id for row in lock_memories(end_user.id)[1]])
    EndUser.objects.filter(id=end_user.id).update(remembered={})
