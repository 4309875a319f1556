"""Following chat sessions across processes.

The database says what is, the doorbell only when to look. The text of a running reply, which is not in the
database yet, comes from the process that writes it: a snapshot first, then deltas, coalesced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from chatify.common.threads import in_db_thread
from chatify.turns.doorbell import Doorbell
from chatify.turns.live import Hub, LiveReply, Room, Suggested
from chatify.turns.presence import Presence
from chatify.turns.progress import Row, ending_of, news_since, progress_of, read_chat_sessions
from chatify.turns.replies import Replies, Spawn
from sessions.models import Message
from sessions.objects import chat_session_object
from templates_app.catalogue import catalogue

SILENCE_SECONDS = 2.0
FLUSH_SECONDS = 0.05
_LAST_WORDS_TRIES = 140

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Listener:
    """Another process that follows a reply of ours, and how much of it that one was sent."""

    process: str
    sent: int = 0


class Relay:
    """Keeps the rooms of this process in step with what other processes do, and tells those of ours."""

    def __init__(self, hub: Hub, doorbell: Doorbell, replies: Replies, presence: Presence, spawn: Spawn) -> None:
        self._hub = hub
        self._doorbell = doorbell
        self._presence = presence
        self._replies = replies
        self._spawn = spawn
        self._listeners: dict[UUID, list[_Listener]] = {}
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "news": self._news,
            "follow": self._follow_ours,
            "stop": self._stop_ours,
            "delta": self._hear,
            "templates": lambda message: catalogue.forget(),
        }

    def on(self, kind: str, handler: Callable[[dict[str, Any]], None]) -> None:
        """From now on `handler` gets the messages of this type that other processes send."""
        self._handlers[kind] = handler

    def handle(self, message: dict[str, Any]) -> None:
        """A message from another process."""
        handler = self._handlers.get(message["type"])
        if handler is not None:
            handler(message)

    # What others write, followed here ---------------------------------------------------------------

    def _news(self, message: dict[str, Any]) -> None:
        for id_, event in message["signals"]:
            if (room := self._hub.rooms.get(UUID(id_))) is not None:
                self._presence.hear(room, event)
        moved = [id_ for text in message["sessions"] if (id_ := UUID(text)) in self._hub.rooms]
        if moved:
            self._spawn(self.catch_up(moved))

    async def watch(self) -> None:
        """Look for what no doorbell told: chat sessions that moved on, replies that fell silent."""
        known = {id_: room for id_, room in self._hub.rooms.items() if room.followers and room.last_seq >= 0}
        if not known:
            return
        found = await in_db_thread(progress_of, list(known))
        now = asyncio.get_running_loop().time()
        moved = []
        for id_, room in known.items():
            progress, live = found[id_], room.live
            is_silent = live is not None and live.is_remote and now - live.heard_at > SILENCE_SECONDS
            has_ended = live is not None and live.is_remote and progress.running_reply_id != live.message_id
            if (
                room.overtaken
                or progress.last_seq > room.last_seq
                or progress.is_over != room.is_over
                or progress.status != room.status
                or progress.version_id not in (None, room.version_id)
                or progress.suggested.changes > room.suggested.changes
                or progress.floor.epoch > room.floor.epoch
                or is_silent
                or has_ended
            ):
                moved.append(id_)
        await self.catch_up(moved)

    async def catch_up(self, chat_session_ids: Collection[UUID]) -> None:
        """Tell the followers here what the database has beyond what they were told, and end what is over."""
        rooms = [room for id_ in chat_session_ids if (room := self._hub.rooms.get(id_)) is not None]
        if not rooms:
            return
        followed = {room.live.message_id for room in rooms if room.live is not None and room.live.is_remote}
        followed.update(id_ for room in rooms for id_ in room.overtaken)
        known = {room.chat_session_id: room.last_seq for room in rooms if room.last_seq >= 0}
        if known or followed:
            for row in await in_db_thread(news_since, known, followed):
                if (found := self._hub.rooms.get(row.chat_session_id)) is not None:
                    self._apply(found, row)
        progress = await in_db_thread(progress_of, [room.chat_session_id for room in rooms])
        for id_, one in progress.items():
            if (room := self._hub.rooms.get(id_)) is not None:
                if room.live is not None:
                    self._replies.stop_before(room.live.message_id, one.floor.epoch)
                room.come_to(one.status, one.reason)
                if not one.is_over:
                    room.give_floor(one.floor)
                if one.version_id == room.version_id:
                    room.suggest(one.suggested)
            if one.is_gone:
                self._hub.give_up(id_)
            if one.is_over:
                self._spawn(self._end(id_))
        now = {id_: one.version_id for id_, one in progress.items()}
        await self._switch([room for room in rooms if now[room.chat_session_id] not in (None, room.version_id)])

    async def _switch(self, rooms: Collection[Room]) -> None:
        """Another personality answers in these: read once more, as who was told last may know it already."""
        ids = [room.chat_session_id for room in rooms if room.version_id is not None]
        for chat_session in await in_db_thread(read_chat_sessions, ids) if ids else ():
            room = self._hub.rooms.get(chat_session.id)
            if room is not None:
                told = chat_session_object(chat_session, ws_base="")
                suggested = Suggested.of(chat_session.suggested_before, told["suggestion"])
                room.switch_to(chat_session.version_id, suggested, told)

    def _apply(self, room: Room, row: Row) -> None:
        live = room.live
        if live is not None and live.message_id == row.message_id:
            if live.is_remote:
                self._apply_to_live(live, row)
        elif row.message_id in room.overtaken:
            if row.status != Message.Status.STREAMING:
                self._hub.end(room.overtaken[row.message_id], row.wire)
        elif row.seq > room.last_seq:
            if row.status == Message.Status.STREAMING:
                self._follow(LiveReply(row.message_id, row.chat_session_id, row.seq, owner=row.lease_owner), row)
            else:
                self._hub.message_created(row.chat_session_id, row.wire)
        room.advance(row.seq)

    def _apply_to_live(self, live: LiveReply, row: Row) -> None:
        if row.status != Message.Status.STREAMING:
            self._hub.end(live, row.wire)
            return
        self._extend(live, 0, row.wire["content"])
        if asyncio.get_running_loop().time() - live.heard_at > SILENCE_SECONDS:
            self._ask(live, row.lease_owner)

    def _follow(self, live: LiveReply, row: Row) -> None:
        if row.lease_owner == self._doorbell.name:
            return  # ours: it is about to be told, or just was
        self._begin(live, row)

    def _begin(self, live: LiveReply, row: Row) -> None:
        self._hub.begin(live)
        self._extend(live, 0, row.wire["content"])
        self._ask(live, row.lease_owner)

    def follow_running(self, room: Room, row: Row) -> None:
        """Somebody joined a room in which another process writes a reply: follow that."""
        if room.live is None or room.live.message_id != row.message_id:
            # Told to all in the room: who came before may wait for just this reply.
            self._begin(LiveReply(row.message_id, row.chat_session_id, row.seq, owner=row.lease_owner or "?"), row)
        if row.lease_owner == self._doorbell.name and self._replies.find(row.message_id) is None:
            self._spawn(self.catch_up([row.chat_session_id]))  # ours, and ended since it was read

    def _ask(self, live: LiveReply, owner: str) -> None:
        live.owner, live.heard_at = owner or "?", asyncio.get_running_loop().time()
        self._doorbell.send(owner, {"type": "follow", "message_id": str(live.message_id), "offset": live.length})

    def _hear(self, message: dict[str, Any]) -> None:
        room = self._hub.rooms.get(UUID(message["chat_session_id"]))
        live = room.live if room is not None else None
        if live is None or not live.is_remote or str(live.message_id) != message["message_id"]:
            return
        if message["offset"] > live.length:
            self._ask(live, live.owner)  # a piece got lost on the way
            return
        live.heard_at = asyncio.get_running_loop().time()
        self._extend(live, message["offset"], message["text"])

    def _extend(self, live: LiveReply, offset: int, text: str) -> None:
        new = text[live.length - offset :]
        room = self._hub.rooms.get(live.chat_session_id)
        if new and room is not None:
            live.append(new)
            self._hub.tell(live, room)

    async def _end(self, chat_session_id: UUID) -> None:
        self._replies.stop_all("cancelled", chat_session_id)
        room = self._hub.rooms.get(chat_session_id)
        if room is None or room.is_over:
            return
        reason = await in_db_thread(ending_of, chat_session_id)
        if not room.close():
            return
        for _ in range(_LAST_WORDS_TRIES):
            if room.live is None:
                break
            await asyncio.sleep(FLUSH_SECONDS)  # the end of the reply is told before the end of everything
        room.publish({"type": "session.ended", "reason": reason})

    # What we write, followed elsewhere --------------------------------------------------------------

    def _follow_ours(self, message: dict[str, Any]) -> None:
        live = self._replies.find(UUID(message["message_id"]))
        if live is None:
            return  # it has ended: the database knows more than we do
        if not self._listeners:
            self._spawn(self._speak())
        listeners = self._listeners.setdefault(live.message_id, [])
        mine = next((one for one in listeners if one.process == message["from"]), None)
        if mine is None:
            mine = _Listener(message["from"])
            listeners.append(mine)
        mine.sent = min(int(message["offset"]), live.length)
        self._send(live, mine, must=True)

    def _stop_ours(self, message: dict[str, Any]) -> None:
        self._replies.stop(UUID(message["message_id"]), "cancelled")

    async def _speak(self) -> None:
        """Send what is new to the processes that follow our replies, as long as there are any."""
        while self._listeners:
            await asyncio.sleep(FLUSH_SECONDS)
            for message_id, listeners in list(self._listeners.items()):
                live = self._replies.find(message_id)
                if live is None:
                    del self._listeners[message_id]
                    continue
                for listener in listeners:
                    self._send(live, listener)

    def _send(self, live: LiveReply, listener: _Listener, *, must: bool = False) -> None:
        delta = live.rest(listener.sent)
        if delta is None and not must:
            return
        message = {
            "type": "delta",
            "chat_session_id": str(live.chat_session_id),
            "message_id": str(live.message_id),
            "offset": listener.sent,
            "text": delta.text if delta is not None else "",
        }
        listener.sent = live.length
        self._doorbell.send(listener.process, message)
