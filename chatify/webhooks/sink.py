"""What webhooks want to hear of."""

from __future__ import annotations

from chatify.events.bus import Event, Sink, register_sink
from chatify.webhooks.known import known
from chatify.webhooks.names import name_outside

NAME = "webhooks"


def register() -> None:
    """Said by the app when it is ready."""
    register_sink(Sink(NAME, is_on=known.is_any, wants=is_wanted))


def is_wanted(event: Event) -> bool:
    """Whether an endpoint of the event's tenant asks for it."""
    return known.wants(event.tenant_id, name_outside(event.name))
