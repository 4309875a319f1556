"""Reading a project that had the collections before Chatify had it.

Everything keeps its id, or gets one that is always the same, so a second run adds only what is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import Q
from google.api_core.retry import Retry
from google.cloud.firestore import Client

from chatify.accounts.actions import upsert_end_user
from chatify.accounts.models import Tenant
from chatify.events.models import OutboxRow
from chatify.mirror.comparing import Outcome, plain
from chatify.mirror.foreign import (
    ForeignChat,
    ForeignMessage,
    Unreadable,
    in_order,
    is_for,
    read_chat,
    read_message,
    span_of,
    was_ours,
)
from chatify.mirror.listening import document_of
from chatify.mirror.models import MirrorCursor
from chatify.mirror.ownership import note_imports, was_imported
from chatify.mirror.paths import CHAT_SESSIONS, CONVERSATIONS, MESSAGES, TEMPLATES
from chatify.mirror.sink import NAME
from chatify.mirror.taking import Unknown, take, whose
from chatify.mirror.walking import as_id
from sessions.models import ChatSession, Message, Participant, Summary
from templates_app.catalogue import catalogue
from templates_app.models import PromptTemplate

PAGE = 100
READ_SECONDS = 30.0
RETRY = Retry(timeout=10.0)
_ID = "__name__"
_CREATED_AT_ONCE = 500
_ORPHANS_AT_ONCE = 300
_TAKEN = (Outcome.EDIT, Outcome.NEW)


@dataclass(slots=True)
class Imported:
    """What has become of documents. `problems`: why which one was left out. `after`: the id of the last one."""

    personalities: int = 0
    chat_sessions: int = 0
    messages: int = 0
    read: int = 0
    problems: list[str] = field(default_factory=list)
    after: str = ""
    others: Counter[str] = field(default_factory=Counter)
    """Chat sessions of other tenants, by their slugs."""
    replaced: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Personalities that are unknown here, with those that answer in their place: in how many chat sessions."""

    def add(self, lot: Imported) -> None:
        """Count what has become of more of them."""
        self.personalities += lot.personalities
        self.chat_sessions += lot.chat_sessions
        self.messages += lot.messages
        self.read += lot.read
        self.problems += lot.problems
        self.others += lot.others
        self.replaced += lot.replaced


