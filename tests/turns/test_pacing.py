"""How often followers are told: at once when little is going on, in larger pieces when much is, nothing ever lost."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from chatify.turns.live import Hub
from chatify.turns.pacing import FEW_REPLIES, LONGEST_PAUSE, Pacer
from tests.turns.test_live import ROOM, Ear, message, reply


def busy(running: int) -> tuple[Hub, Ear, Pacer]:
    hub, ear = Hub(), Ear()
    hub.join(ROOM, ear).know(0)
    pacer = Pacer(hub)
    pacer.running = running
    return hub, ear, pacer


def test_few_replies_are_told_token_by_token() -> None:
    hub, ear, pacer = busy(FEW_REPLIES - 1)
    live = reply()
    room = hub.begin(live)
    for token in ("a", "b", "c"):
        pacer.add(live, room, token)
    assert [delta.text for delta in ear.deltas] == ["a", "b", "c"]


async def test_many_replies_are_told_the_first_words_at_once_and_the_rest_together() -> None:
    hub, ear, pacer = busy(500)
    live = reply()
    room = hub.begin(live)
    for token in ("a", "b", "c"):
        pacer.add(live, room, token)
    assert [delta.text for delta in ear.deltas] == ["a"]
    await asyncio.sleep(LONGEST_PAUSE * 2)
    assert [delta.text for delta in ear.deltas] == ["a", "bc"]


async def test_timer_that_comes_after_the_end_tells_nothing_twice() -> None:
    hub, ear, pacer = busy(500)
    live = reply()
    room = hub.begin(live)
    for token in ("a", "b"):
        pacer.add(live, room, token)
    hub.end(live, message(live, "ab"))
    await asyncio.sleep(LONGEST_PAUSE * 2)
    assert ear.types() == ["reply.started", "reply.delta", "reply.delta", "reply.completed"]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=5), st.booleans(), st.integers(0, 30)), max_size=20))
def test_any_load_and_any_pauses_give_the_whole_text(steps: list[tuple[str, bool, int]]) -> None:
    hub, ear, pacer = busy(0)
    live = reply()

    async def write() -> None:
        room = hub.begin(live)
        for text, is_pause, running in steps:
            pacer.running = running
            pacer.add(live, room, text)
            if is_pause:
                pacer._tell_all()
        hub.end(live, message(live, "".join(text for text, _, _ in steps)))

    asyncio.run(write())
    assert ear.text == "".join(text for text, _, _ in steps)
    assert all(a.offset + len(a.text) == b.offset for a, b in pairwise(ear.deltas))
