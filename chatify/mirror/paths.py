"""Where in Firestore each thing is. Pure: it knows no rows."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

TEMPLATES = "prompt_templates"
CHAT_SESSIONS = "chatbot_sessions"
CONVERSATIONS = "conversation_history"
MESSAGES = "messages"


class Kind(StrEnum):
    """What a document is made of."""

    TEMPLATE = "template"
    CHAT_SESSION = "chat_session"
    MESSAGE = "message"
    # Not one document: all messages of a chat session.
    TRANSCRIPT = "transcript"
    # Not one document either: all of a tenant, or those that come after a chat session.
    TENANT = "tenant"


class DocKey(NamedTuple):
    """A document, by what we know it by."""

    kind: Kind
    tenant_id: UUID | None
    """Whose it is; None is everybody's personality."""
    id: UUID | str
    """Of the chat session or message; of a personality the slug; of a tenant the chat session, or its own."""
    chat_session_id: UUID | None = None
    """Of messages only."""


class Place(NamedTuple):
    """Where a tenant's collections are."""

    slug: str
    prefix: str
    """A document's path, such as `tenants/acme`; empty for the top."""


TOP = Place("", "")


def path_of(key: DocKey, places: Mapping[UUID, Place]) -> str:
    """The document's path; of a transcript the collection's. Raises KeyError for a tenant without a place."""
    place = TOP if key.tenant_id is None else places[key.tenant_id]
    if key.kind is Kind.TEMPLATE:
        return f"{templates_path(place)}/{template_document_id(place, str(key.id))}"
    if key.kind is Kind.CHAT_SESSION:
        return f"{_below(place, CHAT_SESSIONS)}/{key.id}"
    if key.kind is Kind.TRANSCRIPT:
        return _transcript_path(place, key.id)
    return f"{_transcript_path(place, key.chat_session_id)}/{key.id}"


def templates_path(place: Place) -> str:
    """The collection of a tenant's personalities."""
    return _below(place, TEMPLATES)


def template_document_id(place: Place, slug: str) -> str:
    """A tenant's own personality beside everybody's has its tenant's slug before it: slugs have no dots."""
    return f"{place.slug}.{slug}" if place.slug and not place.prefix else slug


def _transcript_path(place: Place, chat_session_id: UUID | str | None) -> str:
    return f"{_below(place, CONVERSATIONS)}/{chat_session_id}/{MESSAGES}"


def _below(place: Place, collection: str) -> str:
    return f"{place.prefix}/{collection}" if place.prefix else collection
