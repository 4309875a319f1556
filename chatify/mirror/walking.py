"""All documents of a place beside what they should hold, in lots, each after the other in the order of their ids.

Of each lot the documents are read first and the database afterwards. So what is in Firestore and not in the database
does not belong there; what differs may only have been changed in between, or not be delivered yet: a suspect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q
from google.api_core.retry import Retry
from google.cloud.firestore import Client, FieldFilter

from chatify.common.strict_json import is_storable
from chatify.mirror.differences import Finding, What, find
from chatify.mirror.paths import MESSAGES, DocKey, Kind, path_of
from chatify.mirror.payloads import Payload, payloads_of
from chatify.mirror.scopes import Scope
from sessions.models import ChatSession, Message
from templates_app.models import PromptTemplate

CHAT_SESSIONS_AT_ONCE = 100
DOCUMENTS_AT_ONCE = 500
READ_SECONDS = 30.0
RETRY = Retry(timeout=20.0)

_ID = "__name__"
_FIRST, _LAST = "\x01", "\U0010fffd"
"""No id of ours is before or after these."""


class Suspect(NamedTuple):
    """A document that was not as it should be when it was looked at. `seen` is the document, if it was there."""

    key: DocKey
    finding: Finding
    seen: Any = None

    @property
    def path(self) -> str:
        """Of the document."""
        return self.finding.path

    @property
    def is_extra(self) -> bool:
        """Whether it should not be there."""
        return self.finding.what is What.EXTRA


@dataclass(slots=True)
class Lot:
    """Documents that were looked at together. `after`: the chat session after which the next lot begins."""

    after: str = ""
    is_last: bool = False
    compared: int = 0
    suspects: list[Suspect] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Range:
    """Chat sessions by their ids: after the one, up to the other. Empty: from the first, to the last."""

    after: str
    until: str


def lots(firestore: Client, scope: Scope, after: str = "") -> Iterator[Lot]:
    """The documents of a place: personalities, then chat sessions with their messages, or those after a chat session.

    Raises Firestore's errors.
    """
    if not after:
        yield templates(firestore, scope)
    is_last = False
    while not is_last:
        rows = _chat_sessions_after(scope, after)
        is_last = len(rows) < CHAT_SESSIONS_AT_ONCE
        where = _Range(after, "" if is_last else str(rows[-1].id))
        lot = Lot(where.until, is_last)
        found = _compare_chat_sessions(firestore, scope, rows, where, lot)
        _compare_messages(firestore, scope, [*rows, *found], where, lot)
        yield lot
        after = where.until


# Personalities ------------------------------------------------------------------------------------


def templates(firestore: Client, scope: Scope) -> Lot:
    """The personalities of a place. Raises Firestore's errors."""
    lot = Lot()
    query = firestore.collection(scope.templates).order_by(_ID)
    seen = {
        snapshot.reference.path: (scope.key_of_template(snapshot.id), snapshot)
        for snapshot in _stream(query)
        if not scope.only or _is_of(snapshot, scope.only)
    }
    _compare(lot, seen)
    belong_there = Q(tenant_id__in=scope.places) | (Q(tenant=None) if scope.has_shared else Q())
    rows = PromptTemplate.objects.existing().filter(belong_there)
    keys = [DocKey(Kind.TEMPLATE, tenant, slug) for tenant, slug in rows.values_list("tenant_id", "slug")]
    _look_for(lot, scope, keys, seen)
    return lot


def _is_of(snapshot: Any, slug: str) -> bool:
    """Whether a personality beside everybody's is, or was, this tenant's."""
    return bool(snapshot.id.startswith(f"{slug}.") or (snapshot.to_dict() or {}).get("tenant") == slug)


# Chat sessions ------------------------------------------------------------------------------------


def _chat_sessions_after(scope: Scope, after: str) -> list[DocKey]:
    rows = ChatSession.objects.existing().filter(tenant_id__in=scope.places)
    if after:
        rows = rows.filter(id__gt=UUID(after))
    some = rows.order_by("id").values_list("tenant_id", "id")[:CHAT_SESSIONS_AT_ONCE]
    return [DocKey(Kind.CHAT_SESSION, tenant_id, id_) for tenant_id, id_ in some]


def _compare_chat_sessions(
    firestore: Client, scope: Scope, rows: list[DocKey], where: _Range, lot: Lot
) -> list[DocKey]:
    """Gives the keys of those that are in Firestore only."""
    collection = firestore.collection(scope.chat_sessions)
    query = collection.order_by(_ID)
    if scope.only:
        query = collection.where(filter=FieldFilter("tenant", "==", scope.only)).order_by(_ID)
    if where.after:
        query = query.start_after({_ID: collection.document(where.after)})
    if where.until:
        query = query.end_at({_ID: collection.document(where.until)})
    known = {str(key.id): key for key in rows}
    seen: set[str] = set()
    others: list[DocKey] = []
    for page in _pages(_stream(query)):
        unknown = [snapshot.id for snapshot in page if snapshot.id not in known]
        keys = {**known, **_other_chat_sessions(scope, unknown)}
        _compare(lot, {snapshot.reference.path: (keys[snapshot.id], snapshot) for snapshot in page})
        seen.update(snapshot.reference.path for snapshot in page)
        others += [keys[id_] for id_ in unknown]
    _look_for(lot, scope, rows, seen)
    return others


