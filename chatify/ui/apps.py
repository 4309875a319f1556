from django.apps import AppConfig


class UiConfig(AppConfig):
    """The chat page, the page where people meet, their static files, and the base template of every page of ours."""

    name = "chatify.ui"
    label = "ui"
