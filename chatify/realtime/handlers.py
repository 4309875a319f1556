"""What each frame of a client does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import UUID

from chatify.accounts.principal import Principal
from chatify.common.errors import Conflict, InvalidInput
from chatify.common.threads import in_db_thread
from chatify.limits.budgets import Budget, budgets
from chatify.realtime.entry import spend_request
from chatify.realtime.frames import ClientFrame, Ping
from chatify.realtime.outgoing import MAX_WAITING, Outgoing
from chatify.realtime.protocol import (
    FeedbackFrame,
    MessageRead,
    MessageSend,
    PersonalityDecline,
    PersonalitySwitch,
    ReplyRetry,
    ReplyStop,
    Sync,
    TypingStart,
    TypingStop,
)
from chatify.turns.following import missed
from chatify.turns.live import Follower
from chatify.turns.progress import progress_of
from chatify.turns.runtime import Runtime
from sessions.access import get_chat_session, get_message
from sessions.actions import give_feedback
from sessions.personalities import decline_suggestion, switch_personality

TYPING = Budget("typing", 120, 60, "typing frames of one person")
"""Each goes to all who follow, in every process."""


class Socket(Follower, Protocol):
    """What the handlers need of the consumer. `end_user_id` is who speaks here, by messages of `role`."""

    runtime: Runtime
    principal: Principal
    chat_session_id: UUID
    end_user_id: UUID
    role: str
    is_room: bool
    outgoing: Outgoing

    def pong(self, event_id: str | None) -> None:
        """Answer a ping."""
        ...


async def handle(socket: Socket, frame: ClientFrame) -> None:
    """Do what the frame asks for. Raises ChatifyError."""
    await _HANDLERS[type(frame)](socket, frame)


async def _send(socket: Socket, frame: MessageSend) -> None:
    accepted = await socket.runtime.accept(
        principal=socket.principal,
        chat_session_id=socket.chat_session_id,
        end_user_id=socket.end_user_id,
        content=frame.content,
        client_message_id=frame.client_message_id,
        model=frame.model,
        sender=socket,
        is_room=socket.is_room,
    )
    if accepted.is_duplicate:  # it costs no message, so it has to cost something else
        await in_db_thread(spend_request, socket.principal)


async def _stop(socket: Socket, frame: ReplyStop) -> None:
    await in_db_thread(spend_request, socket.principal)
    await socket.runtime.stop_running(principal=socket.principal, chat_session_id=socket.chat_session_id)


async def _retry(socket: Socket, frame: ReplyRetry) -> None:
    await socket.runtime.retry(
        principal=socket.principal,
        chat_session_id=socket.chat_session_id,
        end_user_id=socket.end_user_id,
        message_id=frame.message_id,
    )


async def _sync(socket: Socket, frame: Sync) -> None:
    await in_db_thread(spend_request, socket.principal)
    events = missed(
        socket.runtime,
        socket.chat_session_id,
        after_seq=frame.after_seq,
        message_id=frame.message_id,
        offset=frame.offset,
    )
    async for event in events:
        socket.deliver(event)
        await socket.outgoing.drain(down_to=MAX_WAITING // 2)


async def _typing(socket: Socket, frame: TypingStart | TypingStop) -> None:
    await in_db_thread(budgets().spend, TYPING, socket.end_user_id)
    event = {"type": frame.type} | ({"role": socket.role} if socket.is_room else {})
    room = socket.runtime.hub.rooms.get(socket.chat_session_id)
    if room is not None:
        room.publish(event, exclude=socket)
    socket.runtime.doorbell.signal(socket.chat_session_id, event)


async def _read(socket: Socket, frame: MessageRead) -> None:
    if not socket.is_room:
        raise Conflict("Only people read, and here a personality answers.", code="not_a_room")
    room = socket.runtime.hub.rooms.get(socket.chat_session_id)
    if room is None or frame.seq > room.last_seq:  # not told here yet, or a number of its own making
        progress = await in_db_thread(progress_of, [socket.chat_session_id])
        if frame.seq > progress[socket.chat_session_id].last_seq:
            raise InvalidInput.at("seq", "unknown_seq", "There is no message of this number yet.")
    socket.runtime.presence.read(socket.chat_session_id, socket.role, frame.seq, socket)


async def _feedback(socket: Socket, frame: FeedbackFrame) -> None:
    await in_db_thread(_rate, socket.principal, socket.chat_session_id, frame)
    message_id = str(frame.message_id) if frame.message_id else None
    socket.deliver({"type": "feedback.accepted", "message_id": message_id, "rating": frame.rating})


def _rate(principal: Principal, chat_session_id: UUID, frame: FeedbackFrame) -> None:
    spend_request(principal)
    chat_session = get_chat_session(principal, chat_session_id)
    message = get_message(chat_session, frame.message_id) if frame.message_id else None
    give_feedback(chat_session=chat_session, rating=frame.rating, message=message, comment=None)


async def _switch(socket: Socket, frame: PersonalitySwitch) -> None:
    def switch() -> None:
        spend_request(socket.principal)
        chat_session = get_chat_session(socket.principal, socket.chat_session_id)
        switch_personality(principal=socket.principal, chat_session_id=chat_session.id, slug=frame.template)

    await in_db_thread(switch)


async def _decline(socket: Socket, frame: PersonalityDecline) -> None:
    def decline() -> None:
        spend_request(socket.principal)
        decline_suggestion(chat_session_id=get_chat_session(socket.principal, socket.chat_session_id).id)

    await in_db_thread(decline)


async def _ping(socket: Socket, frame: Ping) -> None:
    socket.pong(frame.event_id)


_HANDLERS: dict[type[ClientFrame], Callable[[Any, Any], Awaitable[None]]] = {
    MessageSend: _send,
    ReplyStop: _stop,
    ReplyRetry: _retry,
    Sync: _sync,
    TypingStart: _typing,
    TypingStop: _typing,
    MessageRead: _read,
    FeedbackFrame: _feedback,
    PersonalitySwitch: _switch,
    PersonalityDecline: _decline,
    Ping: _ping,
}
