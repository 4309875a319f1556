"""Where blocking database work of the event loop runs: a bounded pool of threads of our own.

Django's default executor runs one thread per request, or one for all: both are wrong for turns. Each
thread here keeps its database connection for as long as it works, so connections are bounded, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, reset_queries

P = ParamSpec("P")
R = TypeVar("R")

AWAY_SECONDS = 1.0

_pool: ThreadPoolExecutor | None = None
_away_until = 0.0


async def in_db_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a plain function that uses the ORM, and give its result or its exception.

    The function may run twice when its connection turns out to be dead, so it has to be idempotent:
    each of ours is one transaction that a unique key or a status guards.
    """
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(max_workers=settings.DB_THREADS, thread_name_prefix="db")
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_pool, partial(_run, partial(function, *args, **kwargs)))


def close_pool() -> None:
    """Let the running jobs end and close the threads with their connections."""
    global _pool
    if _pool is not None:
        for _ in range(settings.DB_THREADS):
            _pool.submit(connection.close)
        _pool.shutdown(wait=True)
        _pool = None


def _run(job: Callable[[], R]) -> R:
    if settings.DEBUG:
        reset_queries()
    before = connection.connection
    try:
        return _try(job)
    except (OperationalError, InterfaceError):
        # A transaction's end replaces a dead connection itself.
        is_dead = before is not None and (connection.connection is not before or not connection.is_usable())
        if not is_dead:
            raise
        connection.close()  # the database was restarted under an idle connection
        return _try(job)


def _try(job: Callable[[], R]) -> R:
    """Run a job. Those that waited behind one that got no connection at all fail at once, as it did."""
    global _away_until
    if connection.connection is None and monotonic() < _away_until:
        raise OperationalError("The database was away a moment ago.")
    try:
        return job()
    except OperationalError:
        if connection.connection is None:
            _away_until = monotonic() + AWAY_SECONDS
        raise