def _other_chat_sessions(scope: Scope, ids: list[str]) -> dict[str, DocKey]:
    """Of documents that were not expected: new chat sessions, deleted ones, and such as do not belong there."""
    wanted = [id_ for text in ids if (id_ := as_id(text))]
    rows = ChatSession.objects.filter(tenant_id__in=scope.places, id__in=wanted)
    tenants = {str(id_): tenant_id for id_, tenant_id in rows.values_list("id", "tenant_id")} if wanted else {}
    return {text: DocKey(Kind.CHAT_SESSION, tenants.get(text), as_id(text) or text) for text in ids}


# Messages -----------------------------------------------------------------------------------------


def _compare_messages(firestore: Client, scope: Scope, chats: list[DocKey], where: _Range, lot: Lot) -> None:
    wanted = {key.id: key for key in chats if isinstance(key.id, UUID)}
    rows = Message.objects.filter(chat_session_id__in=list(wanted), tenant_id__in=scope.places)
    found = rows.order_by("chat_session_id", "seq").values_list("tenant_id", "id", "chat_session_id")
    keys = [DocKey(Kind.MESSAGE, tenant_id, id_, chat) for tenant_id, id_, chat in found]
    known = {(str(key.chat_session_id), str(key.id)): key for key in keys}
    seen: set[str] = set()
    snapshots = _each(firestore, scope, chats) if scope.only else _all(firestore, scope, where)
    for page in _pages(snapshots):
        ids = {_ids_of(snapshot): snapshot for snapshot in page}
        own = _own_messages(scope, [pair for pair in ids if pair not in known])
        compared = {
            snapshot.reference.path: (known.get(pair) or own.get(pair) or _foreign_message(*pair), snapshot)
            for pair, snapshot in ids.items()
        }
        _compare(lot, compared)
        seen.update(compared)
    _look_for(lot, scope, keys, seen)


def _ids_of(snapshot: Any) -> tuple[str, str]:
    """Of the chat session and of the message."""
    return snapshot.reference.parent.parent.id, snapshot.id


def _own_messages(scope: Scope, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], DocKey]:
    """Of these messages those that belong there: such as are new since we looked."""
    wanted = [id_ for _, text in pairs if (id_ := as_id(text))]
    rows = Message.objects.filter(tenant_id__in=scope.places, id__in=wanted) if wanted else Message.objects.none()
    found = rows.values_list("tenant_id", "id", "chat_session_id")
    return {(str(chat), str(id_)): DocKey(Kind.MESSAGE, tenant_id, id_, chat) for tenant_id, id_, chat in found}


def _foreign_message(chat_id: str, message_id: str) -> DocKey:
    return DocKey(Kind.MESSAGE, None, as_id(message_id) or message_id, as_id(chat_id))


def _all(firestore: Client, scope: Scope, where: _Range) -> Iterator[Any]:
    """The messages of these chat sessions, also of such as have no document: one query for many."""

    def place(chat: str, message: str) -> dict[str, Any]:
        return {_ID: firestore.document(f"{scope.conversations}/{chat}/{MESSAGES}/{message}")}

    query = firestore.collection_group(MESSAGES).order_by(_ID)
    start = query.start_after(place(where.after, _LAST)) if where.after else query.start_at(place(_FIRST, _FIRST))
    depth = scope.conversations.count("/") + 3  # what somebody else keeps below a message is not ours
    found = _stream(start.end_at(place(where.until or _LAST, _LAST)))
    return (snapshot for snapshot in found if snapshot.reference.path.count("/") == depth)


def _each(firestore: Client, scope: Scope, chats: Iterable[DocKey]) -> Iterator[Any]:
    """The messages of these chat sessions and of no others."""
    for key in chats:
        yield from _stream(firestore.collection(f"{scope.conversations}/{key.id}/{MESSAGES}").order_by(_ID))


# Comparing ----------------------------------------------------------------------------------------


def _compare(lot: Lot, documents: Mapping[str, tuple[DocKey, Any]]) -> None:
    """Documents that are there."""
    payloads = expected(key for key, _ in documents.values())
    for path, (key, snapshot) in documents.items():
        finding = find(path, snapshot.to_dict() or {}, payloads[key])
        lot.compared += 1
        if finding is not None:
            lot.suspects.append(Suspect(key, finding, snapshot))


def _look_for(lot: Lot, scope: Scope, keys: Iterable[DocKey], seen: Iterable[str]) -> None:
    """Documents that should be there and were not seen."""
    there = set(seen)
    missing = [key for key in keys if path_of(key, scope.places) not in there]
    for key, payload in payloads_of(missing).items():
        finding = find(path_of(key, scope.places), None, payload)
        if finding is not None:
            lot.compared += 1
            lot.suspects.append(Suspect(key, finding))


def expected(keys: Iterable[DocKey]) -> dict[DocKey, Payload | None]:
    """What these documents should hold; None for those that should not be there, whatever their ids are."""
    wanted = list(keys)
    known = [key for key in wanted if _could_be_ours(key)]
    return {**dict.fromkeys(wanted), **payloads_of(known)}


def _could_be_ours(key: DocKey) -> bool:
    return is_storable(str(key.id)) if key.kind is Kind.TEMPLATE else isinstance(key.id, UUID)


def as_id(text: str) -> UUID | None:
    """The id of ours that a document's id is, written as we write it."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def _stream(query: Any) -> Iterator[Any]:
    """All documents of a query, read page by page: a long one would run into its timeout."""
    while True:
        page = list(query.limit(DOCUMENTS_AT_ONCE).stream(retry=RETRY, timeout=READ_SECONDS))
        yield from page
        if len(page) < DOCUMENTS_AT_ONCE:
            return
        query = query.start_after(page[-1])


def _pages(snapshots: Iterable[Any]) -> Iterator[list[Any]]:
    found = iter(snapshots)
    while page := list(islice(found, DOCUMENTS_AT_ONCE)):
        yield page
