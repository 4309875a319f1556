"""Serving, and watching what is served."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Commands to serve, health, metrics, logs."""

    name = "chatify.operations"
    label = "operations"
