"""Which web pages may use a tenant's tokens (CORS, WHATWG Fetch; and the Origin header of sockets, RFC 6455)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest

from chatify.accounts.models import Tenant
from chatify.common.errors import Forbidden
from chatify.common.threads import in_db_thread

KEPT_SECONDS = 2.0
MAX_ORIGINS = 50

_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_USUAL_PORTS = {"http": 80, "https": 443}
log = structlog.get_logger(__name__)


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


async def read_known() -> None:
    """Read them now. When the database is away, what was known stays known."""
    try:
        await in_db_thread(known.refresh, max_age=0.0)
    except (OperationalError, InterfaceError) as error:
        log.warning("origins_not_read", error=type(error).__name__)


async def keep_known() -> None:
    """Read them every two seconds, for as long as the server runs: a preflight asks on the event loop."""
    while True:
        await asyncio.sleep(KEPT_SECONDS)
        try:
            await read_known()
        except Exception:  # the next time, then
            log.exception("origins_not_read")


def normal_origin(text: str) -> str | None:
    """An origin as browsers write it (`https://example.com`, `http://localhost:3000`), None if it is none."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        host, port = _normal_host(parts.hostname or ""), parts.port
    except ValueError:  # UnicodeError, too
        return None
    if not parts.scheme or host is None or parts.username is not None or parts.path not in ("", "/"):
        return None
    if any(character in "?#" or character.isspace() for character in text):  # urlsplit passes over some
        return None
    return f"{parts.scheme}://{host}" + ("" if port in (None, _USUAL_PORTS.get(parts.scheme)) else f":{port}")


def _normal_host(host: str) -> str | None:
    if ":" in host:
        return None if "%" in host else f"[{IPv6Address(host).compressed}]"
    plain = host if host.isascii() else host.encode("idna").decode().lower()
    return plain if len(plain) <= 253 and _HOST.fullmatch(plain) else None


def check_origin(tenant_id: UUID, origin: str, host: str, scheme: str) -> None:
    """Whether a page of this origin may act with a credential of the tenant. Raises Forbidden (`origin_not_allowed`).

    Without an Origin header it is no browser, and our own pages (same `host` and `scheme`, or as the operator says)
    always may.
    """
    if not origin or origin == normal_origin(f"{scheme}://{host}"):
        return
    if origin in settings.CORS_ALLOWED_ORIGINS or origin in settings.CSRF_TRUSTED_ORIGINS:
        return
    known.refresh(max_age=2 * KEPT_SECONDS)  # nothing to do where `keep_known` runs
    if tenant_id not in known.tenants_of(origin):
        raise Forbidden(f"Pages of {origin[:200]} may not use this credential here.", code="origin_not_allowed")


def allow_tenants_origins(sender: Any, request: HttpRequest, **kwargs: Any) -> bool:
    """For django-cors-headers: whether any tenant allows the page. Who asks is known only after the preflight."""
    return request.path.startswith("/api/v1/") and bool(known.tenants_of(request.headers.get("Origin", "")))
