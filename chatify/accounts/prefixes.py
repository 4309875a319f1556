"""Where in Firestore a tenant's collections are: checks, who may object, and who has to know when that changes."""

from __future__ import annotations

import re
from collections.abc import Callable

from chatify.accounts.models import Tenant
from chatify.common.errors import InvalidInput
from chatify.common.strict_json import is_storable

MAX_PREFIX = 200
COLLECTIONS = frozenset({"prompt_templates", "chatbot_sessions", "conversation_history"})
"""Those that the mirror fills: no tenant's collections are below a document of another one's."""

_RESERVED = re.compile(r"__.*__")

Mover = Callable[[Tenant, str], None]
_movers: list[Mover] = []

Objector = Callable[[Tenant, str], str]
_objectors: list[Objector] = []


def register_mover(mover: Mover) -> None:
    """Call `mover` with a tenant and its former prefix in each transaction that changes it."""
    if mover not in _movers:
        _movers.append(mover)


def tell_movers(tenant: Tenant, was: str) -> None:
    """The tenant's prefix is another one from now on."""
    for mover in _movers:
        mover(tenant, was)


def register_objector(objector: Objector) -> None:
    """Ask `objector` why a tenant cannot have a prefix: it answers in words, or with nothing."""
    if objector not in _objectors:
        _objectors.append(objector)


def objection_to(tenant: Tenant, prefix: str) -> str:
    """Why a tenant cannot have this prefix, in words; empty: it can, or has it."""
    if not prefix or prefix == tenant.firestore_prefix:
        return ""
    # In this order: who is leaving at this moment is there, or has left and been noted.
    other = Tenant.objects.exclude(id=tenant.id).filter(firestore_prefix=prefix).first()  # deleted ones may come back
    if other is not None:
        return f"“{other.slug}” is there already."
    return next(filter(None, (objector(tenant, prefix) for objector in _objectors)), "")


def check_prefix(tenant: Tenant, prefix: str) -> None:
    """Raises InvalidInput (`prefix_taken`) for a prefix that a tenant cannot have."""
    if objection := objection_to(tenant, prefix):
        raise InvalidInput.at("firestore_prefix", "prefix_taken", objection)


def normal_prefix(text: str) -> str:
    """A document's path without slashes around it. Raises ValueError, with words for people, for what is none.

    The rules are Firestore's for ids of collections and documents.
    """
    prefix = text.strip().strip("/")
    if not prefix:
        return ""
    segments = prefix.split("/")
    if len(prefix) > MAX_PREFIX:
        raise ValueError(f"This has {len(prefix)} characters; at most {MAX_PREFIX} are allowed.")
    for segment in segments:
        _check_segment(segment)
    if len(segments) % 2:
        raise ValueError("This is a collection. A document is asked for: tenants/acme is the document acme in tenants.")
    for name in segments[::2]:
        if name in COLLECTIONS:
            raise ValueError(f"“{name}” is a collection of the mirror itself: choose another one.")
    return prefix


def _check_segment(segment: str) -> None:
    if not segment.strip():
        raise ValueError("There is nothing between two slashes.")
    if segment != segment.strip() or not segment.isprintable() or not is_storable(segment):
        raise ValueError(f"“{segment}” has spaces around it, or characters that cannot be seen.")
    if segment in (".", "..") or _RESERVED.fullmatch(segment):
        raise ValueError(f"“{segment}” cannot be a name in Firestore: neither dots alone nor __such__ can.")
