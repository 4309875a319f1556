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
        self._working: threading.Thread | None = None

    def start(self) -> None:
        """Start both."""
        self._app.finalize()
        self._worker = self._app.WorkController(
            pool="solo", concurrency=1, without_gossip=True, without_mingle=True, without_heartbeat=True,
            quiet=True, loglevel="WARNING", hostname="embedded@chatify",
        )  # fmt: skip
        self._beat = Service(self._app, max_interval=5, scheduler_cls=Scheduler)
        self._working = threading.Thread(target=self._work, name="celery-worker", daemon=True)
        self._working.start()
        threading.Thread(target=self._beat.start, name="celery-beat", daemon=True).start()

    def _work(self) -> None:
        self._app.set_current()  # for this thread: tasks are looked up in the current app
        self._worker.start()

    def stop(self) -> None:
        """Stop both. A task that runs may end; beat sleeps between its ticks, and there is nothing to wait for."""
        self._beat.stop(wait=False)
        self._worker.stop()
        if self._working is not None:
            self._working.join(JOIN_SECONDS)
            if self._working.is_alive():
                log.warning("celery_worker_left_running")
