"""The mirror."""

from django.apps import AppConfig


class MirrorConfig(AppConfig):
    """Firestore, both ways."""

    name = "chatify.mirror"
    label = "mirror"
    verbose_name = "Firestore"

    def ready(self) -> None:
        """Ask for what has to be mirrored."""
        from chatify.mirror.sink import register

        register()
