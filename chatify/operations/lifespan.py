"""What lives as long as the server does: started before the first connection, ended after the last."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import signal
import threading
import time
from types import FrameType
from typing import IO, TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.urls import get_resolver

from chatify.accounts.origins import keep_known, read_known
from chatify.common.threads import close_pool
from chatify.matchmaking.timers import Matchmaker
from chatify.operations.embedded_celery import EmbeddedCelery
from chatify.realtime import sockets
from chatify.turns import runtime as turns_runtime
from chatify.turns.runtime import Runtime
from chatify.webhooks.running import Running as Webhooks

if TYPE_CHECKING:
    from chatify.mirror.running import Running

PATIENCE_SECONDS = 30.0

log = structlog.get_logger(__name__)


class AlreadyServing(RuntimeError):
    """Another server uses this SQLite database."""


class Services:
    """The in-process services of one server process."""

    def __init__(self) -> None:
        self._lock: IO[str] | None = None
        self._runtime: Runtime | None = None
        self._matchmaker: Matchmaker | None = None
        self._celery: EmbeddedCelery | None = None
        self._mirror: Running | None = None
        self._webhooks: Webhooks | None = None
        self._origins: asyncio.Task[None] | None = None
        self._stop_requested_at: float | None = None

    @property
    def is_running(self) -> bool:
        """Whether they were started."""
        return self._runtime is not None

    async def start(self) -> None:
        """Start all. Raises AlreadyServing."""
        if settings.SQLITE_LOCK_FILE:
            self._lock = _lock(settings.SQLITE_LOCK_FILE)
        self._watch_signals()
        runtime = Runtime()
        await runtime.start(is_alone=self._lock is not None)
        self._runtime = runtime
        turns_runtime.set_current(runtime)
        self._matchmaker = Matchmaker(runtime)
        await self._matchmaker.start()
        sockets.current().start()
        await read_known()  # the first connection may be a preflight
        self._origins = asyncio.create_task(keep_known())
        if settings.CELERY_IS_EMBEDDED:
            self._celery = EmbeddedCelery()
            await asyncio.to_thread(self._celery.start)  # Celery closes database connections as it starts
        if settings.CELERY_IS_EMBEDDED and settings.FIRESTORE_IS_ON:
            self._mirror = await asyncio.to_thread(_start_mirror)
        self._webhooks = Webhooks()
        self._webhooks.start()
        get_resolver().url_patterns  # noqa: B018 - else the first request would import them
        gc.freeze()  # modules above all: a look at all of them for garbage holds up everybody for a quarter of a second
        log.info("server_started", provider=runtime.provider.name)

    async def stop(self) -> None:
        """End all; running replies get what is left of 30 seconds to finish."""
        if self._runtime is None:
            return
        waited = time.monotonic() - (self._stop_requested_at or time.monotonic())
        turns_runtime.set_current(None)
        if self._matchmaker is not None:
            await self._matchmaker.stop()
            self._matchmaker = None
        await self._runtime.stop(patience=max(0.0, PATIENCE_SECONDS - waited))
        await sockets.current().stop()
        sockets.forget()
        if self._origins is not None:
            self._origins.cancel()
            await asyncio.gather(self._origins, return_exceptions=True)
        if self._celery is not None:
            await asyncio.to_thread(self._celery.stop)
        if self._webhooks is not None:
            await asyncio.to_thread(self._webhooks.stop)
            self._webhooks = None
        if self._mirror is not None:
            await asyncio.to_thread(self._mirror.stop)
            self._mirror = None
        await asyncio.to_thread(close_pool)
        self._runtime = None
        if self._lock is not None:
            self._lock.close()
        log.info("server_stopped")

    def _watch_signals(self) -> None:
        """The patience with running replies counts from the signal: the server closes its connections before us."""
        for number in (signal.SIGTERM, signal.SIGINT):
            inner = signal.getsignal(number)

            def handler(signum: int, frame: FrameType | None, inner: Any = inner) -> None:
                self._stop_requested_at = self._stop_requested_at or time.monotonic()
                if callable(inner):
                    inner(signum, frame)

            if threading.current_thread() is threading.main_thread():
                signal.signal(number, handler)


services = Services()


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI lifespan protocol (ASGI specification, "Lifespan")."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await services.start()
            except Exception as error:
                log.error("server_not_started", reason=str(error))
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
        else:
            await services.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


def with_services(app: Any) -> Any:
    """An ASGI app whose first connection starts the services, for servers without lifespan (runserver)."""
    starting = asyncio.Lock()

    async def served(scope: Any, receive: Any, send: Any) -> None:
        if not services.is_running:
            async with starting:
                if not services.is_running:
                    await services.start()
        await app(scope, receive, send)

    return served


def check_alone() -> None:
    """Raises AlreadyServing while another server uses this SQLite database."""
    if settings.SQLITE_LOCK_FILE:
        _lock(settings.SQLITE_LOCK_FILE).close()


def _start_mirror() -> Running:
    from chatify.mirror.running import Running  # Firestore's client takes memory and a second: only where it is used

    running = Running()
    running.start()
    return running


def _lock(path: str) -> IO[str]:
    file = open(path, "w")  # noqa: SIM115  (held until the process ends)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise AlreadyServing(
            f"Another Chatify serves this SQLite database ({path} is locked). Stop it, or use PostgreSQL."
        ) from None
    return file
