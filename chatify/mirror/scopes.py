"""Where documents of ours are, and where they were: what has to be looked through for a comparison.

A tenant's place can be changed. Nothing is moved then: what changes from now on is written to the new place, and the
old one is noted here until a rebuild has written everything to the new place and removed it from the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from chatify.accounts.models import Tenant
from chatify.accounts.prefixes import register_mover
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
    places = {row.id: Place(row.slug, row.firestore_prefix) for row in Tenant.objects.all()}
    if tenant is not None:
        prefixes = {tenant.firestore_prefix, *left_behind(tenant.id)}
        return [_scope_of(tenant, prefix, places) for prefix in sorted(prefixes)]
    prefixes = {"", *(place.prefix for place in places.values()), *_all_left_behind()}
    return [
        Scope(prefix, {id_: place for id_, place in places.items() if place.prefix == prefix}, has_shared=not prefix)
        for prefix in sorted(prefixes)
    ]


def _scope_of(tenant: Tenant, prefix: str, places: Mapping[UUID, Place]) -> Scope:
    own = {tenant.id: places[tenant.id]} if places[tenant.id].prefix == prefix else {}
    is_shared = not prefix or any(place.prefix == prefix for id_, place in places.items() if id_ != tenant.id)
    return Scope(prefix, own, only=tenant.slug if is_shared else "")


def count_documents(some: Iterable[Scope]) -> int:
    """About how many documents there should be."""
    found = list(some)
    tenant_ids = {tenant_id for scope in found for tenant_id in scope.places}
    templates = PromptTemplate.objects.existing()
    wanted = templates.filter(tenant_id__in=tenant_ids).count()
    if any(scope.has_shared for scope in found):
        wanted += templates.filter(tenant=None).count()
    chats = ChatSession.objects.existing().filter(tenant_id__in=tenant_ids)
    messages = Message.objects.filter(tenant_id__in=tenant_ids, chat_session__deleted_at=None)
    return wanted + chats.count() + messages.count()


# Places that were left ----------------------------------------------------------------------------


def register() -> None:
    """Said by the app when it is ready."""
    register_mover(_note_move)


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
    names = MirrorCursor.objects.filter(name__startswith=MOVED).values_list("name", flat=True)
    ids = [name.removeprefix(MOVED) for name in names]
    return list(Tenant.objects.filter(id__in=ids).order_by("slug").values_list("slug", flat=True)) if ids else []


@transaction.atomic
def forget_moves(done: Iterable[Scope], tenant: Tenant | None = None) -> None:
    """These places have been rebuilt: of these tenants (of one, of all) nothing is left where it does not belong."""
    prefixes = {scope.prefix for scope in done}
    rows = MirrorCursor.objects.select_for_update().filter(name__startswith=MOVED)
    for row in rows.filter(name=f"{MOVED}{tenant.id}") if tenant else rows:
        row.position["from"] = [prefix for prefix in row.position.get("from", []) if prefix not in prefixes]
        if row.position["from"]:
            row.save()
        else:
            row.delete()


def _note_move(tenant: Tenant, was: str) -> None:
    """In the transaction of the change."""
    if not _has_documents(tenant):
        return
    row, _ = MirrorCursor.objects.select_for_update().get_or_create(name=f"{MOVED}{tenant.id}")
    left = [*row.position.get("from", []), was]
    row.position["from"] = sorted({prefix for prefix in left if prefix != tenant.firestore_prefix})
    row.save()
    # Runs that were stopped begin anew: they went through places in an order in which this one was another's.
    MirrorCursor.objects.filter(position__has_key="is_last").delete()


def _has_documents(tenant: Tenant) -> bool:
    """Whether something of it was ever to be mirrored, or a note of it is there."""
    return (
        ChatSession.objects.filter(tenant=tenant).exists()
        or PromptTemplate.objects.filter(tenant=tenant).exists()
        or bool(left_behind(tenant.id))
    )


def _all_left_behind() -> set[str]:
    rows = MirrorCursor.objects.filter(name__startswith=MOVED).values_list("position", flat=True)
    return {prefix for position in rows for prefix in position.get("from", [])}
