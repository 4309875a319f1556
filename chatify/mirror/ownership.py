"""Of the documents that the database does not have: which are ours to remove, and which somebody else keeps there.

Ours is what we wrote, and what we have imported: the latter would keep for ever what it holds of people who were
erased here. That something was imported under another id is noted, because after an erasure nothing else tells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from chatify.accounts.models import Tenant
from chatify.common.strict_json import is_storable
from chatify.mirror.foreign import derived_id, was_our_message, was_ours
from chatify.mirror.models import MirrorCursor
from chatify.mirror.scopes import Scope
from sessions.models import ChatSession

IMPORTED = "imported:"


def ours(scope: Scope, documents: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Of documents, by their paths, those that are ours. Personalities are: who wrote them decides otherwise."""
    chats = {path: chat for path in documents if (chat := _chat_of(scope, path))}
    imported = _known(derived_id(chat) for chat in set(chats.values()))
    slugs = _slugs(map(tenant_named_in, documents.values()))
    return {
        path
        for path, fields in documents.items()
        if path not in chats or derived_id(chats[path]) in imported or _is_written(scope, path, fields, slugs)
    }


def tenant_named_in(fields: Mapping[str, Any]) -> str:
    """The slug that a document names as its tenant's; empty: it names none, or something that can be no slug."""
    named = fields.get("tenant")
    return named if isinstance(named, str) and is_storable(named) else ""


def note_imports(ids: Iterable[UUID]) -> None:
    """These chat sessions were imported from documents with other ids."""
    MirrorCursor.objects.bulk_create([MirrorCursor(name=f"{IMPORTED}{id_}") for id_ in ids], ignore_conflicts=True)


def forget_imports(ids: Iterable[UUID]) -> None:
    """The documents that these chat sessions were imported from are gone."""
    MirrorCursor.objects.filter(name__in=[f"{IMPORTED}{id_}" for id_ in ids]).delete()


def was_imported(id_: UUID) -> bool:
    """Whether this chat session was once imported from a document with another id."""
    return MirrorCursor.objects.filter(name=f"{IMPORTED}{id_}").exists()


def _chat_of(scope: Scope, path: str) -> str:
    """The document of the chat session that a document is, or belongs to; empty: it is neither."""
    if path.startswith(f"{scope.chat_sessions}/"):
        return path
    if path.startswith(f"{scope.conversations}/"):
        return f"{scope.chat_sessions}/{path.removeprefix(f'{scope.conversations}/').partition('/')[0]}"
    return ""


def _known(ids: Iterable[UUID]) -> set[UUID]:
    """Those that are chat sessions here, or were imported."""
    wanted = set(ids)
    noted = MirrorCursor.objects.filter(name__in=[f"{IMPORTED}{id_}" for id_ in wanted]).values_list("name", flat=True)
    rows = ChatSession.objects.filter(id__in=wanted).values_list("id", flat=True)
    return {*rows, *(UUID(name.removeprefix(IMPORTED)) for name in noted)}


def _slugs(names: Iterable[str]) -> set[str]:
    """Those that are tenants here, or were."""
    wanted = {name for name in names if name}
    return set(Tenant.objects.filter(slug__in=wanted).values_list("slug", flat=True)) if wanted else set()


def _is_written(scope: Scope, path: str, fields: Mapping[str, Any], slugs: set[str]) -> bool:
    is_chat = path.startswith(f"{scope.chat_sessions}/")
    return tenant_named_in(fields) in slugs and (was_ours(fields) if is_chat else was_our_message(fields))
