"""emit(): tells what happened, after commit to listeners in this process, and durably to sinks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import product
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from chatify.common.prepared import Write, insertion
from chatify.events.models import OutboxRow

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `subject_id` is what it happened to: a message, a personality, ..."""

    name: str
    tenant_id: UUID | None = None
    chat_session_id: UUID | None = None
    subject_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Sink:
    """Someone outside who gets events through the outbox. While it is off, no rows are written for it."""

    name: str
    is_on: Callable[[], bool]
    wants: Callable[[Event], bool]


Listener = Callable[[Event], None]
_sinks: dict[str, Sink] = {}
_listeners: list[Listener] = []


def register_sink(sink: Sink) -> None:
    """Add a sink, or replace the one of this name."""
    _sinks[sink.name] = sink


def unregister_sink(name: str) -> None:
    """Remove a sink."""
    _sinks.pop(name, None)


def listen(listener: Listener) -> Callable[[], None]:
    """Call `listener` after the commit of each event, in the committing thread. Gives the way to stop it."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def emit(
    name: str,
    *,
    tenant_id: UUID | None = None,
    chat_session_id: UUID | None = None,
    subject_id: UUID | None = None,
) -> None:
    """Say that something happened; belongs into the transaction in which it does."""
    emit_all([Event(name, tenant_id, chat_session_id, subject_id)])


def emit_all(events: Iterable[Event]) -> None:
    """Say that these things happened, in their order; belongs into the transaction in which they do."""
    told = list(events)
    if rows := _rows(told):
        OutboxRow.objects.bulk_create(rows)
    _tell_after_commit(told)


def outbox(*events: Event) -> tuple[Write, ...]:
    """As `emit_all`, but the rows, if there are any, are left to the caller's own `write`: no round trip of theirs."""
    _tell_after_commit(list(events))
    rows = _rows(events)
    return (insertion(rows),) if rows else ()


def _rows(events: Iterable[Event]) -> list[OutboxRow]:
    sinks = [sink for sink in _sinks.values() if sink.is_on()]
    if not sinks:
        return []
    now = timezone.now()
    return [
        OutboxRow(
            sink=sink.name,
            event=event.name,
            tenant_id=event.tenant_id,
            chat_session_id=event.chat_session_id,
            subject_id=event.subject_id,
            created_at=now,
        )
        for event in events
        for sink in sinks
        if sink.wants(event)
    ]


def _tell_after_commit(events: list[Event]) -> None:
    if _listeners:
        transaction.on_commit(lambda: _tell(events))


def forget(*, chat_session_ids: Collection[UUID] = (), subject_ids: Collection[UUID] = ()) -> None:
    """Delete what sinks were not told yet about what is being erased. What is emitted after this stays."""
    OutboxRow.objects.filter(Q(chat_session_id__in=chat_session_ids) | Q(subject_id__in=subject_ids)).delete()


def _tell(events: list[Event]) -> None:
    for event, listener in product(events, list(_listeners)):
        try:
            listener(event)
        except Exception:  # the change is committed: one listener must not hide it from the others
            log.exception("listener_failed", event_name=event.name)
