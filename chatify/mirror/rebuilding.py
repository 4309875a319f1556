"""Make Firestore as the database says.

What is missing or different is put into the outbox, so that everything that is ever written is written by the one
relay and nothing can overtake anything. What does not belong there is removed directly, on the condition that it is
still what was looked at. A run that is killed leaves nothing half done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic, sleep

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from google.api_core.exceptions import FailedPrecondition, NotFound
from google.cloud.firestore import Client

from chatify.events.leases import LeaseLost
from chatify.events.models import OutboxRow
from chatify.mirror.comparing import is_untouched, plain
from chatify.mirror.differences import Finding, What
from chatify.mirror.foreign import derived_id
from chatify.mirror.listening import Inbound, document_of
from chatify.mirror.models import InboundReport
from chatify.mirror.ownership import forget_imports, ours
from chatify.mirror.paths import DocKey, Kind
from chatify.mirror.relay import Relay
from chatify.mirror.scopes import Scope
from chatify.mirror.settling import settle
from chatify.mirror.sink import NAME
from chatify.mirror.taking import clip, report
from chatify.mirror.verifying import Waiting, count_waiting, is_nobodys
from chatify.mirror.walking import READ_SECONDS, RETRY, Lot, Suspect, lots, templates
from chatify.mirror.writing import BATCH_WRITES, COMMIT_SECONDS
from templates_app.models import PromptTemplate

ROWS_AHEAD = 2000
"""So many rows of a rebuild wait at most: what people say meanwhile waits behind them."""

STALL_SECONDS = 90.0
_POLL_SECONDS = 0.3


class Stalled(RuntimeError):
    """Nothing is delivered: by another process, which has the relay's lease, or since an edit cannot be taken."""

    def __init__(self) -> None:
        super().__init__(
            f"Nothing has been delivered for {STALL_SECONDS:.0f} seconds: see firestore_status and the log."
        )


@dataclass(slots=True)
class Change:
    """What was done about a lot."""

    compared: int = 0
    written: int = 0
    removed: int = 0
    kept: list[Finding] = field(default_factory=list)
    """What stays, with the reason: edits that nobody has taken yet, and what was changed in that moment."""
    reported: list[Finding] = field(default_factory=list)
    """What was removed, and somebody had written where nobody takes it."""
    foreign: list[Finding] = field(default_factory=list)
    """What Chatify has neither written nor imported: not ours to remove."""
    after: str = ""
    is_last: bool = False
    is_whole: bool = True


def rebuild(
    firestore: Client, scope: Scope, after: str = "", *, note: Callable[[Change], None], deliver: Delivery
) -> Iterator[Change]:
    """Set a place right, lot by lot, or what comes after a chat session.

    `note` is called in the transaction that puts a lot into the outbox. Raises Firestore's errors, Away and Stalled.
    """
    for looked_at in lots(firestore, scope, after):
        lot = looked_at
        if any(suspect.key.kind is Kind.TEMPLATE for suspect in lot.suspects):
            deliver.take_edits(firestore, lot)
            lot = templates(firestore, scope)
        change = Change(lot.compared, after=lot.after, is_last=lot.is_last, is_whole=lot.is_whole)
        change.removed = _remove(firestore, scope, [one for one in lot.suspects if one.is_extra], change)
        with transaction.atomic():
            change.written = _put(lot, scope)
            _settle_refused(one.path for one in lot.suspects if not one.is_extra)
            note(change)
        deliver.until(ROWS_AHEAD)
        yield change


# What is missing or different ---------------------------------------------------------------------


def _put(lot: Lot, scope: Scope) -> int:
    """Into the outbox, unless it is there already."""
    wrong = [suspect for suspect in lot.suspects if not suspect.is_extra]
    waiting = Waiting.of(wrong, scope) if wrong else Waiting(frozenset())
    rows = [row for suspect in wrong if not waiting.has(suspect.key) and (row := _row(suspect.key))]
    OutboxRow.objects.bulk_create(rows, batch_size=500)
    return len(wrong)


def _row(key: DocKey) -> OutboxRow | None:
    if key.kind is Kind.TEMPLATE:
        whose = Q(tenant=None) if key.tenant_id is None else Q(tenant_id=key.tenant_id)
        found = PromptTemplate.objects.existing().filter(whose, slug=key.id)
        id_ = found.values_list("id", flat=True).first()
        if id_ is None:  # deleted meanwhile
            return None
        return OutboxRow(sink=NAME, event="template.rebuilt", tenant_id=key.tenant_id, subject_id=id_)
    made = OutboxRow(sink=NAME, event="session.rebuilt", tenant_id=key.tenant_id, chat_session_id=key.id)
    if key.kind is Kind.MESSAGE:
        made.event, made.chat_session_id, made.subject_id = "message.rebuilt", key.chat_session_id, key.id
    return made


# What does not belong there -----------------------------------------------------------------------


