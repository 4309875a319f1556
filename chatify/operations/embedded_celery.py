"""Celery's worker and beat as threads of the server, for those who run nothing but the server."""

from __future__ import annotations

import threading
from typing import Any

import structlog
from celery import Celery, current_app
from celery.beat import Scheduler, Service

JOIN_SECONDS = 10.0

log = structlog.get_logger(__name__)


class EmbeddedCelery:
    """One worker thread and one beat thread on a broker in memory."""

    def __init__(self, app: Celery | None = None) -> None:
        self._app: Any = app or current_app._get_current_object()
        self._worker: Any = None
        self._beat: Any = None
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start both."""
        self._app.finalize()
        self._worker = self._app.WorkController(
            pool="solo", concurrency=1, without_gossip=True, without_mingle=True, without_heartbeat=True,
            quiet=True, loglevel="WARNING", hostname="embedded@chatify",
        )  # fmt: skip
        self._beat = Service(self._app, max_interval=5, scheduler_cls=Scheduler)
        for name, work in (("celery-worker", self._worker.start), ("celery-beat", self._beat.start)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop both; a task that runs may end."""
        self._beat.stop(wait=False)
        self._worker.stop()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
            if thread.is_alive():
                log.warning("celery_thread_left", thread=thread.name)
