"""The queue of a socket: order, merging, slow and vanished readers; and the sweep over all sockets."""

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from chatify.accounts.principal import Principal
from chatify.realtime import outgoing as module
from chatify.realtime import sockets
from chatify.realtime.admission import MAX_SOCKETS, Admission
from chatify.realtime.outgoing import MAX_WAITING, Outgoing
from chatify.turns.live import Delta
from tests.services.ports import free_port


class Line:
    """Where frames go: `sent` keeps them; it stands still while `is_open` is cleared."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sent: list[dict] = []
        self.failures = 0
        self.is_open = asyncio.Event()
        self.is_open.set()
        self._error = error

    async def send(self, text: str) -> None:
        await self.is_open.wait()
        if self._error:
            raise self._error
        self.sent.append(json.loads(text))

    def fail(self) -> None:
        self.failures += 1


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def delta(offset: int, text: str, id_: str = "m") -> Delta:
    return Delta(id_, offset, text)


async def test_nothing_goes_out_before_the_first_frame():
    line = Line()
    outgoing = Outgoing(line.send)
    outgoing.put({"type": "b"})
    await settle()
    assert line.sent == []
    outgoing.open({"type": "a"}, line.fail)
    await outgoing.drain()
    outgoing.close()
    assert [frame["type"] for frame in line.sent] == ["a", "b"]


async def test_waiting_deltas_are_merged_where_they_meet():
    line = Line()
    outgoing = Outgoing(line.send)
    events = [delta(0, "🦊"), delta(1, "b"), delta(5, "f"), delta(0, "x", "other"), {"type": "e"}, delta(6, "g")]
    for event in events:
        outgoing.put(event)
    outgoing.open({"type": "a"}, line.fail)
    await outgoing.drain()
    await settle()
    outgoing.close()
    told = [(frame.get("message_id"), frame.get("offset"), frame.get("text")) for frame in line.sent]
    assert told == [(None,) * 3, ("m", 0, "🦊b"), ("m", 5, "f"), ("other", 0, "x"), (None,) * 3, ("m", 6, "g")]


@pytest.mark.parametrize("error", [OSError(), RuntimeError("closed"), TypeError("a bug of ours")])
async def test_line_that_breaks_ends_the_socket(error: Exception):
    line = Line(error)
    outgoing = Outgoing(line.send)
    outgoing.open({"type": "a"}, line.fail)
    await settle()
    assert line.failures == 1
    await outgoing.drain()  # does not wait for ever


async def test_event_that_cannot_be_written_ends_the_socket():
    line = Line()
    outgoing = Outgoing(line.send)
    outgoing.open({"type": "a", "number": 10**30}, line.fail)
    await settle()
    assert (line.sent, line.failures) == ([], 1)


async def test_reader_that_does_not_read_is_given_up():
    line = Line()
    outgoing = Outgoing(line.send)
    line.is_open.clear()
    outgoing.open({"type": "a"}, line.fail)
    await settle()
    for number in range(MAX_WAITING):
        outgoing.put({"type": "event", "number": number})
    assert not outgoing.is_stuck
    outgoing.put({"type": "one too many"})
    assert outgoing.is_stuck
    line.is_open.set()
    await settle()
    outgoing.close()


async def test_send_that_takes_too_long_is_stuck(monkeypatch: pytest.MonkeyPatch):
    line = Line()
    outgoing = Outgoing(line.send)
    line.is_open.clear()
    outgoing.open({"type": "a"}, line.fail)
    await settle()
    assert not outgoing.is_stuck
    monkeypatch.setattr(module, "SEND_SECONDS", -1.0)
    assert outgoing.is_stuck
    line.is_open.set()
    await settle()
    assert not outgoing.is_stuck
    outgoing.close()


# The sweep ----------------------------------------------------------------------------------------
class FakeSocket:
    def __init__(self, *, silent: float = 0.0, is_stuck: bool = False, error: Exception | None = None) -> None:
        self.heard_at = time.monotonic() - silent
        self.outgoing = SimpleNamespace(is_stuck=is_stuck)
        self.principal = Principal(uuid4(), end_user_id=uuid4())
        self.closed_with: list[int] = []
        self.has_left = False
        self._error = error

    async def close_with(self, code: int) -> None:
        self.closed_with.append(code)
        if self._error is not None:
            raise self._error

    async def leave(self) -> None:
        self.has_left = True


async def sweep(*found: FakeSocket) -> None:
    everybody = sockets.Sockets()
    for socket in found:
        everybody.add(socket)
    everybody.start()
    try:
        await asyncio.wait_for(until(lambda: any(socket.closed_with for socket in found)), 5)
    finally:
        for socket in found:
            everybody.remove(socket)
        await everybody.stop()


async def until(is_true) -> None:
    while not is_true():  # noqa: ASYNC110  (the code under test tells nobody)
        await asyncio.sleep(0)


@pytest.fixture
def revoked(monkeypatch: pytest.MonkeyPatch) -> set[Principal]:
    """Those who may not be here any more, of a sweep that does not wait."""
    found: set[Principal] = set()
    monkeypatch.setattr(sockets, "SWEEP_SECONDS", 0.001)
    monkeypatch.setattr(sockets, "revoked_of", lambda principals: found & set(principals))
    return found


async def test_silent_socket_is_closed_as_idle(revoked: set[Principal]):
    silent, heard = FakeSocket(silent=301), FakeSocket(silent=290)
    await sweep(silent, heard)
    assert set(silent.closed_with) == {4408}
    assert heard.closed_with == []


async def test_stuck_socket_is_closed_and_left(revoked: set[Principal]):
    stuck = FakeSocket(is_stuck=True)
    await sweep(stuck)
    assert set(stuck.closed_with) == {1011}


async def test_socket_of_somebody_revoked_is_closed(revoked: set[Principal]):
    theirs, other = FakeSocket(silent=301, is_stuck=True), FakeSocket()
    revoked.add(theirs.principal)
    await sweep(theirs, other)
    assert set(theirs.closed_with) == {4401}
    assert other.closed_with == []


async def test_sweep_survives_a_socket_that_fails(revoked: set[Principal]):
    failing = FakeSocket(silent=301, error=RuntimeError("no such luck"))
    everybody = sockets.Sockets()
    everybody.add(failing)
    everybody.start()
    await asyncio.wait_for(until(lambda: len(failing.closed_with) > 1), 5)
    everybody.remove(failing)
    await everybody.stop()


async def test_places_are_given_back():
    admission, chat = Admission(), uuid4()
    entered = [await admission.enter(chat, f"s{number}") for number in range(MAX_SOCKETS + 1)]
    assert entered == [True] * MAX_SOCKETS + [False]
    assert await admission.enter(uuid4(), "elsewhere")
    await admission.leave("s0")
    await admission.leave("s0")
    await admission.leave("never came")
    assert [await admission.enter(chat, "again"), await admission.enter(chat, "too many")] == [True, False]


async def test_places_outlast_a_redis_that_is_away(settings: Any):
    """Each call that asks it is one that a client waits for, or the sweep of all sockets."""
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    admission, chat = Admission(), uuid4()
    assert await admission.enter(chat, "s0")
    with capture_logs() as logs:
        await admission.refresh()
        await admission.leave("s0")
    await admission.aclose()
    assert [line["event"] for line in logs] == ["socket_places_not_refreshed", "socket_place_not_returned"]
