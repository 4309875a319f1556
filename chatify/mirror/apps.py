"""The mirror."""

from django.apps import AppConfig


class MirrorConfig(AppConfig):
    """Firestore, both ways."""

    name = "chatify.mirror"
    label = "mirror"
    verbose_name = "Firestore"

    def ready(self) -> None:
        """Ask for what has to be mirrored."""
        from chatify.mirror import scopes, sink

        sink.register()
        scopes.register()