class Importing:
    """One tenant's share of a project. With `is_dry` nothing is written."""

    def __init__(self, firestore: Client, tenant: Tenant, *, is_dry: bool = False) -> None:
        self._firestore, self._tenant, self._is_dry = firestore, tenant, is_dry
        self._cursor = f"import {tenant.slug}"
        self._slugs = frozenset(Tenant.objects.values_list("slug", flat=True))

    @property
    def position(self) -> str:
        """The chat session up to which an earlier run has come; empty: there was none, or it came to its end."""
        row = MirrorCursor.objects.filter(name=self._cursor).first()
        return str(row.position.get("after", "")) if row else ""

    def count(self) -> int:
        """The documents of chat sessions that there are."""
        found: Any = self._chats().count().get(retry=RETRY, timeout=READ_SECONDS)
        return int(found[0][0].value)

    def run(self) -> Iterator[Imported]:
        """Import personalities, then chat sessions in lots, from where an earlier run stopped, and tell of the rest.

        Raises Firestore's errors: what was told of is there then.
        """
        after = "" if self._is_dry else self.position
        if not after:
            yield self._personalities()
        while True:
            lot = self._chat_sessions(after)
            if not lot.read:
                break
            after = lot.after
            if not self._is_dry:
                MirrorCursor.objects.update_or_create(name=self._cursor, defaults={"position": {"after": after}})
            yield lot
        yield from self._orphans()
        if not self._is_dry:
            MirrorCursor.objects.filter(name=self._cursor).delete()

    # Personalities --------------------------------------------------------------------------------

    def _personalities(self) -> Imported:
        lot = Imported()
        for snapshot in _stream(self._firestore.collection(self._path(TEMPLATES))):
            document = document_of(snapshot)
            try:
                if whose(document.path)[0] not in (None, self._tenant):
                    continue
                with transaction.atomic():
                    verdict = take(document, is_new_active=True)
                    transaction.set_rollback(self._is_dry)
            except Unknown:
                continue
            lot.read += 1
            lot.personalities += verdict.outcome in _TAKEN
            if verdict.outcome not in (*_TAKEN, Outcome.SAME, Outcome.STALE, Outcome.LEFTOVER):
                why = "; ".join(verdict.problems) or "both sides have changed"
                lot.problems.append(f"{document.path}: {why}")
        return lot

    # Chat sessions --------------------------------------------------------------------------------

    def _chat_sessions(self, after: str) -> Imported:
        lot, chats = Imported(), self._chats()
        query = chats.order_by(_ID)
        if after:
            query = query.start_after({_ID: chats.document(after)})
        for snapshot in _stream(query.limit(PAGE)):
            lot.read, lot.after = lot.read + 1, snapshot.id
            fields = snapshot.to_dict() or {}
            try:
                if not self._is_its(fields, lot):
                    continue
                self._chat_session(snapshot, fields, lot)
            except Unreadable as error:
                lot.problems.append(f"{snapshot.reference.path}: {error}")
        return lot

    def _is_its(self, fields: dict[str, Any], lot: Imported) -> bool:
        """Whether a document may be the tenant's. Raises Unreadable for one that is nobody's here."""
        if is_for(fields, self._tenant.slug):
            return True
        slug = fields["tenant"]
        if not isinstance(slug, str) or slug not in self._slugs:
            raise Unreadable(f"tenant: There is no tenant “{plain(str(slug))[:80]}” here.")
        lot.others[slug] += 1
        return False

    def _chat_session(self, snapshot: Any, fields: dict[str, Any], lot: Imported) -> None:
        """Raises Unreadable."""
        path, is_under_our_id = snapshot.reference.path, as_id(snapshot.id) is not None
        chat = read_chat(path, fields)
        messages = self._messages(snapshot.id, lot)
        replaced: list[tuple[str, str]] = []
        with transaction.atomic():
            row = ChatSession.objects.select_for_update().filter(id=chat.id).first()
            if row is None and was_ours(fields):
                raise Unreadable(
                    "Chatify wrote this chat session and has it no longer: it was erased, or is another server's."
                )
            if row is None and _was_erased(chat.id):
                raise Unreadable("It was imported before, and erased here.")
            is_new = row is None
            if row is None:
                row = self._new_chat_session(chat, span_of(chat, messages, _utc(snapshot.create_time)))
                if not is_under_our_id:
                    note_imports([row.id])
                given = row.template.slug if row.template is not None else ""
                if chat.template not in ("", given):
                    replaced.append((chat.template, given))
            self._check(row)
            added = _add_messages(row, messages)
            if is_new:
                _finish(row, chat)
            if is_new or added:
                OutboxRow.objects.create(
                    sink=NAME, event="session.restored", tenant_id=row.tenant_id, chat_session_id=row.id
                )
            transaction.set_rollback(self._is_dry)
        lot.chat_sessions += is_new
        lot.messages += added
        lot.replaced.update(replaced)

    def _check(self, row: ChatSession) -> None:
        if row.tenant_id != self._tenant.id:
            raise Unreadable("There is a chat session of this id that is another tenant's.")
        if row.deleted_at is not None:
            raise Unreadable("It was deleted here.")
        if row.running_reply_id is not None:
            raise Unreadable("A reply is being written in it: import it again.")

    def _messages(self, chat_id: str, lot: Imported) -> list[ForeignMessage]:
        found = []
        for snapshot in _stream(self._firestore.collection(self._path(CONVERSATIONS), chat_id, MESSAGES)):
            try:
                read = read_message(snapshot.reference.path, snapshot.to_dict() or {}, _utc(snapshot.create_time))
            except Unreadable as error:
                lot.problems.append(f"{snapshot.reference.path}: {error}")
            else:
                found += [read] if read else []
        return in_order(found)

    def _new_chat_session(self, chat: ForeignChat, span: tuple[datetime, datetime]) -> ChatSession:
        template = self._template(chat.template)
        assert template.current_version is not None  # else it would not have been found
        row = ChatSession.objects.create(
            id=chat.id,
            tenant=self._tenant,
            end_user=upsert_end_user(tenant_id=self._tenant.id, external_id=chat.user_id, changes={}),
            template=template,
            version=template.current_version,
            status=chat.status,
            title=chat.title,
            total_tokens_used=chat.total_tokens,
            created_at=span[0],
            last_activity=span[1],
        )
        kinds = {Participant.Kind.END_USER: row.end_user, Participant.Kind.AI: None}
        Participant.objects.bulk_create(
            [Participant(tenant=self._tenant, chat_session=row, kind=kind, end_user=who) for kind, who in kinds.items()]
        )
        return row

    def _template(self, slug: str) -> PromptTemplate:
        """The tenant's own of this name, everybody's, or the default one. Raises Unreadable."""
        rows = PromptTemplate.objects.existing().filter(current_version__isnull=False, slug=slug)
        found = rows.filter(Q(tenant=self._tenant) | Q(tenant=None)).select_related("current_version")
        named = sorted(found, key=lambda template: template.tenant_id is None)
        fitting = named or list(catalogue.menu(self._tenant.id).templates.values())
        if not fitting:
            raise Unreadable("template_type: there is no personality yet: run manage.py seed_templates")
        return fitting[0]

    # Messages without a chat session --------------------------------------------------------------

    def _orphans(self) -> Iterator[Imported]:
        """Tell of messages whose chat session has no document: nobody says whose they are."""
        transcripts = self._firestore.collection(self._path(CONVERSATIONS))
        found = iter(transcripts.list_documents(page_size=_ORPHANS_AT_ONCE, retry=RETRY, timeout=READ_SECONDS))
        while some := [one.id for one in islice(found, _ORPHANS_AT_ONCE)]:
            chats = [self._chats().document(id_) for id_ in some]
            snapshots = self._firestore.get_all(chats, field_paths=["tenant"], retry=RETRY, timeout=READ_SECONDS)
            missing = sorted(snapshot.id for snapshot in snapshots if not snapshot.exists)
            lot = Imported(problems=[told for id_ in missing if (told := self._orphan(id_))])
            if lot.problems:
                yield lot

    def _orphan(self, chat_id: str) -> str:
        messages = self._firestore.collection(self._path(CONVERSATIONS), chat_id, MESSAGES)
        first = next(iter(_stream(messages.limit(1))), None)
        if first is None or (first.to_dict() or {}).get("tenant") in self._slugs - {self._tenant.slug}:
            return ""
        return f"{self._path(CONVERSATIONS)}/{chat_id}/{MESSAGES}: There is no {self._path(CHAT_SESSIONS)}/{chat_id}."

    # Where ----------------------------------------------------------------------------------------

    def _chats(self) -> Any:
        return self._firestore.collection(self._path(CHAT_SESSIONS))

    def _path(self, collection: str) -> str:
        prefix = self._tenant.firestore_prefix
        return f"{prefix}/{collection}" if prefix else collection


