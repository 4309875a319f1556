"""What happened, told to those who want to know."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """Events and the outbox."""

    name = "chatify.events"
    label = "events"
