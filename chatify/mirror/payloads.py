"""What the documents hold: made from the database in the moment in which they are delivered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from chatify.accounts.models import AuditEntry, Tenant
from chatify.events.models import OutboxRow
from chatify.mirror.comparing import sign
from chatify.mirror.paths import DocKey, Kind, Place
from chatify.safety import mask
from sessions.models import ChatSession, Message, Summary
from sessions.objects import Names, sender_object
from templates_app.models import PromptTemplate

Payload = dict[str, Any]

_READ_AT_ONCE = 500
_MESSAGE_EVENTS = ("message.", "reply.")
_WHOLE = ("session.deleted", "session.restored", "session.erased", "session.spread")
OF_TENANT = "tenant."
"""What events of a whole tenant begin with."""


def keys_of(row: OutboxRow) -> tuple[DocKey, ...]:
    """The documents that an event is about."""
    if row.event.startswith("template."):
        return _template_keys(row)
    if row.event.startswith(OF_TENANT) and row.tenant_id is not None:
        return (DocKey(Kind.TENANT, row.tenant_id, row.subject_id or row.tenant_id),)
    if row.chat_session_id is None or row.tenant_id is None:
        return ()
    chat_session = DocKey(Kind.CHAT_SESSION, row.tenant_id, row.chat_session_id)
    if row.event in _WHOLE:
        return transcript_of(chat_session), chat_session
    if row.event.startswith(_MESSAGE_EVENTS) and row.subject_id is not None:
        return DocKey(Kind.MESSAGE, row.tenant_id, row.subject_id, row.chat_session_id), chat_session
    return (chat_session,)


def transcript_of(chat_session: DocKey) -> DocKey:
    """The messages of a chat session."""
    return chat_session._replace(kind=Kind.TRANSCRIPT)


def is_mirrored(chat_session: DocKey) -> bool:
    """Whether a chat session, or its transcript, belongs into Firestore."""
    return mirrored_chat_sessions().filter(id=chat_session.id).exists()


def message_keys(transcript: DocKey) -> list[DocKey]:
    """The messages of a transcript that belong into Firestore, in their order."""
    messages = _mirrored_messages().filter(chat_session_id=transcript.id).order_by("seq")
    return [
        DocKey(Kind.MESSAGE, transcript.tenant_id, id_, UUID(str(transcript.id)))
        for id_ in messages.values_list("id", flat=True)
    ]


def places(tenant_ids: Iterable[UUID]) -> dict[UUID, Place]:
    """Where these tenants' collections are."""
    rows = Tenant.objects.filter(id__in=set(tenant_ids)).values_list("id", "slug", "firestore_prefix")
    return {id_: Place(slug, prefix) for id_, slug, prefix in rows}


def payloads_of(keys: Iterable[DocKey]) -> dict[DocKey, Payload | None]:
    """What these documents (no transcripts, no tenants) hold; None for one that has no business in Firestore."""
    wanted: dict[Kind, list[DocKey]] = defaultdict(list)
    for key in dict.fromkeys(keys):
        wanted[key.kind].append(key)
    found: dict[DocKey, Payload | None] = {}
    for kind, read in _READERS.items():
        for some in _batches(wanted[kind]):
            payloads = read(some)
            found |= {key: payloads.get(key) for key in some}
    return found


# Personalities ------------------------------------------------------------------------------------


def mirrored_templates() -> QuerySet[PromptTemplate]:
    """The personalities that belong into Firestore, if they have a version. Those of a deleted tenant do not."""
    return PromptTemplate.objects.existing().filter(tenant__deleted_at=None)


def template_payload(template: PromptTemplate) -> Payload | None:
    """The document of a personality; None without a version."""
    version = template.current_version
    if version is None:
        return None
    payload = {
        "name": template.name,
        "slug": template.slug,
        "tenant": template.tenant.slug if template.tenant else None,
        "description": template.description,
        "greeting": template.greeting,
        "welcome_back": template.welcome_back,
        "goodbye": template.goodbye,
        "system_prompt": version.system_prompt,
        "temperature": version.temperature,
        "max_tokens": version.max_tokens,
        "context_tokens": version.context_tokens,
        "model": version.model,
        "personality_traits": list(version.personality_traits),
        "adult_only": template.adult_only,
        "is_active": template.is_active,
        "is_default": template.is_default,
        "version": version.number,
        "created_at": template.created_at,
        "updated_at": template.updated_at,
    }
    return sign(payload)


