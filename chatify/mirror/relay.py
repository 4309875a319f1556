"""From the outbox to Firestore.

A row says that something happened to a document, never what the document is to hold: that is read from the database
when it is delivered. So rows of one document can be taken together, a document may be written twice, and whoever
writes later writes what is newer, as long as one relay works at a time (its lease).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

import structlog
from django.db.models import F, Q
from django.utils import timezone
from google.cloud.firestore import Client

from chatify.events.leases import Lease
from chatify.events.models import OutboxRow
from chatify.mirror import meters
from chatify.mirror.client import client, is_closed
from chatify.mirror.paths import DocKey, Kind, Place, path_of
from chatify.mirror.payloads import is_mirrored, keys_of, message_keys, payloads_of, places
from chatify.mirror.scopes import places_left
from chatify.mirror.sink import NAME
from chatify.mirror.spreading import spread
from chatify.mirror.writing import (
    BATCH_BYTES,
    BATCH_WRITES,
    COMMIT_SECONDS,
    ERRORS,
    LEAST_BATCH_BYTES,
    REFUSALS,
    Away,
    Operation,
    Writer,
)

ROWS_AT_ONCE = 1000
SECONDS_BETWEEN_WRITES = 1.0
"""Firestore sustains about one write per second to one document."""

_ORDER = (Kind.MESSAGE, Kind.TRANSCRIPT, Kind.CHAT_SESSION, Kind.TEMPLATE, Kind.TENANT)
"""A message is there before its chat session counts it. Tenants come last: while Firestore is away none is spread."""

_MARGIN_SECONDS = 2.0
_MAX_ERROR = 400
_State = OutboxRow.State
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did. `is_full`: there is more; `due_in`: so soon a document may be written again."""

    is_ours: bool = True
    rows: int = 0
    documents: int = 0
    is_full: bool = False
    due_in: float | None = None


@dataclass(slots=True)
class _Work:
    """A row, with those of its documents that are still to be written."""

    row: OutboxRow
    left: tuple[DocKey, ...]


@dataclass(frozen=True, slots=True)
class _Where:
    """Where documents are, and where they may still be: places that their tenants have left, and no rebuild cleared."""

    now: Mapping[UUID, Place]
    before: Mapping[UUID, Sequence[Place]]

    @classmethod
    def of(cls, keys: Iterable[DocKey]) -> _Where:
        """Of the tenants of these documents."""
        now, before = places(key.tenant_id for key in keys if key.tenant_id is not None), defaultdict(list)
        for tenant_id, place in places_left(now):
            before[tenant_id].append(place)
        return cls(now, before)

    def left(self, key: DocKey) -> Iterator[tuple[DocKey, str]]:
        """The paths of a document in these places, each under a key of its own."""
        if key.tenant_id is not None:
            for place in self.before.get(key.tenant_id, ()):
                yield key._replace(id=f"{place.prefix}/{key.id}"), path_of(key, {key.tenant_id: place})


