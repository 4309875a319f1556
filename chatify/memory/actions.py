"""Writes of memories by people, and the digest of them that prompts use.

Who writes memories locks first the end user (not their key, so that messages and usage go on), then, if need be, the
chat session, then memories by their id: erasing locks in this order, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from chatify.accounts.audit import Who, record
from chatify.accounts.models import EndUser, User
from chatify.accounts.personal_data import blank_admin_log
from chatify.common.errors import InvalidInput, NotFound
from chatify.events.bus import emit
from chatify.memory.forgotten import WHOLE_KIND, Place, refused
from chatify.memory.models import Memory
from chatify.memory.texts import key_of, memory_text
from templates_app.rendering import MAX_STYLE

_MOST_TOPICS = 8


@transaction.atomic
def correct_memory(*, memory: Memory, text: str, who: Who) -> Memory:
    """Give a memory another text, which nothing that is found later replaces.

    If another memory of the kind says the same, the two become one. What it said until now is forgotten. Raises
    InvalidInput (`blank`), NotFound when it was deleted meanwhile.
    """
    text = memory_text(text)
    if not text:
        raise InvalidInput.at("text", "blank", "This may not be empty.")
    end_user, rows = lock_memories(memory.end_user_id)
    row = next((row for row in rows if row.id == memory.id), None)
    if end_user is None or row is None:
        raise NotFound("There is no such memory.")
    key = key_of(row.kind, text)
    same = [one for one in rows if one.kind == row.kind and one.key == key and one.id != row.id]
    delete_memories([one.id for one in same])
    if row.key != key:
        _refuse(end_user, [(row.kind, row.key)])
    row.text, row.key, row.corrected_at, row.corrected_by_id = text, key, timezone.now(), _person(who)
    row.said_at = max(one.said_at for one in (row, *same))
    row.save()
    tell_change(end_user)
    _audit("memory.corrected", who, row.tenant_id, [row.id])
    return row


def forget_memories(*, memories: Iterable[Memory], who: Who) -> int:
    """Delete memories for good: they are not found again in what was said until now.

    Gives the number of those that were still there.
    """
    by_end_user = sorted(memories, key=lambda memory: str(memory.end_user_id))
    groups = groupby(by_end_user, key=lambda memory: memory.end_user_id)
    return sum(_forget(end_user_id, list(theirs), who) for end_user_id, theirs in groups)


@transaction.atomic
def forget_everything(*, end_user_id: UUID, who: Who, kind: str | None = None) -> int:
    """Delete all memories of somebody, or all of one kind, also those that are yet to be found in what was said.

    Gives the number of those that were there.
    """
    end_user, rows = lock_memories(end_user_id)
    if end_user is None:
        return 0
    if kind is None:
        EndUser.objects.filter(id=end_user_id).update(memories_forgotten_at=Now(), memories_refused={})
    else:
        _refuse(end_user, [(kind, WHOLE_KIND)])
    return _delete(end_user, [row for row in rows if kind in (None, row.kind)], who)


@transaction.atomic
def _forget(end_user_id: UUID, memories: list[Memory], who: Who) -> int:
    end_user, rows = lock_memories(end_user_id)
    ids = {memory.id for memory in memories}
    gone = [row for row in rows if row.id in ids]
    if end_user is None or not gone:
        return 0
    _refuse(end_user, [(row.kind, row.key) for row in gone])
    return _delete(end_user, gone, who)


def _refuse(end_user: EndUser, places: Iterable[Place]) -> None:
    rows = EndUser.objects.filter(id=end_user.id)
    now = rows.values_list(Now(), flat=True).get()  # the database's clock dates what was said, too
    rows.update(memories_refused=refused(end_user, places, now))


def _delete(end_user: EndUser, rows: list[Memory], who: Who) -> int:
    if rows:
        ids = [row.id for row in rows]
        delete_memories(ids)
        tell_change(end_user)
        _audit("memory.deleted", who, end_user.tenant_id, ids)
    return len(rows)


def refresh_remembered(end_user: EndUser) -> None:
    """Make the digest of somebody's memories again, with the row of the end user locked by the caller."""
    EndUser.objects.filter(id=end_user.id).update(
        remembered=_digest(list(Memory.objects.filter(end_user_id=end_user.id).order_by("-said_at", "-id"))),
        memory_version=F("memory_version") + 1,
    )


# Shared with what is found -------------------------------------------------------------------------
def lock_end_user(end_user_id: UUID) -> EndUser | None:
    """The end user's row, for whoever changes their memories. None when they were erased."""
    return EndUser.objects.select_for_update(no_key=True).filter(id=end_user_id).first()


def lock_memories(end_user_id: UUID) -> tuple[EndUser | None, list[Memory]]:
    """The end user and all their memories, locked."""
    end_user = lock_end_user(end_user_id)
    rows = Memory.objects.filter(end_user_id=end_user_id).order_by("id")
    return end_user, list(rows.select_for_update(of=("self",)))


def delete_memories(ids: Collection[UUID]) -> None:
    """Delete these locked memories, also where Django's admin calls them by their text."""
    if ids:
        Memory.objects.filter(id__in=ids).delete()
        blank_admin_log(Memory, ids)


def tell_change(end_user: EndUser) -> None:
    """Something is remembered otherwise than before."""
    refresh_remembered(end_user)
    emit("memory.changed", tenant_id=end_user.tenant_id, subject_id=end_user.id)


def _digest(newest_first: list[Memory]) -> dict[str, Any]:
    kinds = Memory.Kind
    texts = {kind: [row.text for row in newest_first if row.kind == kind] for kind in kinds}
    moods = [row for row in newest_first if row.kind == kinds.MOOD]
    found = {
        "name": "".join(texts[kinds.NAME][:1]),
        "style": _joined(texts[kinds.STYLE], MAX_STYLE),
        "mood": moods[0].text if moods else "",
        "mood_at": moods[0].said_at.isoformat() if moods else "",
        "topics": texts[kinds.TOPIC][:_MOST_TOPICS],
    }
    return {name: value for name, value in found.items() if value}


def _joined(texts: list[str], most: int) -> str:
    """As many of the texts as there is room for, none of them cut except the first."""
    joined = texts[0][:most] if texts else ""
    for text in texts[1:]:
        if len(joined) + 2 + len(text) <= most:
            joined += f"; {text}"
    return joined


def _person(who: Who) -> UUID | None:
    return who.id if isinstance(who, User) else who.user_id if who is not None else None


def _audit(action: str, who: Who, tenant_id: UUID, ids: list[UUID]) -> None:
    """What staff do to somebody's memories is told; what people do to their own is theirs."""
    if isinstance(who, User):
        for id_ in ids:
            record(action, who=who, tenant_id=tenant_id, subject_id=id_)
