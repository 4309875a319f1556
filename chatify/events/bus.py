"""emit(): tells what happened, after commit to listeners in this process, and durably to sinks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

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
    wants: Callable[[str], bool]


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
    event = Event(name, tenant_id, chat_session_id, subject_id)
    rows = [
        OutboxRow(
            sink=sink.name, event=name, tenant_id=tenant_id, chat_session_id=chat_session_id, subject_id=subject_id
        )
        for sink in _sinks.values()
        if sink.is_on() and sink.wants(name)
    ]
    if rows:
        OutboxRow.objects.bulk_create(rows)
    if _listeners:
        transaction.on_commit(lambda: _tell(event))


def forget(*, chat_session_ids: Collection[UUID] = (), subject_ids: Collection[UUID] = ()) -> None:
    """Delete what sinks were not told yet about what is being erased. What is emitted after this stays."""
    OutboxRow.objects.filter(Q(chat_session_id__in=chat_session_ids) | Q(subject_id__in=subject_ids)).delete()


def _tell(event: Event) -> None:
    for listener in list(_listeners):
        try:
            listener(event)
        except Exception:  # the change is committed: one listener must not hide it from the others
            log.exception("listener_failed", event_name=event.name)
