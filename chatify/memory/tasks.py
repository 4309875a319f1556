"""The work of memory, by Celery."""

from __future__ import annotations

from typing import Any

from celery import shared_task, signals
from django.conf import settings

from chatify.memory.digest import digester


@shared_task
def digest() -> int:
    """Do what memory has to do now. Gives the number of steps.

    The embedded worker has one thread for all tasks: there it is done beside it, or mails would wait for models.
    """
    if settings.CELERY_IS_EMBEDDED:
        digester.start()
        return 0
    return digester.run()


@signals.worker_shutting_down.connect
@signals.worker_shutdown.connect
def stop(**_: Any) -> None:
    """Nobody who stops a worker waits for a model."""
    digester.stop()
