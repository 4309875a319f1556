"""Where documents of ours are, and where they were: what has to be looked through for a comparison.

A tenant's place can be changed. Nothing is moved then: what changes from now on is written to the new place, and the
old one is noted here until a rebuild has written everything to the new place and removed it from the old one. Until
then no other tenant can have it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from chatify.accounts.models import Tenant
from chatify.accounts.prefixes import register_mover, register_objector
from chatify.mirror.models import MirrorCursor
from chatify.mirror.paths import CHAT_SESSIONS, CONVERSATIONS, TEMPLATES, DocKey, Kind, Place, template_document_id
from sessions.models import ChatSession, Message
from templates_app.models import PromptTemplate

MOVED = "moved:"


@dataclass(frozen=True, slots=True)
class Scope:
    """A place, whose documents belong there, and which of those that are there are looked at."""

    prefix: str
    places: Mapping[UUID, Place]
    """Of the tenants whose documents belong there."""
    only: str = ""
    """The slug of the tenant whose documents alone are looked at, because others have theirs in the same place."""
    has_shared: bool = False
    """Whether everybody's personalities belong there."""
    left: Mapping[UUID, datetime] = field(default_factory=dict)
    """The tenants that have left it, and when each of them was last noted to have left a place."""

    def collection(self, name: str) -> str:
        """The path of one of our collections."""
        return f"{self.prefix}/{name}" if self.prefix else name

    @property
    def templates(self) -> str:
        """The collection of the personalities."""
        return self.collection(TEMPLATES)

    @property
    def chat_sessions(self) -> str:
        """The collection of the chat sessions."""
        return self.collection(CHAT_SESSIONS)

    @property
    def conversations(self) -> str:
        """What the messages are below."""
        return self.collection(CONVERSATIONS)

    def key_of_template(self, document_id: str) -> DocKey:
        """The personality that a document would be."""
        for tenant_id, place in self.places.items():
            slug = document_id.removeprefix(template_document_id(place, ""))
            if template_document_id(place, slug) == document_id:
                return DocKey(Kind.TEMPLATE, tenant_id, slug)
        return DocKey(Kind.TEMPLATE, None, document_id if self.has_shared else "")


def scopes(tenant: Tenant | None = None) -> list[Scope]:
    """All places of ours in their order, those that tenants have left among them; of one tenant, its own."""
    notes = _read_notes()  # before the places: who moves in between is not forgotten
    places = {row.id: Place(row.slug, row.firestore_prefix) for row in Tenant.objects.all()}
    if tenant is not None:
        notes = [note for note in notes if note.tenant_id == tenant.id]
        prefixes = {places[tenant.id].prefix, *(prefix for note in notes for prefix in note.prefixes)}
        return [_scope_of(tenant, prefix, places, notes) for prefix in sorted(prefixes)]
    prefixes = {
        "",
        *(place.prefix for place in places.values()),
        *(prefix for note in notes for prefix in note.prefixes),
    }
    return [
        Scope(
            prefix,
            {id_: place for id_, place in places.items() if place.prefix == prefix},
            has_shared=not prefix,
            left=_left(prefix, notes),
        )
        for prefix in sorted(prefixes)
    ]


def _scope_of(tenant: Tenant, prefix: str, places: Mapping[UUID, Place], notes: Iterable[_Note]) -> Scope:
    own = {tenant.id: places[tenant.id]} if places[tenant.id].prefix == prefix else {}
    is_shared = not prefix or any(place.prefix == prefix for id_, place in places.items() if id_ != tenant.id)
    return Scope(prefix, own, only=tenant.slug if is_shared else "", left=_left(prefix, notes))


def _left(prefix: str, notes: Iterable[_Note]) -> dict[UUID, datetime]:
    return {note.tenant_id: note.at for note in notes if prefix in note.prefixes}


