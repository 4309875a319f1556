"""Following across processes, message by message: what is asked of the owner, and what is done with the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatify.turns import relay as relay_module
from chatify.turns.live import Hub, LiveReply
from chatify.turns.progress import Row
from chatify.turns.relay import FLUSH_SECONDS, Relay
from tests.turns.test_live import ROOM, Ear, reply

OWNER, READER = "process.owner", "process.reader"


class Line:
    """A doorbell that leads to the other relay at once, and loses what `is_lost` says."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent: list[dict[str, Any]] = []
        self.is_lost: Callable[[dict[str, Any]], bool] = lambda message: False
        self.other: Relay | None = None

    def send(self, process: str, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if self.other is not None and not self.is_lost(message):
            self.other.handle({**message, "from": READER if process == OWNER else OWNER})


class Pair:
    """A process that writes a reply, and one that follows it."""

    def __init__(self) -> None:
        self.live = reply()
        self.replies = SimpleNamespace(find=lambda id_: self.live if id_ == self.live.message_id else None)
        self.to_reader, self.to_owner = Line(OWNER), Line(READER)
        self.owner = Relay(Hub(), self.to_reader, self.replies, SimpleNamespace(), self._spawn)
        self.hub, self.ear = Hub(), Ear()
        nothing = SimpleNamespace(find=lambda id_: None)
        self.reader = Relay(self.hub, self.to_owner, nothing, SimpleNamespace(), self._spawn)
        self.to_reader.other, self.to_owner.other = self.reader, self.owner
        self.speaking: list[Any] = []
        self.hub.join(ROOM, self.ear).know(0)

    def _spawn(self, work: Any) -> None:
        self.speaking.append(work)

    def tell(self, text: str) -> None:
        """What the owner's loop does at every turn of it, without waiting for the clock."""
        self.live.append(text)
        for listener in self.owner._listeners.get(self.live.message_id, []):
            self.owner._send(self.live, listener)

    def close(self) -> None:
        for work in self.speaking:
            work.close()


@pytest.fixture
def pair() -> Any:
    made = Pair()
    yield made
    made.close()


def as_row(live: LiveReply, content: str, status: str = "streaming") -> Row:
    wire = {"id": str(live.message_id), "seq": live.seq, "role": "assistant", "content": content, "status": status}
    return Row(ROOM, live.message_id, live.seq, "assistant", status, OWNER, {**wire, "error": None})


async def test_follower_gets_what_was_written_and_what_comes(pair: Pair) -> None:
    pair.live.append("Once upon ")
    pair.reader._apply(pair.hub.rooms[ROOM], as_row(pair.live, "Once"))
    pair.tell("a time")
    assert pair.ear.text == "Once upon a time"
    assert pair.ear.types()[0] == "reply.started"
    assert all(a.offset + len(a.text) == b.offset for a, b in pairwise(pair.ear.deltas))


async def test_piece_that_got_lost_is_asked_for_again(pair: Pair) -> None:
    pair.reader._apply(pair.hub.rooms[ROOM], as_row(pair.live, ""))
    pair.to_reader.is_lost = lambda message: message["text"] == "two "
    for word in ("one ", "two ", "three"):
        pair.tell(word)
    assert pair.ear.text == "one two three"


async def test_piece_that_comes_twice_is_told_once(pair: Pair) -> None:
    pair.reader._apply(pair.hub.rooms[ROOM], as_row(pair.live, ""))
    pair.tell("hello")
    pair.reader.handle({**pair.to_reader.sent[-1], "from": OWNER})
    assert pair.ear.text == "hello"


async def test_end_from_the_database_completes_the_text(pair: Pair) -> None:
    room = pair.hub.rooms[ROOM]
    pair.reader._apply(room, as_row(pair.live, ""))
    pair.tell("All is ")
    pair.reader._apply(room, as_row(pair.live, "All is well.", "complete"))
    assert pair.ear.text == "All is well."
    assert pair.ear.types()[-1] == "reply.completed"
    assert room.live is None


async def test_silent_owner_is_asked_again_and_the_database_is_told(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.to_owner.is_lost = lambda message: True
    room = pair.hub.rooms[ROOM]
    pair.reader._apply(room, as_row(pair.live, "saved"))
    monkeypatch.setattr(relay_module, "SILENCE_SECONDS", -1.0)
    pair.reader._apply(room, as_row(pair.live, "saved, and more"))
    assert pair.ear.text == "saved, and more"
    assert [message["type"] for message in pair.to_owner.sent] == ["follow", "follow"]
    assert pair.to_owner.sent[-1]["offset"] == len("saved, and more")


async def test_answer_of_a_former_owner_is_not_believed(pair: Pair) -> None:
    pair.reader._apply(pair.hub.rooms[ROOM], as_row(pair.live, ""))
    stranger = {"type": "delta", "chat_session_id": str(ROOM), "message_id": str(uuid4()), "offset": 0, "text": "x"}
    pair.reader.handle({**stranger, "from": OWNER})
    assert pair.ear.text == ""


async def test_unknown_words_between_processes_are_ignored(pair: Pair) -> None:
    pair.reader.handle({"type": "from a newer version", "from": OWNER})


async def test_reply_that_has_ended_is_not_followed(pair: Pair) -> None:
    pair.owner.handle({"type": "follow", "message_id": str(UUID(int=3)), "offset": 0, "from": READER})
    assert pair.to_reader.sent == []


async def test_owner_stops_to_speak_when_the_reply_is_over(pair: Pair) -> None:
    pair.live.append("text")
    pair.reader._apply(pair.hub.rooms[ROOM], as_row(pair.live, ""))
    pair.replies.find = lambda id_: None
    async with asyncio.timeout(FLUSH_SECONDS * 20):
        await pair.speaking.pop()
    assert pair.owner._listeners == {}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=6), st.booleans()), max_size=25), st.integers(0, 5))
def test_any_loss_on_the_line_is_made_good_by_the_end(steps: list[tuple[str, bool]], snapshot: int) -> None:
    async def follow() -> tuple[Ear, str]:
        pair = Pair()
        room, lost = pair.hub.rooms[ROOM], False
        pair.to_reader.is_lost = lambda message: lost
        for number, (text, is_lost) in enumerate(steps):
            if number == min(snapshot, len(steps) - 1):
                pair.reader._apply(room, as_row(pair.live, pair.live.text[:snapshot]))
            lost = is_lost
            pair.tell(text)
        pair.reader._apply(room, as_row(pair.live, pair.live.text, "complete"))
        pair.close()
        return pair.ear, pair.live.text

    ear, text = asyncio.run(follow())
    assert all(a.offset + len(a.text) == b.offset for a, b in pairwise(ear.deltas))
    assert ear.text == text or not steps
