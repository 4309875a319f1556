"""What REST and SSE make of the events of a chat session, also of those that did not all come."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from chatify.turns.answering import events_of_reply
from chatify.turns.live import Delta, Event

REPLY = str(uuid4())


class Heard:
    """A listener that was told these events."""

    def __init__(self, *events: Event) -> None:
        self._events: Iterator[Event] = iter(events)

    async def next(self) -> Event:
        return next(self._events)


def started(seq: int = 4, id_: str = REPLY) -> Event:
    return {"type": "reply.started", "message_id": id_, "seq": seq}


def completed(content: str, seq: int = 4, id_: str = REPLY) -> Event:
    message: dict[str, Any] = {"id": id_, "seq": seq, "role": "assistant", "status": "complete", "content": content}
    return {"type": "reply.completed", "message_id": id_, "message": message}


async def told(*events: Event, after_seq: int = 3) -> list[Event]:
    return [event async for event in events_of_reply(Heard(*events), after_seq=after_seq)]  # type: ignore[arg-type]


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


async def test_reply_whose_start_was_not_heard_is_told_whole() -> None:
    events = await told(Delta(REPLY, 0, "Hel"), completed("Hello"))
    assert events == [Delta(REPLY, 0, "Hello"), completed("Hello")]


async def test_reply_to_an_earlier_message_is_not_mine() -> None:
    other = str(uuid4())
    events = await told(started(2, other), Delta(other, 0, "No"), completed("No", 2, other), started(), completed(""))
    assert events == [started(), completed("")]


async def test_lost_piece_is_made_up_for_at_the_end() -> None:
    events = await told(started(), Delta(REPLY, 0, "He"), Delta(REPLY, 4, "o"), completed("Hello"))
    assert text_of(events) == "Hello"


async def test_piece_that_came_twice_is_told_once() -> None:
    events = await told(started(), Delta(REPLY, 0, "Hel"), Delta(REPLY, 0, "Hello"), completed("Hello"))
    assert text_of(events) == "Hello"


async def test_end_of_the_chat_session_ends_the_wait() -> None:
    assert await told({"type": "session.ended", "reason": "deleted"}) == []
