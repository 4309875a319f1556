"""What the mirror wants to hear of."""

from __future__ import annotations

from django.conf import settings

from chatify.events.bus import Sink, register_sink

NAME = "firestore"
_WANTED = ("session.", "message.", "reply.", "summary.", "personality.switched", "template.", "tenant.")


def register() -> None:
    """Said by the app when it is ready."""
    register_sink(
        Sink(NAME, is_on=lambda: settings.FIRESTORE_IS_ON, wants=lambda event: event.name.startswith(_WANTED))
    )
