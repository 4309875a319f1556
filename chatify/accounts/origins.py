"""Which web pages may use a tenant's tokens (CORS, WHATWG Fetch; and the Origin header of sockets, RFC 6455)."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from chatify.accounts.models import Tenant
from chatify.common.errors import Forbidden

KEPT_SECONDS = 2.0
MAX_ORIGINS = 50


class Origins:
    """The tenants of each origin, as they were at most so many seconds ago."""

    def __init__(self) -> None:
        self._tenants: Mapping[str, frozenset[UUID]] = {}
        self._read_at = float("-inf")
        self._lock = Lock()

    def tenants_of(self, origin: str) -> frozenset[UUID]:
        """Those that allow it, as far as is known: no database here, so that event loops may ask."""
        return self._tenants.get(origin, frozenset())

    def refresh(self, *, max_age: float = KEPT_SECONDS) -> None:
        """Read them again if they are older than `max_age` seconds."""
        with self._lock:
            if monotonic() - self._read_at < max_age:
                return
            found: dict[str, set[UUID]] = {}
            rows = Tenant.objects.existing().exclude(allowed_origins=[]).values_list("id", "allowed_origins")
            for tenant_id, origins in rows:
                for origin in origins:
                    found.setdefault(origin, set()).add(tenant_id)
            self._tenants = {origin: frozenset(tenants) for origin, tenants in found.items()}
            self._read_at = monotonic()


known = Origins()


def normal_origin(text: str) -> str | None:
    """An origin as browsers write it (`https://example.com`, `http://localhost:3000`), None if it is none."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        return None
    if parts.username is not None or "*" in text or any(character.isspace() for character in text):
        return None
    is_usual = port == {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port is None or is_usual else f":{port}")


def check_origin(tenant_id: UUID, origin: str, host: str, scheme: str) -> None:
    """Whether a page of this origin may act with a credential of the tenant. Raises Forbidden (`origin_not_allowed`).

    Without an Origin header it is no browser, and our own pages (same `host` and `scheme`) always may.
    """
    if not origin or origin in settings.CORS_ALLOWED_ORIGINS or origin == f"{scheme}://{host}":
        return
    known.refresh()
    if tenant_id not in known.tenants_of(origin):
        raise Forbidden(f"Pages of {origin[:200]} may not use this credential here.", code="origin_not_allowed")


def allow_tenants_origins(sender: Any, request: HttpRequest, **kwargs: Any) -> bool:
    """For django-cors-headers: whether any tenant allows the page. Who asks is known only after the preflight."""
    return request.path.startswith("/api/v1/") and bool(known.tenants_of(request.headers.get("Origin", "")))