def count_documents(some: Iterable[Scope]) -> int:
    """About how many documents there should be."""
    found = list(some)
    tenant_ids = {tenant_id for scope in found for tenant_id in scope.places}
    existing = Tenant.objects.existing().filter(id__in=tenant_ids)
    templates = PromptTemplate.objects.existing()
    wanted = templates.filter(tenant__in=existing).count()
    if any(scope.has_shared for scope in found):
        wanted += templates.filter(tenant=None).count()
    chats = ChatSession.objects.existing().filter(tenant__in=existing)
    messages = Message.objects.filter(tenant__in=existing, chat_session__deleted_at=None)
    return wanted + chats.count() + messages.count()


# Places that were left ----------------------------------------------------------------------------


def register() -> None:
    """Said by the app when it is ready."""
    register_mover(_note_move)
    register_objector(_object)


def left_behind(tenant_id: UUID) -> list[str]:
    """The prefixes under which documents of a tenant may still be."""
    row = MirrorCursor.objects.filter(name=f"{MOVED}{tenant_id}").first()
    return list(row.position.get("from", [])) if row else []


def places_left(places: Mapping[UUID, Place]) -> list[tuple[UUID, Place]]:
    """Where else documents of these tenants, whose places these are, may still be."""
    names = {f"{MOVED}{tenant_id}": tenant_id for tenant_id in places}
    rows = MirrorCursor.objects.filter(name__in=names)
    return [
        (names[row.name], places[names[row.name]]._replace(prefix=prefix))
        for row in rows
        for prefix in row.position.get("from", [])
    ]


def moved_tenants() -> list[str]:
    """The slugs of the tenants that have left a place, and were not rebuilt since."""
    return _slugs(_read_notes())


def stamp_of_moves() -> str:
    """Another one after each move. Empty: all that have moved were rebuilt."""
    notes = _read_notes()
    return f"{len(notes)} {max(note.at for note in notes).isoformat()}" if notes else ""


def forget_moves(done: Iterable[Scope], *, kept: Collection[str] = ()) -> None:
    """These places have been rebuilt: of those that had left them nothing is there any more.

    Unless something was kept there: `kept` are the prefixes of such places. Who has moved since, wherever to, stays
    noted as well: what was looked at belonged somewhere else then.
    """
    found = list(done)
    noted = {tenant_id: at for scope in found for tenant_id, at in scope.left.items()}
    still = {tenant_id for scope in found if scope.prefix in kept for tenant_id in scope.left}
    for tenant_id, at in noted.items():
        if tenant_id in still:
            continue
        MirrorCursor.objects.filter(name=f"{MOVED}{tenant_id}", updated_at=at).delete()


def _note_move(tenant: Tenant, was: str) -> None:
    """In the transaction of the change.

    Also of a tenant that has nothing: what it had may have been erased here and not yet there.
    """
    row, _ = MirrorCursor.objects.select_for_update().get_or_create(name=f"{MOVED}{tenant.id}")
    left = [*row.position.get("from", []), was]
    row.position["from"] = sorted({prefix for prefix in left if prefix != tenant.firestore_prefix})
    row.save()


def _object(tenant: Tenant, prefix: str) -> str:
    """Why a tenant cannot have a prefix: what others have left there would be taken for its own, or removed with it."""
    slugs = _slugs(note for note in _read_notes() if prefix in note.prefixes and note.tenant_id != tenant.id)
    if not slugs:
        return ""
    command = f"manage.py firestore_sync --rebuild --tenant {slugs[0]}"
    return f"Documents of “{slugs[0]}”, which was there before, are still there, until somebody runs {command}."


class _Note(NamedTuple):
    """That a tenant has left places."""

    tenant_id: UUID
    prefixes: tuple[str, ...]
    at: datetime


def _read_notes() -> list[_Note]:
    rows = MirrorCursor.objects.filter(name__startswith=MOVED).order_by("name")
    return [
        _Note(UUID(row.name.removeprefix(MOVED)), tuple(row.position.get("from", ())), row.updated_at) for row in rows
    ]


def _slugs(notes: Iterable[_Note]) -> list[str]:
    ids = [note.tenant_id for note in notes]
    return list(Tenant.objects.filter(id__in=ids).order_by("slug").values_list("slug", flat=True)) if ids else []