def _was_erased(id_: UUID) -> bool:
    """Whether it was imported and is not here any more. What has an id of ours is gone from there once that is told."""
    is_told = OutboxRow.objects.filter(sink=NAME, event="session.erased", chat_session_id=id_)
    return was_imported(id_) or is_told.exists()


def _stream(query: Any) -> Iterator[Any]:
    return iter(query.stream(retry=RETRY, timeout=READ_SECONDS))


# Rows ---------------------------------------------------------------------------------------------


def _add_messages(row: ChatSession, messages: Sequence[ForeignMessage]) -> int:
    """Those that are not there yet, behind those that are. Gives their number."""
    taken = _taken_ids([one.id for one in messages])
    known = {id_ for id_, chat in taken.items() if chat == row.id}
    # An id that is a message's of another chat session: this one needs its own.
    ids = {one.id: uuid5(row.id, str(one.id)) if one.id in taken.keys() - known else one.id for one in messages}
    known |= set(_taken_ids([id_ for id_ in ids.values() if id_ not in ids]))
    senders = {one.kind: one for one in row.participants.all()}
    made: list[Message] = []
    for one in messages:
        if ids[one.id] in known:
            continue
        made.append(_message(row, one, ids[one.id], row.last_seq + len(made) + 1, senders))
    _link_answers(made)
    for start in range(0, len(made), _CREATED_AT_ONCE):
        Message.objects.bulk_create(made[start : start + _CREATED_AT_ONCE])
    if made:
        row.last_seq = made[-1].seq
        row.last_activity = max([row.last_activity, *(one.created_at for one in made)])
        row.save(update_fields=["last_seq", "last_activity"])
    return len(made)


def _message(row: ChatSession, one: ForeignMessage, id_: UUID, seq: int, senders: dict[str, Participant]) -> Message:
    kinds: dict[str, str] = {Message.Role.USER: Participant.Kind.END_USER, Message.Role.ASSISTANT: Participant.Kind.AI}
    made = Message(
        id=id_,
        tenant_id=row.tenant_id,
        chat_session=row,
        seq=seq,
        role=one.role,
        sender=senders.get(kinds.get(one.role, "")),
        content=one.content,
        status=one.status,
        created_at=one.created_at,
    )
    if one.role == Message.Role.ASSISTANT:
        made.finished_at, made.version_id = one.created_at, row.version_id
        made.prompt_tokens, made.completion_tokens = 0, one.tokens
    return made


def _link_answers(messages: Iterable[Message]) -> None:
    """What was answered there is not answered again."""
    asked: list[Message] = []
    for message in messages:
        if message.role == Message.Role.USER:
            asked.append(message)
        elif message.role == Message.Role.ASSISTANT:
            for one in asked:
                one.answered_by_id = message.id
            asked.clear()


def _taken_ids(ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Of these ids those that messages have, with their chat sessions."""
    found: dict[UUID, UUID] = {}
    rest = iter(ids)
    while some := list(islice(rest, _CREATED_AT_ONCE)):
        found |= dict(Message.objects.filter(id__in=some).values_list("id", "chat_session_id"))
    return found


def _finish(row: ChatSession, chat: ForeignChat) -> None:
    """What a chat session gets when its messages are there."""
    if chat.status == ChatSession.Status.ENDED:
        row.ended_at, row.end_reason = chat.ended or row.last_activity, chat.end_reason
    if chat.summary and row.last_seq:
        Summary.objects.create(
            tenant_id=row.tenant_id,
            chat_session=row,
            from_seq=1,
            to_seq=row.last_seq,
            text=chat.summary,
            model="imported",
        )
        row.summarized_seq, row.context_version = row.last_seq, row.context_version + 1
    row.save(update_fields=["ended_at", "end_reason", "summarized_seq", "context_version"])


def _utc(time: Any) -> datetime:
    """Firestore's time of a document as an ordinary one."""
    return datetime.fromtimestamp(time.timestamp() if hasattr(time, "timestamp") else time.seconds, UTC)
