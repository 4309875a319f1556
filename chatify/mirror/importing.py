"""Reading a project that had the collections before Chatify had it.

Everything keeps its id, or gets one that is always the same, so a second run adds only what is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from google.api_core.retry import Retry
from google.cloud.firestore import Client

from chatify.accounts.actions import upsert_end_user
from chatify.accounts.models import Tenant
from chatify.common.strict_json import is_storable
from chatify.events.models import OutboxRow
from chatify.mirror.comparing import Outcome, plain
from chatify.mirror.filling import Double, add_messages, finish, lost
from chatify.mirror.foreign import (
    ForeignChat,
    ForeignMessage,
    Unreadable,
    in_order,
    is_for,
    read_chat,
    read_message,
    span_of,
    was_our_message,
    was_ours,
)
from chatify.mirror.listening import document_of
from chatify.mirror.models import MirrorCursor
from chatify.mirror.ownership import note_imports, tenant_named_in, was_imported
from chatify.mirror.paths import CHAT_SESSIONS, CONVERSATIONS, MESSAGES, TEMPLATES
from chatify.mirror.runs import FRESH_SECONDS
from chatify.mirror.sink import NAME
from chatify.mirror.taking import Unknown, take, whose
from chatify.mirror.walking import as_id
from sessions.models import ChatSession, Participant
from templates_app.catalogue import catalogue
from templates_app.models import PromptTemplate

PAGE = 100
READ_SECONDS = 30.0
RETRY = Retry(timeout=10.0)
_ID = "__name__"
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


class Position(NamedTuple):
    """How far an earlier run has come. `after`: the last chat session it has read; empty: there is none to take up."""

    after: str = ""
    left_out: int = 0


class Importing:
    """One tenant's share of a project. With `is_dry` nothing is written, and nothing taken up.

    `position` is that of an earlier run that is taken up, unless `is_anew`.
    """

    def __init__(self, firestore: Client, tenant: Tenant, *, is_dry: bool = False, is_anew: bool = False) -> None:
        self._firestore, self._tenant, self._is_dry = firestore, tenant, is_dry
        self._cursor = f"import {tenant.slug}"
        self._slugs = frozenset(Tenant.objects.values_list("slug", flat=True))
        self.position = Position() if is_dry or is_anew else self._read_position()

    def count(self) -> int:
        """The documents of chat sessions that there are."""
        found: Any = self._chats().count().get(retry=RETRY, timeout=READ_SECONDS)
        return int(found[0][0].value)

    def run(self) -> Iterator[Imported]:
        """Import personalities, then chat sessions in lots, from where an earlier run stopped, and tell of the rest.

        Raises Firestore's errors: what was told of is there then.
        """
        after, left_out = self.position
        if not after:
            self._forget_position()
            lot = self._personalities()
            left_out = len(lot.problems)
            yield lot
        while True:
            lot = self._chat_sessions(after)
            if not lot.read:
                break
            after, left_out = lot.after, left_out + len(lot.problems)
            self._save(Position(after, left_out))
            yield lot
        yield from self._orphans()
        self._forget_position()

    # How far it has come --------------------------------------------------------------------------

    def _read_position(self) -> Position:
        """Of a run that stopped too long ago, or when the tenant's place was another one, nothing is taken up."""
        since = timezone.now() - timedelta(seconds=FRESH_SECONDS)
        row = MirrorCursor.objects.filter(name=self._cursor, updated_at__gte=since).first()
        if row is None or row.position.get("prefix") != self._tenant.firestore_prefix:
            return Position()
        return Position(row.position["after"], row.position["left_out"])

    def _save(self, position: Position) -> None:
        if not self._is_dry and is_storable(position.after):
            kept = {**position._asdict(), "prefix": self._tenant.firestore_prefix}
            MirrorCursor.objects.update_or_create(name=self._cursor, defaults={"position": kept})

    def _forget_position(self) -> None:
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
        slug = tenant_named_in(fields)
        if slug not in self._slugs:
            raise Unreadable(f"tenant: There is no tenant “{str(plain(fields['tenant']))[:80]}” here.")
        lot.others[slug] += 1
        return False

    def _chat_session(self, snapshot: Any, fields: dict[str, Any], lot: Imported) -> None:
        """Raises Unreadable."""
        path, is_under_our_id = snapshot.reference.path, as_id(snapshot.id) is not None
        chat = read_chat(path, fields)
        messages, doubles = self._messages(snapshot.id, lot)
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
            self._check(row, chat)
            added = add_messages(row, messages)
            if is_new:
                finish(row, chat)
            lot.problems += [f"{one}: Another document has this id, in other capitals." for one in lost(row, doubles)]
            if is_new or added:
                OutboxRow.objects.create(
                    sink=NAME, event="session.restored", tenant_id=row.tenant_id, chat_session_id=row.id
                )
            transaction.set_rollback(self._is_dry)
        lot.chat_sessions += is_new
        lot.messages += added
        lot.replaced.update(replaced)

    def _check(self, row: ChatSession, chat: ForeignChat) -> None:
        if row.tenant_id != self._tenant.id:
            raise Unreadable("There is a chat session of this id that is another tenant's.")
        if row.end_user.external_id != chat.user_id:
            raise Unreadable("user_id: There is a chat session of this id that is another person's.")
        if row.deleted_at is not None:
            raise Unreadable("It was deleted here.")
        if row.running_reply_id is not None:
            raise Unreadable("A reply is being written in it: import it again.")

    def _messages(self, chat_id: str, lot: Imported) -> tuple[list[ForeignMessage], list[Double]]:
        """In their order. Of several with one id the last one by name, which is written as we write ids."""
        found: dict[UUID, ForeignMessage] = {}
        where: dict[UUID, str] = {}
        doubles: list[Double] = []
        for snapshot in _stream(self._firestore.collection(self._path(CONVERSATIONS), chat_id, MESSAGES)):
            path, fields = snapshot.reference.path, snapshot.to_dict() or {}
            try:
                read = read_message(path, fields, _utc(snapshot.create_time))
            except Unreadable as error:
                lot.problems.append(f"{path}: {error}")
                continue
            if read is None:
                continue
            if read.id in found:
                doubles.append(Double(where[read.id], found[read.id], was_our_message(fields)))
            found[read.id], where[read.id] = read, path
        return in_order(found.values()), doubles

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
        if first is None or tenant_named_in(first.to_dict() or {}) in self._slugs - {self._tenant.slug}:
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


def _utc(time: Any) -> datetime:
    """Firestore's time of a document as an ordinary one."""
    return datetime.fromtimestamp(time.timestamp() if hasattr(time, "timestamp") else time.seconds, UTC)
