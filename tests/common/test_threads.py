"""Database work on threads of our own."""

import asyncio
import threading
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.db import InterfaceError, OperationalError

from chatify.common import threads
from chatify.common.threads import close_pool, in_db_thread


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threads, "_away_until", 0.0)
    yield
    close_pool()


async def test_work_runs_on_a_thread_of_the_pool():
    def where(prefix: str, *, mark: str) -> tuple[str, str]:
        return prefix + threading.current_thread().name[:2], mark

    assert await in_db_thread(where, "on ", mark="!") == ("on db", "!")


async def test_exception_comes_back():
    def fail():
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        await in_db_thread(fail)


async def test_threads_are_bounded():
    lock, running, most = threading.Lock(), [0], [0]
    gate = threading.Barrier(settings.DB_THREADS, timeout=10)

    def work():
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        gate.wait()  # passes only when all threads work at once
        with lock:
            running[0] -= 1

    await asyncio.gather(*(in_db_thread(work) for _ in range(settings.DB_THREADS * 3)))
    assert most[0] == settings.DB_THREADS


class FakeConnection:
    def __init__(self, *, is_usable: bool, is_open: bool = True) -> None:
        self.connection = object() if is_open else None
        self.is_usable = lambda: is_usable
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def failing_once(error: Exception):
    state = SimpleNamespace(calls=0)

    def job() -> str:
        state.calls += 1
        if state.calls == 1:
            raise error
        return "done"

    return job, state


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
async def test_dead_connection_is_replaced(monkeypatch: pytest.MonkeyPatch, error: Exception):
    dead = FakeConnection(is_usable=False)
    monkeypatch.setattr(threads, "connection", dead)
    job, state = failing_once(error)
    assert await in_db_thread(job) == "done"
    assert (state.calls, dead.closed) == (2, 1)


@pytest.mark.parametrize("connection", [FakeConnection(is_usable=True), FakeConnection(is_usable=False, is_open=False)])
async def test_error_of_a_living_or_missing_connection_is_told(monkeypatch: pytest.MonkeyPatch, connection):
    monkeypatch.setattr(threads, "connection", connection)
    job, state = failing_once(OperationalError("locked"))
    with pytest.raises(OperationalError, match="locked"):
        await in_db_thread(job)
    assert state.calls == 1


async def test_work_behind_a_failed_connect_fails_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threads, "connection", FakeConnection(is_usable=False, is_open=False))
    job, state = failing_once(OperationalError("no route to host"))
    with pytest.raises(OperationalError, match="no route"):
        await in_db_thread(job)
    with pytest.raises(OperationalError, match="away"):
        await in_db_thread(job)
    monkeypatch.setattr(threads, "_away_until", 0.0)  # a moment later
    assert await in_db_thread(job) == "done"
    assert state.calls == 2


async def test_pool_opens_again_after_its_end():
    assert await in_db_thread(lambda: 1) == 1
    close_pool()
    close_pool()
    assert await in_db_thread(lambda: 2) == 2