class Relay:
    """Delivers the rows of the outbox. Used by one thread."""

    def __init__(
        self, *, lease: Lease | None = None, look: Callable[[Client, list[str]], set[str]] | None = None
    ) -> None:
        """`look` sees what is in these documents, personalities, before it is overwritten.

        It gives those that it could not see to: they are not written then, and their turn comes again.
        """
        self.lease = lease or Lease(NAME)
        self._look = look
        self._written_at: dict[DocKey, float] = {}  # or should have been
        self._left: dict[UUID, tuple[DocKey, ...]] = {}  # of rows that were delivered in part
        self._batch_bytes = BATCH_BYTES

    def run_once(self) -> Round:
        """Deliver one lot of rows, if the lease is ours. Raises Away, LeaseLost; what was delivered is settled then."""
        if not self._is_ours():
            self._left.clear()
            return Round(is_ours=False)
        works = self._read()
        if not works:
            return Round()
        waiting = self._waiting(works)
        writer = Writer(_connect(), batch_bytes=self._batch_bytes, before_commit=self._before_commit)
        try:
            self._write(writer, [key for work in works for key in work.left if key not in waiting])
        except Away as error:
            if error.is_slow:  # over a slow line the same batch would come to nothing again and again
                self._batch_bytes = max(LEAST_BATCH_BYTES, self._batch_bytes // 2)
            raise
        else:
            self._batch_bytes = min(BATCH_BYTES, self._batch_bytes * 2)
        finally:
            self._settle(works, writer)
        is_full = (len(works) >= ROWS_AT_ONCE and writer.documents > 0) or _has_spread(writer)
        return Round(True, len(works), writer.documents, is_full, min(waiting.values(), default=None))

    def _is_ours(self) -> bool:
        return self.lease.seconds_left > self.lease.seconds / 2 or self.lease.take()

    def _before_commit(self) -> None:
        self.lease.ensure(COMMIT_SECONDS + _MARGIN_SECONDS)

    # What is to be done ---------------------------------------------------------------------------

    def _read(self) -> list[_Work]:
        rows = OutboxRow.objects.filter(sink=NAME, state=_State.PENDING).order_by("id")
        # Those that wait for their turn must not keep the others out.
        found = [_Work(row, self._left.get(row.id) or keys_of(row)) for row in rows[: ROWS_AT_ONCE + len(self._left)]]
        self._left.clear()
        return found

    def _waiting(self, works: Sequence[_Work]) -> dict[DocKey, float]:
        """The documents that were written a moment ago, with the seconds until they may be written again."""
        now, wanted = monotonic(), {key for work in works for key in work.left}
        since = now - SECONDS_BETWEEN_WRITES
        self._written_at = {key: at for key, at in self._written_at.items() if at > since}
        return {key: at - since for key, at in self._written_at.items() if key in wanted}

    # Writing --------------------------------------------------------------------------------------

    def _write(self, writer: Writer, keys: Iterable[DocKey]) -> None:
        keys = dict.fromkeys(keys)
        where = _Where.of(keys)
        lost = [key for key in keys if key.tenant_id is not None and key.tenant_id not in where.now]
        writer.written.update(lost)  # with a tenant that is gone, where its documents are
        untaken = set[DocKey]()
        try:
            for kind in _ORDER:
                some = [key for key in keys if key.kind is kind and key not in writer.written]
                if kind is Kind.TEMPLATE and some and self._look is not None:
                    paths = {path_of(key, where.now): key for key in some}
                    untaken = {paths[path] for path in self._look_at(writer.firestore, list(paths))}
                _write_some(writer, kind, [key for key in some if key not in untaken], where)
        finally:
            now = monotonic()
            self._written_at.update((key, now) for key in keys if key in writer.written or key in untaken)

    def _look_at(self, firestore: Client, paths: list[str]) -> set[str]:
        """Gives those that must not be written now."""
        assert self._look is not None
        try:
            return self._look(firestore, paths)
        except REFUSALS as error:
            if is_closed(error):
                raise Away(error) from error
            some = paths if len(paths) > 1 else []  # the others; writing this one will be refused as well
            return {one for path in some for one in self._look_at(firestore, [path])}
        except ERRORS as error:
            raise Away(error) from error

    # Afterwards -----------------------------------------------------------------------------------

    def _settle(self, works: Sequence[_Work], writer: Writer) -> None:
        """Delete the rows that are delivered, and keep the others."""
        meters.documents_written.inc(writer.documents)
        if self.lease.seconds_left < 0:
            # Held up in the middle: we may have overwritten what somebody else wrote, with what we had read before.
            OutboxRow.objects.bulk_create([_again(work.row) for work in works])
            log.warning("firestore_written_late", rows=len(works))
            return
        done, dead = self._sort(works, writer)
        if done:
            OutboxRow.objects.filter(id__in=[row.id for row in done]).delete()
            now = timezone.now()
            for row in done:
                meters.delivery.observe((now - row.created_at).total_seconds())
        _bury(dead)
        _exhume(works, writer.paths)

    def _sort(self, works: Sequence[_Work], writer: Writer) -> tuple[list[OutboxRow], dict[UUID, str]]:
        """The rows that are done with, and those that Firestore refuses, with its reason.

        A document that is still to be written keeps one row, the last that names it: the others are done without it.
        """
        done: list[OutboxRow] = []
        dead: dict[UUID, str] = {}
        kept: set[DocKey] = set()
        for work in reversed(works):
            left = [key for key in work.left if key not in writer.written]
            refused = [key for key in left if key in writer.refused]
            if still := [key for key in left if key not in writer.refused and key not in kept]:
                kept.update(still)
                self._left[work.row.id] = (*still, *refused)
            elif refused:
                dead[work.row.id] = writer.refused[refused[0]][:_MAX_ERROR]
            else:
                done.append(work.row)
        return done, dead


def _connect() -> Client:
    try:
        return client()
    except ERRORS as error:  # of credentials
        raise Away(error) from error


def _has_spread(writer: Writer) -> bool:
    return any(key.kind is Kind.TENANT for key in writer.written)


def _write_some(writer: Writer, kind: Kind, keys: list[DocKey], where: _Where) -> None:
    """Write what is of one kind."""
    if kind is Kind.TRANSCRIPT:
        for key in keys:
            _write_transcript(writer, key, where)
    elif kind is Kind.TENANT:
        for key in keys:
            spread(key)
            writer.written.add(key)
    else:
        writer.write(_operations(keys, where))


def _write_transcript(writer: Writer, key: DocKey, where: _Where) -> None:
    """All messages of a chat session, or none when it was deleted."""
    if not is_mirrored(key):
        for other, path in where.left(key):
            writer.delete_collection(other, path)
        writer.delete_collection(key, path_of(key, where.now))
        return
    keys = message_keys(key)
    writer.write(_operations(keys, where))
    refused = [writer.refused[one] for one in keys if one in writer.refused]
    if refused:
        writer.refused[key] = refused[0]
    else:
        writer.written.add(key)


def _operations(keys: Iterable[DocKey], where: _Where) -> Iterator[Operation]:
    """Read as they are written, so that what is read is never old.

    What is gone goes as well from where it was before, and first: at its present place it is done with.
    """
    wanted = list(keys)
    for start in range(0, len(wanted), BATCH_WRITES):
        for key, payload in payloads_of(wanted[start : start + BATCH_WRITES]).items():
            if payload is None:
                yield from (Operation(other, path, None) for other, path in where.left(key))
            yield Operation(key, path_of(key, where.now), payload)


def _again(row: OutboxRow) -> OutboxRow:
    return OutboxRow(
        sink=row.sink,
        event=row.event,
        tenant_id=row.tenant_id,
        chat_session_id=row.chat_session_id,
        subject_id=row.subject_id,
    )


def _bury(dead: dict[UUID, str]) -> None:
    for id_, error in dead.items():
        log.error("firestore_refused", row=str(id_), reason=error)
        meters.failures.labels("refused").inc()
        OutboxRow.objects.filter(id=id_).update(state=_State.DEAD, attempts=F("attempts") + 1, error=error)


def _exhume(works: Sequence[_Work], paths: set[str]) -> None:
    """Remove the dead rows whose documents could be written after all, because of a later change."""
    chats = {work.row.chat_session_id for work in works}
    of_these = Q(chat_session_id=None) | Q(chat_session_id__in=chats)
    dead = OutboxRow.objects.filter(of_these, sink=NAME, state=_State.DEAD).values_list("id", "error")
    if mended := [id_ for id_, error in dead if error.partition(": ")[0] in paths]:
        OutboxRow.objects.filter(id__in=mended).delete()
