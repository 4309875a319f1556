"""The events of one reply, for transports that ask once and wait: REST and SSE."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

from chatify.accounts.principal import Principal
from chatify.common.threads import in_db_thread
from chatify.turns import meters, progress
from chatify.turns.following import reply_from
from chatify.turns.live import Delta, Event, addressed, ended_event
from chatify.turns.runtime import Runtime

MAX_WAITING = 5_000

CUT_OFF = "listener.cut_off"
_LIFE = frozenset(
    {
        "session.paused",
        "session.resumed",
        "personality.suggested",
        "personality.switched",
        "personality.declined",
        "speaker.changed",
    }
)
_ENDS = frozenset({"reply.completed", "reply.failed", "reply.cancelled"})


class Listener:
    """A follower whose events are read one by one. Whoever reads too slowly is cut off, and may resume."""

    def __init__(self, runtime: Runtime, principal: Principal, chat_session_id: UUID, ws_base: str = "") -> None:
        self.principal = principal
        self._ws_base = ws_base
        self._runtime = runtime
        self._chat_session_id = chat_session_id
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        runtime.guests.add(self)
        meters.followers.inc()

    def deliver(self, event: Event) -> None:
        """See Follower."""
        if self._events.qsize() < MAX_WAITING:
            self._events.put_nowait(addressed(event, self._ws_base))
        else:
            self._events = asyncio.Queue()
            self.cut_off()

    def cut_off(self) -> None:
        """Deliver no more than what is waiting already."""
        self._events.put_nowait({"type": CUT_OFF})
        self.close()

    async def next(self) -> Event:
        """The next event, when it comes."""
        return await self._events.get()

    def close(self) -> None:
        """Follow no more. Once is enough; any thread may say it."""
        if self._is_open:
            self._is_open = False
            meters.followers.dec()
            self._loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self._runtime.guests.discard(self)
        self._runtime.hub.leave(self._chat_session_id, self)


async def events_of_reply(
    listener: Listener, *, after_seq: int, message_id: UUID | None = None, length: int = 0
) -> AsyncGenerator[Event, None]:
    """The events of the first reply after message `after_seq`, or of `message_id`, up to and with its end.

    `length` code points of it are known already. Ends without an end event when the chat session is over, or the
    personality loses the floor, before there is such a reply.
    """
    mine = str(message_id) if message_id is not None else None
    while True:
        event = await listener.next()
        if isinstance(event, Delta):
            new = event.text[max(0, length - event.offset) :]
            if event.message_id == mine and new and event.offset <= length:
                yield Delta(event.message_id, length, new)
                length += len(new)
        elif event["type"] == "reply.started" and mine is None and event["seq"] > after_seq:
            mine = event["message_id"]
            yield event
        elif event["type"] in _ENDS and _is_mine(event["message"], after_seq, mine):
            if rest := event["message"]["content"][length:]:  # its beginning was not heard, or a piece got lost
                yield Delta(event["message_id"], length, rest)
            yield event
            return
        elif event["type"] == "message.created" and _is_mine(event["message"], after_seq, mine):
            yield ended_event(event["message"])  # it began and ended while no word of it came
            return
        elif event["type"] in _LIFE:
            yield event
            if mine is None and event.get("speaker", "ai") != "ai":
                return  # whoever has the floor now does not answer by a reply
        elif event["type"] in (CUT_OFF, "session.ended"):
            return


def _is_mine(message: dict[str, object], after_seq: int, mine: str | None) -> bool:
    if message["role"] != "assistant":
        return False
    return message["id"] == mine if mine is not None else int(str(message["seq"])) > after_seq


async def answer_again(
    runtime: Runtime, listener: Listener, chat_session_id: UUID, seq: int
) -> AsyncGenerator[Event, None]:
    """As `events_of_reply`, for a message that was accepted before: its reply may run, or have ended, already."""
    row = await in_db_thread(progress.read_reply_after, chat_session_id, seq)
    if row is None:
        async for event in events_of_reply(listener, after_seq=seq):
            yield event
        return
    yield {"type": "reply.started", "message_id": str(row.message_id), "seq": row.seq}
    length = 0
    for event in await reply_from(runtime, chat_session_id, row.message_id, 0):
        yield event
        if not isinstance(event, Delta):
            return
        length = event.offset + len(event.text)
    async for event in events_of_reply(listener, after_seq=seq, message_id=row.message_id, length=length):
        yield event
