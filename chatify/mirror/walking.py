"""All documents of a place beside what they should hold, in lots, each after the other in the order of their ids.

What is in memory is bounded, whatever either side holds: both are read page by page, and laid side by side.

Of each lot the documents are read first and the database afterwards. So what is in Firestore and not in the database
does not belong there; what differs may only have been changed in between, or not be delivered yet: a suspect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db.models import Q
from google.api_core.retry import Retry
from google.cloud.firestore import Client, FieldFilter

from chatify.common.strict_json import is_storable
from chatify.mirror.differences import Finding, What, find
from chatify.mirror.paths import MESSAGES, DocKey, Kind, path_of
from chatify.mirror.payloads import Payload, mirrored_chat_sessions, payloads_of
from chatify.mirror.scopes import Scope
from sessions.models import ChatSession, Message
from templates_app.models import PromptTemplate

CHAT_SESSIONS_AT_ONCE = 100
MESSAGES_AT_ONCE = 20_000
"""With so many messages it is fewer chat sessions, and a lot ends within one."""

SUSPECTS_AT_ONCE = 1000
"""With so many, too: they are kept as they were seen, with their texts."""

DOCUMENTS_AT_ONCE = 500
KEYS_AT_ONCE = 5000
READ_SECONDS = 30.0
RETRY = Retry(timeout=20.0)

_ID = "__name__"
_FIRST, _LAST = "\x01", "\U0010fffd"
"""No id of ours is before or after these."""

T = TypeVar("T")
_Ids = tuple[str, str]
"""Of a chat session and a message, as documents have them: what messages are ordered by."""


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
    """Documents that were looked at together.

    `after`: the chat session after which the next lot begins; not yet `is_whole`: more of the same chat sessions does.
    """

    after: str = ""
    is_last: bool = False
    is_whole: bool = True
    compared: int = 0
    suspects: list[Suspect] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether it is enough for one."""
        return self.compared >= MESSAGES_AT_ONCE or len(self.suspects) >= SUSPECTS_AT_ONCE


class _Stretch(NamedTuple):
    """The chat sessions after one document's id up to another's, of both sides. Empty: from the first, to the last."""

    after: str
    until: str
    rows: list[DocKey]
    documents: list[Any]


def lots(firestore: Client, scope: Scope, after: str = "") -> Iterator[Lot]:
    """The documents of a place: personalities, then chat sessions with their messages, or those after a chat session.

    Raises Firestore's errors.
    """
    if not after:
        yield templates(firestore, scope)
    is_last = False
    while not is_last:
        stretch = _next_stretch(firestore, scope, after)
        is_last = not stretch.until
        chats = Lot(stretch.until, is_last)
        others = _compare_chat_sessions(scope, stretch, chats)
        for lot in _compare_messages(firestore, scope, stretch, others):
            if lot.is_whole:  # their own documents with the last of their messages, which are found by these
                lot.after, lot.is_last = chats.after, chats.is_last
                lot.compared += chats.compared
                lot.suspects = chats.suspects + lot.suspects
            yield lot
        after = stretch.until


# Personalities ------------------------------------------------------------------------------------


def templates(firestore: Client, scope: Scope) -> Lot:
    """The personalities of a place. Raises Firestore's errors."""
    lot, seen = Lot(), set[str]()
    for page in _pages(_stream(firestore.collection(scope.templates).order_by(_ID))):
        wanted = [snapshot for snapshot in page if not scope.only or _is_of(snapshot, scope.only)]
        _compare(lot, {one.reference.path: (scope.key_of_template(one.id), one) for one in wanted})
        seen.update(one.reference.path for one in wanted)
    belong_there = Q(tenant_id__in=scope.places) | (Q(tenant=None) if scope.has_shared else Q())
    rows = PromptTemplate.objects.existing().filter(belong_there)
    keys = [DocKey(Kind.TEMPLATE, tenant, slug) for tenant, slug in rows.values_list("tenant_id", "slug")]
    _look_for(lot, scope, [key for key in keys if path_of(key, scope.places) not in seen])
    return lot


def _is_of(snapshot: Any, slug: str) -> bool:
    """Whether a personality beside everybody's is, or was, this tenant's."""
    return bool(snapshot.id.startswith(f"{slug}.") or (snapshot.to_dict() or {}).get("tenant") == slug)


