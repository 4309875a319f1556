"""Is Firestore as the database says? Document by document, also while the relay is at work.

A document counts as different only if it is so for sure: nothing about it is waiting in the outbox, and it was not
changed while it was looked at. What is waiting is not there yet, and counted as that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic, sleep
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from google.api_core.exceptions import InvalidArgument
from google.cloud.firestore import Client

from chatify.common.strict_json import is_storable
from chatify.events.models import OutboxRow
from chatify.mirror.comparing import is_untouched
from chatify.mirror.differences import Finding, What, find
from chatify.mirror.models import InboundReport
from chatify.mirror.ownership import ours
from chatify.mirror.paths import DocKey, Kind
from chatify.mirror.payloads import OF_TENANT, keys_of
from chatify.mirror.scopes import Scope
from chatify.mirror.sink import NAME
from chatify.mirror.taking import Unknown, clip, whose
from chatify.mirror.walking import READ_SECONDS, RETRY, Lot, Suspect, expected, lots

WAIT_SECONDS = 30.0
ATTEMPTS = 6
"""So often a document is looked at again that changes while it is looked at."""

_AT_ONCE = 200
_POLL_SECONDS = 0.2
_Thing = tuple[Kind, UUID | str, UUID | None]


@dataclass(slots=True)
class Verdict:
    """What was found in a lot."""

    compared: int = 0
    findings: list[Finding] = field(default_factory=list)
    foreign: list[Finding] = field(default_factory=list)
    """What Chatify has neither written nor imported, and a rebuild leaves alone."""
    not_yet: int = 0
    after: str = ""
    is_last: bool = False
    is_whole: bool = True


def verify(firestore: Client, scope: Scope, after: str = "") -> Iterator[Verdict]:
    """Compare a place, lot by lot, or what comes after a chat session. Raises Firestore's errors."""
    for lot in lots(firestore, scope, after):
        yield confirm(firestore, scope, lot)


def confirm(firestore: Client, scope: Scope, lot: Lot) -> Verdict:
    """Look at the suspects again until it is sure what they are."""
    verdict = Verdict(lot.compared, after=lot.after, is_last=lot.is_last, is_whole=lot.is_whole)
    for start in range(0, len(lot.suspects), _AT_ONCE):
        suspects = lot.suspects[start : start + _AT_ONCE]
        for _ in range(ATTEMPTS):
            suspects = _look_again(firestore, scope, suspects, verdict)
            if not suspects:
                break
        verdict.not_yet += len(suspects)
    return verdict


def _look_again(firestore: Client, scope: Scope, suspects: list[Suspect], verdict: Verdict) -> list[Suspect]:
    """Gives those that were changed meanwhile.

    The order is what makes it sure: what the database held before, and of which nothing waits afterwards, had been
    delivered before the document is read.
    """
    before = expected(suspect.key for suspect in suspects)
    waiting = Waiting.of(suspects, scope)
    documents = _read(firestore, suspects)
    now = expected(suspect.key for suspect in suspects)
    own = ours(scope, {path: fields for path, fields in documents.items() if fields is not None})
    changing = []
    for suspect in suspects:
        finding = find(suspect.path, documents[suspect.path], now[suspect.key])
        if finding is None:
            continue
        if waiting.has(suspect.key):
            verdict.not_yet += 1
        elif before[suspect.key] != now[suspect.key]:
            changing.append(suspect)
        elif finding.what is What.EXTRA and suspect.path not in own:
            verdict.foreign.append(replace(finding, what=What.FOREIGN))
        else:
            verdict.findings.append(_annotated(finding, suspect.key, documents[suspect.path]))
    return changing


def _read(firestore: Client, suspects: Sequence[Suspect]) -> dict[str, dict[str, Any] | None]:
    """What these documents hold. What Firestore refuses to read, for its name, cannot be there."""
    references = [firestore.document(suspect.path) for suspect in suspects]
    try:
        found = list(firestore.get_all(references, retry=RETRY, timeout=READ_SECONDS))
    except InvalidArgument:
        if len(suspects) == 1:
            return {suspects[0].path: None}
        middle = len(suspects) // 2
        return _read(firestore, suspects[:middle]) | _read(firestore, suspects[middle:])
    return {snapshot.reference.path: snapshot.to_dict() for snapshot in found}


