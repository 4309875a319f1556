"""What a socket still has to send: merged for slow readers, bounded, and its own business alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatify.realtime import outgoing
from chatify.realtime.outgoing import MAX_WAITING, Outgoing
from chatify.turns.live import Delta

READY = {"type": "session.ready"}


class Peer:
    """The far end: takes frames while `is_reading` is set."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.is_reading = asyncio.Event()
        self.is_reading.set()

    async def take(self, text: str) -> None:
        await self.is_reading.wait()
        self.frames.append(json.loads(text))

    def deltas(self) -> list[tuple[int, str]]:
        return [(frame["offset"], frame["text"]) for frame in self.frames if frame["type"] == "reply.delta"]


def stalled() -> tuple[Peer, Outgoing, list[bool]]:
    """A peer that does not read, with an open queue before it; the list tells of failures."""
    peer, failures = Peer(), []
    peer.is_reading.clear()
    queue = Outgoing(peer.take)
    queue.open(READY, lambda: failures.append(True))
    return peer, queue, failures


def delta(offset: int, text: str, message_id: str = "m") -> Delta:
    return Delta(message_id, offset, text)


async def soon(is_true: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not is_true():  # noqa: ASYNC110  (nothing there sets an event)
            await asyncio.sleep(0.005)


async def finished(queue: Outgoing) -> None:
    await queue.drain()
    queue.close()


async def test_nothing_goes_out_before_the_first_frame() -> None:
    peer = Peer()
    queue = Outgoing(peer.take)
    queue.put({"type": "pong"})
    queue.open(READY, lambda: None)
    await soon(lambda: len(peer.frames) == 2)
    assert [frame["type"] for frame in peer.frames] == ["session.ready", "pong"]
    queue.close()


async def test_slow_reader_gets_one_large_piece() -> None:
    peer, queue, _ = stalled()
    for number in range(1000):
        queue.put(delta(number * 2, "ab"))
    peer.is_reading.set()
    await soon(lambda: len(peer.frames) == 2)
    assert peer.deltas() == [(0, "ab" * 1000)]
    queue.close()


async def test_pieces_merge_only_where_they_fit_together() -> None:
    peer, queue, _ = stalled()
    for piece in (delta(0, "a"), delta(1, "b"), delta(5, "f"), delta(6, "g", "other"), delta(7, "h", "other")):
        queue.put(piece)
    queue.put({"type": "pong"})
    queue.put(delta(8, "i", "other"))
    peer.is_reading.set()
    await soon(lambda: len(peer.frames) == 6)
    assert peer.deltas() == [(0, "ab"), (5, "f"), (6, "gh"), (8, "i")]
    queue.close()


async def test_reader_that_never_reads_costs_bounded_memory() -> None:
    _, queue, _ = stalled()
    for number in range(MAX_WAITING * 3):
        queue.put({"type": "typing.start", "n": number})
    assert len(queue._events) <= MAX_WAITING
    assert queue.is_overflowing
    assert queue.is_stuck
    queue.close()


async def test_long_reply_alone_never_overflows_a_reader_that_is_behind() -> None:
    _, queue, _ = stalled()
    await asyncio.sleep(0)
    for number in range(MAX_WAITING * 3):
        queue.put(delta(number, "a"))
    assert not queue.is_overflowing, "deltas of one reply count once, as they are merged"
    assert len(queue._events) < MAX_WAITING
    queue.close()


async def test_send_that_takes_too_long_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "SEND_SECONDS", 0.05)
    peer, queue, _ = stalled()
    await soon(lambda: queue.is_stuck)
    peer.is_reading.set()
    await soon(lambda: not queue.is_stuck)
    queue.close()


async def test_idle_socket_is_not_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "SEND_SECONDS", 0.0)
    peer = Peer()
    queue = Outgoing(peer.take)
    queue.open(READY, lambda: None)
    await soon(lambda: peer.frames and queue.sending_since is None)
    assert not queue.is_stuck
    queue.close()


@pytest.mark.parametrize("error", [OSError("reset"), RuntimeError("closed"), ConnectionResetError()])
async def test_peer_that_is_gone_is_told_once(error: Exception) -> None:
    failures = []

    async def fail(text: str) -> None:
        raise error

    queue = Outgoing(fail)
    queue.open(READY, lambda: failures.append(True))
    await soon(lambda: failures)
    async with asyncio.timeout(1):
        await queue.drain()
    assert failures == [True]


async def test_sync_waits_for_room_in_a_full_queue() -> None:
    peer, queue, _ = stalled()
    for number in range(MAX_WAITING - 1):
        queue.put({"type": "pong", "n": number})
    waiting: Awaitable[None] = asyncio.ensure_future(queue.drain(MAX_WAITING // 2))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    peer.is_reading.set()
    async with asyncio.timeout(5):
        await waiting
    await finished(queue)
    assert len(peer.frames) == MAX_WAITING


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.text(min_size=1, max_size=4), st.booleans()), max_size=40))
def test_whatever_waits_the_text_arrives_whole_and_in_order(steps: list[tuple[str, str, bool]]) -> None:
    async def run() -> tuple[Peer, dict[str, str]]:
        peer, queue, _ = stalled()
        texts = {"a": "", "b": ""}
        for name, text, is_reading in steps:
            queue.put(delta(len(texts[name]), text, name))
            texts[name] += text
            (peer.is_reading.set if is_reading else peer.is_reading.clear)()
            await asyncio.sleep(0)
        peer.is_reading.set()
        await finished(queue)
        return peer, texts

    peer, texts = asyncio.run(run())
    for name, text in texts.items():
        mine = [f for f in peer.frames if f.get("message_id") == name]
        assert "".join(frame["text"] for frame in mine) == text
        assert all(a["offset"] + len(a["text"]) == b["offset"] for a, b in pairwise(mine))
