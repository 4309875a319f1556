"""Names that are looked up: bad name servers keep neither other people nor the process."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from chatify.webhooks import lookups as module
from chatify.webhooks.lookups import AT_ONCE_PER_NAME, AT_ONCE_PER_TENANT, Lookups
from tests.waiting import wait_until


class Names:
    """Name servers: those of names with `hang` do not answer until the test is over."""

    def __init__(self) -> None:
        self.hanging: list[str] = []
        self.is_over = threading.Event()

    def look_up(self, host: str, *_: Any) -> list[tuple[Any, ...]]:
        """As `getaddrinfo`."""
        if host == "unknown":
            raise socket.gaierror(socket.EAI_NONAME)
        if "hang" in host:
            self.hanging.append(host)
            self.is_over.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]

    def wait_for(self, count: int) -> int:
        """So many do not answer, as soon as their threads run. Gives how many it are."""
        wait_until(lambda: len(self.hanging) >= count, 5, f"{count} that hang")
        return len(self.hanging)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """Instead of the real ones."""
    made = Names()
    monkeypatch.setattr(module.socket, "getaddrinfo", made.look_up)
    yield made
    made.is_over.set()


async def give_up(lookups: Lookups, tenant: str, *hosts: str) -> None:
    """Look these up, and do not wait for long."""
    calls = [asyncio.wait_for(lookups.find(tenant, host, 443, 0), 0.2) for host in hosts]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(one, TimeoutError) for one in found)


async def is_found(lookups: Lookups, tenant: str, host: str = "good") -> bool:
    """Whether a name can be looked up now."""
    try:
        return bool(await asyncio.wait_for(lookups.find(tenant, host, 443, 0), 1))
    except TimeoutError:
        return False


def test_name_that_hangs_keeps_its_own_places_only(names: Names) -> None:
    async def scene() -> None:
        lookups = Lookups()
        await give_up(lookups, "mallory", *["hang"] * 9)
        assert names.wait_for(AT_ONCE_PER_NAME) == AT_ONCE_PER_NAME, "what nobody waits for any more still counts"
        assert await is_found(lookups, "mallory")

    asyncio.run(scene())


def test_tenant_keeps_its_own_places_only(names: Names) -> None:
    async def scene() -> None:
        lookups = Lookups()
        await give_up(lookups, "mallory", *[f"hang-{number}" for number in range(20)])
        assert names.wait_for(AT_ONCE_PER_TENANT) == AT_ONCE_PER_TENANT
        assert not await is_found(lookups, "mallory")
        assert await is_found(lookups, "alice")
        names.is_over.set()
        assert await is_found(lookups, "mallory"), "the places are free again"

    asyncio.run(scene())


def test_places_are_forgotten_when_nobody_holds_them(names: Names) -> None:
    async def scene() -> None:
        lookups = Lookups()
        await asyncio.gather(*[is_found(lookups, f"tenant-{number}") for number in range(20)])
        wait_until(lambda: not list(lookups._places), 5)

    asyncio.run(scene())


def test_error_is_told(names: Names) -> None:
    with pytest.raises(socket.gaierror):
        asyncio.run(Lookups().find("alice", "unknown", 443, 0))


def test_machine_without_threads_is_an_error_of_the_connection(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scene() -> None:
        lookups = Lookups()
        with monkeypatch.context() as patch:
            patch.setattr(module.Thread, "start", refuse)
            for _ in range(AT_ONCE_PER_NAME + 1):
                with pytest.raises(OSError, match="No name"):
                    await lookups.find("alice", "good", 443, 0)
        assert await is_found(lookups, "alice")

    asyncio.run(scene())


_PROGRAM = """
import asyncio, socket, time
from chatify.webhooks.lookups import Lookups
socket.getaddrinfo = lambda *_: time.sleep(60)
try:
    asyncio.run(asyncio.wait_for(Lookups().find("alice", "hang", 443, 0), 0.2))
except TimeoutError:
    print("over")
"""


def test_process_ends_while_a_name_is_looked_up() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "over\n"