# Chat sessions ------------------------------------------------------------------------------------


def _next_stretch(firestore: Client, scope: Scope, after: str) -> _Stretch:
    """As far as one page of either side goes."""
    rows, until = _chat_sessions_after(scope, after)
    documents = _chat_documents(firestore, scope, after, until)
    if len(documents) == DOCUMENTS_AT_ONCE and documents[-1].id != until:
        until = documents[-1].id
        rows = [key for key in rows if str(key.id) <= until]
    return _Stretch(after, until, rows, documents)


def _chat_sessions_after(scope: Scope, after: str) -> tuple[list[DocKey], str]:
    """And the last of them, or nothing if there are no more."""
    rows = mirrored_chat_sessions().filter(tenant_id__in=scope.places)
    if after:
        first = _first_id_after(after)
        rows = rows.none() if first is None else rows.filter(id__gte=first)
    some = list(rows.order_by("id").values_list("tenant_id", "id", "last_seq")[:CHAT_SESSIONS_AT_ONCE])
    keys: list[DocKey] = []
    messages = 0
    for tenant_id, id_, last_seq in some:
        keys.append(DocKey(Kind.CHAT_SESSION, tenant_id, id_))
        messages += last_seq
        if messages >= MESSAGES_AT_ONCE:
            break
    is_all = len(keys) == len(some) < CHAT_SESSIONS_AT_ONCE
    return keys, "" if is_all else str(keys[-1].id)


def _first_id_after(text: str) -> UUID | None:
    """The first that an id of ours can be, behind any document's id."""
    low, high = 0, 2**128
    while low < high:
        middle = (low + high) // 2
        if str(UUID(int=middle)) > text:
            high = middle
        else:
            low = middle + 1
    return UUID(int=low) if low < 2**128 else None


def _chat_documents(firestore: Client, scope: Scope, after: str, until: str) -> list[Any]:
    collection = firestore.collection(scope.chat_sessions)
    query = collection.order_by(_ID)
    if scope.only:
        query = collection.where(filter=FieldFilter("tenant", "==", scope.only)).order_by(_ID)
    if after:
        query = query.start_after({_ID: collection.document(after)})
    if until:
        query = query.end_at({_ID: collection.document(until)})
    return list(query.limit(DOCUMENTS_AT_ONCE).stream(retry=RETRY, timeout=READ_SECONDS))


def _compare_chat_sessions(scope: Scope, stretch: _Stretch, lot: Lot) -> list[DocKey]:
    """Gives the keys of those that are in Firestore only."""
    known = {str(key.id): key for key in stretch.rows}
    unknown = [snapshot.id for snapshot in stretch.documents if snapshot.id not in known]
    others = _other_chat_sessions(scope, unknown)
    keys = {**known, **others}
    _compare(lot, {one.reference.path: (keys[one.id], one) for one in stretch.documents})
    seen = {snapshot.id for snapshot in stretch.documents}
    _look_for(lot, scope, [key for id_, key in known.items() if id_ not in seen])
    return list(others.values())


def _other_chat_sessions(scope: Scope, ids: list[str]) -> dict[str, DocKey]:
    """Of documents that were not expected: new chat sessions, deleted ones, and such as do not belong there."""
    wanted = [id_ for text in ids if (id_ := as_id(text))]
    rows = ChatSession.objects.filter(tenant_id__in=scope.places, id__in=wanted)
    tenants = {str(id_): tenant_id for id_, tenant_id in rows.values_list("id", "tenant_id")} if wanted else {}
    return {text: DocKey(Kind.CHAT_SESSION, tenants.get(text), as_id(text) or text) for text in ids}


# Messages -----------------------------------------------------------------------------------------


