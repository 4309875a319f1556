"""To follow a chat session: where it stands, what runs, and what was missed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from chatify.accounts.principal import Principal
from chatify.common.threads import in_db_thread
from chatify.turns import progress
from chatify.turns.live import Event, Floor, Follower, LiveReply, Room, Suggested, ended_event
from chatify.turns.progress import Row
from chatify.turns.runtime import Runtime
from sessions.access import get_chat_session
from sessions.models import ChatSession, Message
from sessions.objects import suggestion_object


async def follow(
    runtime: Runtime, principal: Principal, chat_session_id: UUID, follower: Follower
) -> tuple[ChatSession, LiveReply | None]:
    """From now on `follower` gets all events of the chat session. Gives it as it is, and the running reply.

    The follower joins before the database is read, so it may get events that it knows already, and misses
    none. Raises NotFound; the follower has left then.
    """
    room = runtime.hub.join(chat_session_id, follower)
    try:
        chat_session, row = await in_db_thread(_read, principal, chat_session_id)
    except BaseException:
        runtime.hub.leave(chat_session_id, follower)
        raise
    suggested = Suggested.of(chat_session.suggested_before, suggestion_object(chat_session))
    floor = Floor(chat_session.speaker_epoch, chat_session.speaker)
    room.know(chat_session.last_seq, chat_session.status, chat_session.version_id, suggested, floor)
    if row is not None:
        _follow_running(runtime, room, row)
    return chat_session, room.live


def _follow_running(runtime: Runtime, room: Room, row: Row) -> None:
    if room.live is None and row.status == Message.Status.STREAMING:
        runtime.relay.follow_running(room, row)


def _read(principal: Principal, chat_session_id: UUID) -> tuple[ChatSession, Row | None]:
    chat_session = get_chat_session(principal, chat_session_id)
    running = chat_session.running_reply_id
    return chat_session, progress.read_message(chat_session_id, running) if running else None


async def missed(
    runtime: Runtime, chat_session_id: UUID, *, after_seq: int, message_id: UUID | None = None, offset: int = 0
) -> AsyncIterator[Event]:
    """The finished messages after `after_seq`; then what `message_id`'s reply has from `offset` on, and its end."""
    while True:
        rows = await in_db_thread(progress.read_messages, chat_session_id, after_seq=after_seq)
        for row in rows:
            if row.status != Message.Status.STREAMING:
                yield {"type": "message.created", "message": row.wire}
        if len(rows) < progress.PAGE:
            break
        after_seq = rows[-1].seq
    if message_id is not None:
        for event in await reply_from(runtime, chat_session_id, message_id, offset):
            yield event


async def reply_from(runtime: Runtime, chat_session_id: UUID, message_id: UUID, offset: int) -> list[Event]:
    """A reply's text from `offset` on; with its end, if it has ended. Empty if there is no such reply."""
    row = await in_db_thread(progress.read_message, chat_session_id, message_id)
    room = runtime.hub.rooms.get(chat_session_id)
    live = room.live if room is not None else None
    if live is not None and live.message_id == message_id:  # what follows comes by itself, without a gap
        rest = live.rest(offset)
        return [rest] if rest is not None else []
    if row is None or row.role != Message.Role.ASSISTANT:
        return []
    ended = LiveReply(row.message_id, chat_session_id, row.seq)
    ended.append(row.wire["content"])
    rest = ended.rest(offset)
    events: list[Event] = [rest] if rest is not None else []
    return events + ([ended_event(row.wire)] if row.status != Message.Status.STREAMING else [])
