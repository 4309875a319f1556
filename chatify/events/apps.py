"""What happened, told to those who want to know."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """Events and the outbox."""

    name = "chatify.events"
    label = "events"
    verbose_name = "Firestore"  # of its rows staff see those that Firestore refused

    def ready(self) -> None:
        """What erasures have to do with the outbox."""
        from chatify.events.holdings import register_holdings

        register_holdings()