def _compare_messages(firestore: Client, scope: Scope, stretch: _Stretch, others: list[DocKey]) -> Iterator[Lot]:
    """The last lot is whole, those before it are not."""
    chats = sorted([*stretch.rows, *others], key=lambda key: str(key.id))
    found = _each(firestore, scope, chats) if scope.only else _all(firestore, scope, stretch)
    lot = Lot(stretch.after, is_whole=False)
    for part in _side_by_side(found, _message_keys(scope, stretch.rows)):
        known = part.known | _own_messages(scope, [ids for ids in part.documents if ids not in part.known])
        documents = part.documents.items()
        _compare(lot, {one.reference.path: (known.get(ids) or _foreign_message(*ids), one) for ids, one in documents})
        _look_for(lot, scope, part.missing)
        if lot.is_full:
            yield lot
            lot = Lot(stretch.after, is_whole=False)
    lot.is_whole = True
    yield lot


class _Part(NamedTuple):
    """Documents with what is known of them, and what is missing among or before them."""

    documents: dict[_Ids, Any]
    known: dict[_Ids, DocKey]
    missing: list[DocKey]


def _side_by_side(snapshots: Iterable[Any], keys: Iterable[DocKey]) -> Iterator[_Part]:
    """Both in their order, a page of documents at a time."""
    line = _Line(keys)
    for page in _pages(snapshots):
        documents, known = {_ids_of(snapshot): snapshot for snapshot in page}, dict[_Ids, DocKey]()
        for some in _pages(line.until(_ids_of(page[-1]))):
            known |= {_ids_of_key(key): key for key in some if _ids_of_key(key) in documents}
            yield _Part({}, {}, [key for key in some if _ids_of_key(key) not in documents])
        yield _Part(documents, known, [])
    for some in _pages(line.until((_LAST, _LAST))):
        yield _Part({}, {}, some)


class _Line:
    """Keys in their order, taken as far as one wants."""

    def __init__(self, keys: Iterable[DocKey]) -> None:
        self._keys = iter(keys)
        self._next = next(self._keys, None)

    def until(self, ids: _Ids) -> Iterator[DocKey]:
        """The next ones up to a place, that included."""
        while self._next is not None and _ids_of_key(self._next) <= ids:
            yield self._next
            self._next = next(self._keys, None)


def _message_keys(scope: Scope, chats: Sequence[DocKey]) -> Iterator[DocKey]:
    """The messages of these chat sessions in the order of their documents."""
    rows = Message.objects.filter(chat_session_id__in=[key.id for key in chats], tenant_id__in=scope.places)
    rows = rows.order_by("chat_session_id", "id")
    after = Q()
    while True:
        page = list(rows.filter(after).values_list("tenant_id", "id", "chat_session_id")[:KEYS_AT_ONCE])
        yield from (DocKey(Kind.MESSAGE, tenant_id, id_, chat) for tenant_id, id_, chat in page)
        if len(page) < KEYS_AT_ONCE:
            return
        _, id_, chat = page[-1]
        after = Q(chat_session_id=chat, id__gt=id_) | Q(chat_session_id__gt=chat)


def _ids_of_key(key: DocKey) -> _Ids:
    return str(key.chat_session_id), str(key.id)


def _ids_of(snapshot: Any) -> _Ids:
    """Of the chat session and of the message."""
    return snapshot.reference.parent.parent.id, snapshot.id


def _own_messages(scope: Scope, some: list[_Ids]) -> dict[_Ids, DocKey]:
    """Of these messages those that belong there: such as are new since we looked."""
    wanted = [id_ for _, text in some if (id_ := as_id(text))]
    rows = Message.objects.filter(tenant_id__in=scope.places, id__in=wanted) if wanted else Message.objects.none()
    found = rows.values_list("tenant_id", "id", "chat_session_id")
    return {(str(chat), str(id_)): DocKey(Kind.MESSAGE, tenant_id, id_, chat) for tenant_id, id_, chat in found}


def _foreign_message(chat_id: str, message_id: str) -> DocKey:
    return DocKey(Kind.MESSAGE, None, as_id(message_id) or message_id, as_id(chat_id))


def _all(firestore: Client, scope: Scope, where: _Stretch) -> Iterator[Any]:
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


def _look_for(lot: Lot, scope: Scope, keys: Iterable[DocKey]) -> None:
    """Documents that should be there, if they belong there at all, and were not seen."""
    for some in _pages(keys):
        for key, payload in payloads_of(some).items():
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


def _pages(things: Iterable[T]) -> Iterator[list[T]]:
    found = iter(things)
    while page := list(islice(found, DOCUMENTS_AT_ONCE)):
        yield page
