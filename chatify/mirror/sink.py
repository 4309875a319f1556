"""What the mirror wants to hear of."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings

from chatify.accounts.tenancy import register_watcher
from chatify.events.bus import Sink, emit, register_sink

NAME = "firestore"
_WANTED = ("session.", "message.", "reply.", "summary.", "personality.switched", "template.", "tenant.")


def register() -> None:
    """Said by the app when it is ready."""
    register_sink(
        Sink(NAME, is_on=lambda: settings.FIRESTORE_IS_ON, wants=lambda event: event.name.startswith(_WANTED))
    )
    register_watcher(_tell)


def _tell(tenant_id: UUID, what: str) -> None:
    """Tenants know no events."""
    emit(what, tenant_id=tenant_id)