# What waits ---------------------------------------------------------------------------------------


class Waiting(NamedTuple):
    """What the outbox is about to write: single documents, whole transcripts, and all of a tenant."""

    things: frozenset[_Thing]
    tenants: frozenset[UUID | None] = frozenset()

    @classmethod
    def of(cls, suspects: Sequence[Suspect], scope: Scope) -> Waiting:
        """What waits of these documents, for this place."""
        keys_about = [suspect.key for suspect in suspects]
        wanted = _rows_of(keys_about) | Q(event__startswith=OF_TENANT)
        rows = OutboxRow.objects.filter(wanted, sink=NAME, state=OutboxRow.State.PENDING)
        keys = [key for row in rows for key in keys_of(row) if key.tenant_id is None or key.tenant_id in scope.places]
        tenants = frozenset(key.tenant_id for key in keys if key.kind is Kind.TENANT)
        return cls(frozenset(map(_thing, keys)), tenants)

    def has(self, key: DocKey) -> bool:
        """Whether it waits, by itself, with its transcript or with its tenant."""
        is_whole = (Kind.TRANSCRIPT, key.chat_session_id, None) in self.things or key.tenant_id in self.tenants
        return is_whole or _thing(key) in self.things


def _rows_of(keys: Sequence[DocKey]) -> Q:
    ids = [key.id if key.kind is Kind.CHAT_SESSION else key.chat_session_id for key in keys]
    chats = Q(chat_session_id__in={id_ for id_ in ids if isinstance(id_, UUID)})
    return chats | Q(event__startswith="template.") if any(key.kind is Kind.TEMPLATE for key in keys) else chats


def _thing(key: DocKey) -> _Thing:
    """What a key is about. A document that nobody here knows any more says no tenant, a personality has to."""
    return key.kind, (f"{key.tenant_id} {key.id}" if key.kind is Kind.TEMPLATE else key.id), key.chat_session_id


def wait_for_backlog(seconds: float) -> int:
    """Wait until all is delivered that waits now. Gives the number of rows that are still there."""
    asked_at, give_up_at = timezone.now(), monotonic() + seconds
    while (left := count_waiting(asked_at)) and monotonic() < give_up_at:
        sleep(min(_POLL_SECONDS, max(0.0, give_up_at - monotonic())))
    return left


def count_waiting(until: datetime) -> int:
    """The rows that were waiting at a time, and are still."""
    return OutboxRow.objects.filter(sink=NAME, state=OutboxRow.State.PENDING, created_at__lte=until).count()


# Why it differs -----------------------------------------------------------------------------------


def is_nobodys(path: str) -> bool:
    """Whether a personality's document is where none of ours could be: nobody takes what is written there."""
    try:
        whose(path)
    except Unknown:
        return True
    return False


def _annotated(finding: Finding, key: DocKey, document: Mapping[str, Any] | None) -> Finding:
    note = _refusal(finding.path, key)
    if not note and key.kind is Kind.TEMPLATE and document is not None and not is_untouched(document):
        note = _edit(finding.path)
    return Finding(finding.path, finding.what, finding.fields, note)


def _edit(path: str) -> str:
    if InboundReport.objects.filter(path=clip(path), settled_at=None).exists():
        return "edited there, see Edits in Firestore in the admin"
    return "nobody takes what is written there" if is_nobodys(path) else "edited there, not taken yet"


def _refusal(path: str, key: DocKey) -> str:
    """Firestore's own words, if it did not take what we wrote."""
    if not is_storable(path):
        return ""
    dead = OutboxRow.objects.filter(_rows_of([key]), sink=NAME, state=OutboxRow.State.DEAD)
    error = dead.filter(error__startswith=f"{path}: ").values_list("error", flat=True).first()
    return f"dead letter: {error.removeprefix(f'{path}: ').splitlines()[0][:120]}" if error else ""
