"""Personalities: what staff write, and chat sessions pin."""

from django.apps import AppConfig


class TemplatesAppConfig(AppConfig):
    """Prompt templates and their versions."""

    name = "templates_app"
    verbose_name = "Personalities"

    def ready(self) -> None:
        """What is kept in memory hears of changes."""
        from chatify.events import bus
        from templates_app.catalogue import catalogue

        bus.listen(catalogue.heard)