def _read_templates(keys: Collection[DocKey]) -> Mapping[DocKey, Payload | None]:
    templates = mirrored_templates().filter(slug__in={str(key.id) for key in keys})
    return {
        DocKey(Kind.TEMPLATE, template.tenant_id, template.slug): template_payload(template)
        for template in templates.select_related("current_version", "tenant")
    }


def _template_keys(row: OutboxRow) -> tuple[DocKey, ...]:
    """By the slug, which never changes; for one that is gone for good the audit log knows it."""
    if row.subject_id is None:
        return ()
    found = PromptTemplate.objects.filter(id=row.subject_id).values_list("slug", flat=True).first()
    slug = found or _slug_of_deleted(row.subject_id)
    return (DocKey(Kind.TEMPLATE, row.tenant_id, slug),) if slug else ()


def _slug_of_deleted(template_id: UUID) -> str:
    entry = AuditEntry.objects.filter(action="template.deleted", subject_id=template_id).first()
    return str(entry.details.get("slug", "")) if entry else ""


# Chat sessions and messages -----------------------------------------------------------------------


def mirrored_chat_sessions() -> QuerySet[ChatSession]:
    """The chat sessions that belong into Firestore. Those of a deleted tenant do not."""
    return ChatSession.objects.existing().filter(tenant__deleted_at=None)


def _read_chat_sessions(keys: Collection[DocKey]) -> Mapping[DocKey, Payload | None]:
    summaries = Summary.objects.filter(chat_session=OuterRef("pk")).order_by("-from_seq").values("text")
    mirrored = mirrored_chat_sessions().filter(id__in=[key.id for key in keys])
    rows: Any = mirrored.select_related("end_user", "tenant", "template", "version")
    rows = rows.annotate(summary=Subquery(summaries[:1]))
    return {DocKey(Kind.CHAT_SESSION, row.tenant_id, row.id): _chat_session_payload(row, row.summary) for row in rows}


def _chat_session_payload(row: ChatSession, summary: str | None) -> Payload:
    return {
        "session_id": str(row.id),
        "user_id": _reader_of(row),
        "tenant": row.tenant.slug,
        "template_type": row.template.slug if row.template else None,
        "template_version": row.version.number if row.version else None,
        "status": row.status,
        "mode": row.mode,
        "title": mask(row.title),
        "last_activity": row.last_activity,
        "message_count": row.last_seq - (row.running_reply_id is not None),  # what is being written is not there yet
        "total_tokens_used": row.total_tokens_used,
        "summary": mask(summary or ""),
        "started": row.created_at,
        "ended": row.ended_at,
        "end_reason": row.end_reason,
        "date": utc_day(row.created_at),
    }


def _mirrored_messages() -> Any:
    existing = Message.objects.filter(chat_session__deleted_at=None, chat_session__tenant__deleted_at=None)
    return existing.filter(~Q(status=Message.Status.STREAMING))


def _read_messages(keys: Collection[DocKey]) -> Mapping[DocKey, Payload | None]:
    rows = (
        _mirrored_messages()
        .filter(id__in=[key.id for key in keys])
        .select_related("chat_session__end_user", "chat_session__tenant")
    )
    return {DocKey(Kind.MESSAGE, row.tenant_id, row.id, row.chat_session_id): _message_payload(row) for row in rows}


def _message_payload(row: Message) -> Payload:
    return {
        "session_id": str(row.chat_session_id),
        "user_id": _reader_of(row.chat_session),
        "tenant": row.chat_session.tenant.slug,
        "seq": row.seq,
        "role": row.role,
        "sender": sender_object(row.role, Names(""))["kind"],
        "content": mask(row.content),
        "tokens": None if row.completion_tokens is None else (row.prompt_tokens or 0) + row.completion_tokens,
        "status": row.status,
        "created_at": row.created_at,
        "date": utc_day(row.created_at),
    }


def _reader_of(chat_session: ChatSession) -> str | None:
    """The `external_id` of who may read it. Nobody may read a room: each of the two would learn who the other is."""
    return chat_session.end_user.external_id if chat_session.partner_id is None else None


def utc_day(time: datetime) -> str:
    """The day in UTC, such as 2026-11-21."""
    return time.astimezone(UTC).date().isoformat()


_READERS = {
    Kind.TEMPLATE: _read_templates,
    Kind.CHAT_SESSION: _read_chat_sessions,
    Kind.MESSAGE: _read_messages,
}


def _batches(keys: list[DocKey]) -> Iterator[list[DocKey]]:
    for start in range(0, len(keys), _READ_AT_ONCE):
        yield keys[start : start + _READ_AT_ONCE]
