"""Which tenants want to be told of what, kept in memory: who has no endpoint pays nothing for those who have."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from time import monotonic
from uuid import UUID

from chatify.webhooks.models import WebhookEndpoint
from chatify.webhooks.names import NAMES

KEPT_SECONDS = 1.0

STALE_SECONDS = 5 * KEPT_SECONDS
"""So old it is when whoever reads it again and again has not begun, or is stuck: then it is read on the way."""


class Known:
    """What the active endpoints of existing tenants ask for, as it was at most so many seconds ago."""

    def __init__(self) -> None:
        self.is_kept = False
        """Whether a thread of this process reads it again and again, so that nobody else has to."""
        self._wanted: Mapping[UUID, frozenset[str]] = {}
        self._read_at = float("-inf")
        self._lock = Lock()

    def is_any(self) -> bool:
        """Whether there is any endpoint at all. May read the database."""
        if not self.is_kept or monotonic() - self._read_at > STALE_SECONDS:
            self.refresh()
        return bool(self._wanted)

    def was_any(self) -> bool:
        """The same as far as is known, without a look into the database."""
        return bool(self._wanted)

    def wants(self, tenant_id: UUID | None, name: str | None) -> bool:
        """Whether an endpoint of this tenant wants to be told of this; both may be nothing."""
        return tenant_id is not None and name is not None and name in self._wanted.get(tenant_id, ())

    def refresh(self, *, max_age: float = KEPT_SECONDS) -> None:
        """Read it again if it is older than `max_age` seconds."""
        with self._lock:
            if monotonic() - self._read_at < max_age:
                return
            found: dict[UUID, frozenset[str]] = {}
            rows = WebhookEndpoint.objects.filter(is_active=True, tenant__deleted_at=None).order_by()
            for tenant_id, events in rows.values_list("tenant_id", "events"):
                found[tenant_id] = found.get(tenant_id, frozenset()) | frozenset(events or NAMES)
            self._wanted, self._read_at = found, monotonic()


known = Known()
