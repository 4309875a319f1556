"""Who takes part in human rooms: whether they are there, and up to which message they have read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import BooleanField, Case, ExpressionWrapper, F, PositiveIntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Greatest, Now

from chatify.events.bus import Event, emit_all
from sessions.models import Message, Participant

STALE = timedelta(seconds=30)
"""Whose sockets were not seen open for so long is not there: the process that held them died."""

WRITTEN_AT_ONCE = 200


class Person(NamedTuple):
    """One of the two in a human room. `role` is that of their messages."""

    participant_id: UUID
    role: str
    name: str
    is_online: bool
    read_seq: int


def people_in(chat_session_ids: Iterable[UUID]) -> dict[UUID, list[Person]]:
    """The people of these human rooms, who came first first, by the id of the room."""
    is_online = ExpressionWrapper(Q(seen_at__gte=Now() - STALE), output_field=BooleanField())
    rows = Participant.objects.filter(chat_session__in=list(chat_session_ids), kind=Participant.Kind.END_USER)
    fields = "chat_session_id", "chat_session__end_user_id", "end_user_id", "id", "end_user__name", "read_seq"
    found: dict[UUID, list[Person]] = {}
    rows = rows.annotate(is_online=is_online).order_by("id")
    for room, first, end_user, id_, name, read_seq, online in rows.values_list(*fields, "is_online"):
        role = Message.Role.USER if end_user == first else Message.Role.HUMAN
        found.setdefault(room, []).append(Person(id_, role.value, name, bool(online), read_seq))
    for people in found.values():
        people.sort(key=lambda one: one.role != Message.Role.USER)
    return found


def write_marks(*, here: Collection[UUID], gone: Collection[UUID], read: Mapping[UUID, int]) -> set[UUID]:
    """Write which participants are here now and which are gone, and how far they have read; marks never go back.

    Gives those that were written: not who was erased, and not who somebody else writes in this moment.
    """
    ids = sorted({*here, *gone, *read})
    return {id_ for batch in _batches(ids) for id_ in _write(batch, here, gone, read)}


@transaction.atomic
def _write(ids: list[UUID], here: Collection[UUID], gone: Collection[UUID], read: Mapping[UUID, int]) -> set[UUID]:
    rows = Participant.objects.filter(id__in=ids)
    # Waits for nobody, as two processes may have the same people. `no_key`, or each new message would wait for this.
    locked = rows.select_for_update(skip_locked=True, no_key=True).values_list("id", "tenant_id", "chat_session_id")
    found = {id_: (tenant_id, chat_session_id) for id_, tenant_id, chat_session_id in locked}
    _update(rows, found, here, seen_at=Now())
    _update(rows, found, gone, seen_at=None)
    if marks := [When(id=id_, then=Value(seq)) for id_, seq in read.items() if id_ in found]:
        mark = Case(*marks, default=Value(0), output_field=PositiveIntegerField())
        _update(rows, found, read, read_seq=Greatest(F("read_seq"), mark))
    emit_all(Event("participant.read", *found[id_], subject_id=id_) for id_ in ids if id_ in found and id_ in read)
    return set(found)


def _update(rows: QuerySet[Participant], found: Collection[UUID], wanted: Collection[UUID], **changes: object) -> None:
    if ids := [id_ for id_ in found if id_ in wanted]:
        rows.filter(id__in=ids).update(**changes)


def _batches(ids: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), WRITTEN_AT_ONCE):
        yield ids[start : start + WRITTEN_AT_ONCE]
