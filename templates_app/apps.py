"""Personalities: what staff write, and chat sessions pin."""

from django.apps import AppConfig


class TemplatesAppConfig(AppConfig):
    """Prompt templates and their versions."""

    name = "templates_app"
    verbose_name = "Personalities"
