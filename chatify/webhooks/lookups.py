"""Names looked up in threads of their own, of which none keeps the places of the others, nor the process from ending.

A name server that does not answer keeps a thread for half a minute, much longer than anybody waits for it. Tenants
choose their names, so each has few places; who finds them taken waits, as for any connection, and nobody else does.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Hashable, Sequence
from contextlib import suppress
from threading import Thread
from typing import Any
from weakref import WeakValueDictionary

AT_ONCE = 256
AT_ONCE_PER_TENANT = 8
AT_ONCE_PER_NAME = 2
"""Of a tenant: so that its endpoints whose names are good are not kept by one whose name is not."""

Addresses = list[tuple[Any, ...]]
Places = Sequence[asyncio.Semaphore]


class Lookups:
    """Looks names up; used on one event loop."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(AT_ONCE)
        self._places: WeakValueDictionary[Hashable, asyncio.Semaphore] = WeakValueDictionary()

    async def find(self, tenant: Hashable, host: str, port: int, family: int) -> Addresses:
        """What `getaddrinfo` gives, for a tenant. Raises OSError as that does."""
        places = await self._take(tenant, host)
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Addresses] = loop.create_future()

        def look_up() -> None:
            answer: Addresses | Exception
            try:
                answer = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            except Exception as error:  # told to whoever waits
                answer = error
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(_settle, found, answer, places)

        try:
            Thread(target=look_up, name="webhook-name", daemon=True).start()
        except RuntimeError as error:  # this machine has no more of them
            _release(places)
            raise OSError("No name can be looked up at the moment.") from error
        return await found

    async def _take(self, tenant: Hashable, host: str) -> Places:
        """Places that are held until the thread has ended, however long its caller waits for it."""
        wanted = [
            self._places.setdefault((tenant, host), asyncio.Semaphore(AT_ONCE_PER_NAME)),
            self._places.setdefault((tenant,), asyncio.Semaphore(AT_ONCE_PER_TENANT)),
            self._all,
        ]
        taken: list[asyncio.Semaphore] = []
        try:
            for one in wanted:
                await one.acquire()
                taken.append(one)
        except asyncio.CancelledError:
            _release(taken)
            raise
        return taken


def _settle(found: asyncio.Future[Addresses], answer: Addresses | Exception, places: Places) -> None:
    _release(places)
    if found.done():  # nobody waits any more
        return
    if isinstance(answer, Exception):
        found.set_exception(answer)
    else:
        found.set_result(answer)


def _release(places: Places) -> None:
    for one in places:
        one.release()