def _remove(firestore: Client, scope: Scope, extras: list[Suspect], change: Change) -> int:
    own = ours(scope, {suspect.path: suspect.seen.to_dict() or {} for suspect in extras})
    change.foreign = [replace(one.finding, what=What.FOREIGN) for one in extras if one.path not in own]
    written = [one for one in extras if one.path in own and _would_be_lost(one)]
    reported = {one.path for one in written if is_nobodys(one.path)}
    for suspect in written:
        if suspect.path in reported:
            _report(scope, suspect)
        else:
            change.kept.append(replace(suspect.finding, note="nobody has taken it"))
    left = {finding.path for finding in (*change.foreign, *change.kept)}
    wanted = [suspect for suspect in extras if suspect.path not in left]
    wanted.sort(key=lambda suspect: suspect.key.kind is Kind.CHAT_SESSION)  # by these their messages are found
    changed = [
        one for at in range(0, len(wanted), BATCH_WRITES) for one in _delete(firestore, wanted[at:][:BATCH_WRITES])
    ]
    change.kept += [replace(one.finding, note="it was changed meanwhile") for one in changed]
    change.reported = [one.finding for one in wanted if one.path in reported and one not in changed]
    if not changed:
        forget_imports(derived_id(one.path) for one in wanted if one.key.kind is Kind.CHAT_SESSION)
        _settle_refused(one.path for one in wanted)
    return len(wanted) - len(changed)


def _report(scope: Scope, suspect: Suspect) -> None:
    """Keep what was written where nobody takes it, for staff to look at: it is removed there."""
    whose = next(iter([*scope.places, *scope.left]), None) if scope.prefix else None
    told = "It was written where no personality of ours can be. A rebuild has removed it there."
    report(InboundReport.Kind.CONFLICT, document_of(suspect.seen), told, tenant_id=whose)


def _settle_refused(paths: Iterable[str]) -> None:
    """What was refused does not stand there any more."""
    refused = InboundReport.objects.filter(kind=InboundReport.Kind.REFUSED, settled_at=None)
    settle(report_ids=refused.filter(path__in=list(map(clip, paths))).values_list("id", flat=True), who=None)


def _would_be_lost(suspect: Suspect) -> bool:
    """Whether it is a personality that somebody wrote there, and that is nowhere here."""
    if suspect.key.kind is not Kind.TEMPLATE:
        return False
    document = suspect.seen.to_dict() or {}
    reports = InboundReport.objects.filter(path=clip(suspect.path)).values_list("content", flat=True)
    return not is_untouched(document) and plain(document) not in list(reports)


def _delete(firestore: Client, extras: list[Suspect]) -> list[Suspect]:
    """Delete these as far as they have not been changed since they were looked at. Gives those that have been."""
    if not extras:
        return []
    batch = firestore.batch()
    for suspect in extras:
        unchanged = firestore.write_option(last_update_time=suspect.seen.update_time)
        batch.delete(suspect.seen.reference, unchanged)
    try:
        batch.commit(retry=None, timeout=COMMIT_SECONDS)
    except (FailedPrecondition, NotFound):  # one of them: the batch is written as a whole or not at all
        if len(extras) == 1:
            is_there = extras[0].seen.reference.get(retry=RETRY, timeout=READ_SECONDS).exists
            return extras if is_there else []
        middle = len(extras) // 2
        return _delete(firestore, extras[:middle]) + _delete(firestore, extras[middle:])
    return []


# Delivering ---------------------------------------------------------------------------------------


class Delivery:
    """Has the outbox delivered: by the relay that is at work, or, if there is none, by one of its own."""

    def __init__(self) -> None:
        self._inbound = Inbound()
        self._relay = Relay(look=self._inbound.look)

    def take_edits(self, firestore: Client, lot: Lot) -> None:
        """Take what was edited in Firestore, as the relay that is at work does."""
        if self._relay.lease.take():
            self._inbound.look(firestore, [suspect.path for suspect in lot.suspects if suspect.seen is not None])

    def until(self, most: int, asked_at: datetime | None = None) -> None:
        """Deliver until at most so many rows wait, of those of a time. Raises Away and Stalled."""
        asked_at = asked_at or timezone.now()
        best, since = count_waiting(asked_at), monotonic()
        while best > most:
            sleep(self._round())
            left = count_waiting(asked_at)
            if left < best:
                best, since = left, monotonic()
            if monotonic() - since > STALL_SECONDS:
                raise Stalled

    def close(self) -> None:
        """Let others deliver."""
        self._relay.lease.release()
        self._inbound.close()

    def _round(self) -> float:
        """Gives the seconds until the next one."""
        try:
            done = self._relay.run_once()
        except LeaseLost:
            return _POLL_SECONDS
        if not done.is_ours:
            return _POLL_SECONDS
        return 0.0 if done.documents else min(done.due_in or 0.0, _POLL_SECONDS)
