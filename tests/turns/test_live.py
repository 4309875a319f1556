"""Rooms, live replies and how their text is told: pure, so every way of cutting a text can be tried."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatify.turns.live import Delta, Event, Hub, LiveReply, Room, ended_event

ROOM = UUID(int=1)
pieces_of_text = st.lists(st.text(min_size=1, max_size=12), max_size=30)


class Ear:
    """A follower that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def deliver(self, event: Event) -> None:
        self.heard.append(event)

    @property
    def deltas(self) -> list[Delta]:
        return [event for event in self.heard if isinstance(event, Delta)]

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas)

    def types(self) -> list[str]:
        return [event.wire()["type"] if isinstance(event, Delta) else event["type"] for event in self.heard]


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def ear(hub: Hub) -> Ear:
    ear = Ear()
    hub.join(ROOM, ear).know(0)
    return ear


def reply(seq: int = 1, owner: str = "", text: str = "") -> LiveReply:
    live = LiveReply(uuid4(), ROOM, seq, owner=owner)
    if text:
        live.append(text)
    return live


def message(live: LiveReply, content: str, status: str = "complete") -> dict[str, object]:
    error = {"code": "interrupted", "retryable": True} if status == "failed" else None
    found = {"id": str(live.message_id), "seq": live.seq, "role": "assistant", "content": content, "status": status}
    return {**found, "error": error}


# The text of a reply ------------------------------------------------------------------------------
def test_rest_reaches_across_pieces() -> None:
    live = reply()
    for piece in ("Hel", "lo ", "you"):
        live.append(piece)
    rests = [live.rest(offset) for offset in range(10)]
    assert [rest.text if rest else None for rest in rests] == ["Hello you"[n:] or None for n in range(10)]
    assert [rest.offset for rest in rests if rest] == list(range(9))


def test_nothing_is_the_rest_of_nothing() -> None:
    assert reply().rest(0) is None
    assert reply().untold() is None


def test_offsets_count_code_points() -> None:
    live = reply(text="👩‍👩‍👧 ü")
    assert live.length == len("👩‍👩‍👧 ü") == 7
    live.append("x")
    assert live.rest(7) == Delta(str(live.message_id), 7, "x")


def test_untold_text_is_told_exactly_once() -> None:
    live = reply(text="one ")
    live.append("two ")
    assert live.untold() == Delta(str(live.message_id), 0, "one two ")
    assert live.untold() is None
    live.append("three")
    assert live.untold() == Delta(str(live.message_id), 8, "three")


@settings(deadline=None)
@given(pieces_of_text, st.sets(st.integers(0, 30)))
def test_every_way_to_cut_and_tell_gives_the_whole_text(pieces: list[str], told_after: set[int]) -> None:
    hub, ear, live = Hub(), Ear(), reply()
    hub.join(ROOM, ear).know(0)
    room = hub.begin(live)
    for number, piece in enumerate(pieces):
        live.append(piece)
        if number in told_after:
            hub.tell(live, room)
    text = "".join(pieces)
    hub.end(live, message(live, text))
    assert ear.text == text == live.text
    assert all(a.offset + len(a.text) == b.offset for a, b in pairwise(ear.deltas))
    assert ear.types()[0] == "reply.started"
    assert ear.types()[-1] == "reply.completed"


@settings(deadline=None)
@given(pieces_of_text, st.integers(0, 400))
def test_rest_is_what_follows_the_offset(pieces: list[str], offset: int) -> None:
    live = reply()
    for piece in pieces:
        live.append(piece)
    rest = live.rest(offset)
    assert (rest.text if rest else "") == "".join(pieces)[offset:]


# The end of a reply -------------------------------------------------------------------------------
def test_end_adds_the_tail_that_got_lost(hub: Hub, ear: Ear) -> None:
    live = reply(owner="another process", text="All is ")
    hub.tell(live, hub.begin(live))
    hub.end(live, message(live, "All is well."))
    assert [(delta.offset, delta.text) for delta in ear.deltas] == [(0, "All is "), (7, "well.")]
    assert ear.types()[-1] == "reply.completed"


def test_end_of_a_lost_reply_is_left_to_the_database(hub: Hub, ear: Ear) -> None:
    live = reply(text="half")
    room = hub.begin(live)
    hub.end(live, None)
    assert ear.types() == ["reply.started"]
    assert (room.live, set(room.overtaken)) == (None, {live.message_id})


def test_end_is_told_once(hub: Hub, ear: Ear) -> None:
    live = reply(text="x")
    hub.begin(live)
    for _ in range(2):
        hub.end(live, message(live, "x"))
    assert ear.types().count("reply.completed") == 1


def test_end_of_an_overtaken_reply_is_told_and_leaves_the_running_one(hub: Hub, ear: Ear) -> None:
    old, new = reply(1), reply(2)
    hub.begin(old)
    room = hub.begin(new)
    hub.end(old, message(old, "late"))
    assert room.live is new
    assert "reply.completed" in ear.types()
    assert not room.overtaken


@pytest.mark.parametrize(
    ("status", "kind"), [("complete", "completed"), ("failed", "failed"), ("cancelled", "cancelled")]
)
def test_end_event_tells_how_it_ended(status: str, kind: str) -> None:
    event = ended_event(message(reply(), "x", status))
    assert event["type"] == f"reply.{kind}"
    assert event.get("code") == ("interrupted" if status == "failed" else None)


# Rooms --------------------------------------------------------------------------------------------
def test_room_advances_message_by_message() -> None:
    room = Room(ROOM)
    room.know(4)
    room.advance(5)
    room.advance(6)
    assert room.last_seq == 6


@pytest.mark.parametrize("seq", [3, 4, 6, 9])
def test_gap_stays_one_for_the_database_to_fill(seq: int) -> None:
    room = Room(ROOM)
    room.know(4)
    room.advance(seq)
    assert room.last_seq == 4


def test_room_that_was_not_read_yet_does_not_advance() -> None:
    room = Room(ROOM)
    room.advance(0)
    assert room.last_seq == -1


def test_reading_again_skips_nothing() -> None:
    room = Room(ROOM)
    room.know(2)
    room.know(7)
    assert room.last_seq == 2


def test_sender_does_not_hear_its_own_message(hub: Hub, ear: Ear) -> None:
    sender = Ear()
    hub.join(ROOM, sender)
    hub.message_created(ROOM, {"seq": 1, "content": "hi"}, exclude=sender)
    assert (sender.types(), ear.types()) == ([], ["message.created"])


def test_room_closes_with_the_last_follower(hub: Hub, ear: Ear) -> None:
    hub.leave(ROOM, ear)
    hub.leave(ROOM, ear)
    assert hub.rooms == {}


def test_room_stays_while_this_process_writes_in_it(hub: Hub, ear: Ear) -> None:
    live = reply(text="x")
    hub.begin(live)
    hub.leave(ROOM, ear)
    assert hub.rooms[ROOM].live is live
    hub.end(live, message(live, "x"))
    assert hub.rooms == {}


def test_nobody_follows_another_process_for_nobody(hub: Hub, ear: Ear) -> None:
    hub.begin(reply(owner="another process"))
    hub.leave(ROOM, ear)
    assert hub.rooms == {}
