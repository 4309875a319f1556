"""What happens right now, told to those of this process who follow it.

A room is a chat session that somebody follows or that is being answered. Everything here runs on the event
loop and never awaits, so what one call does nobody else sees half done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from uuid import UUID

STATUS_EVENTS = {"paused": "session.paused", "active": "session.resumed"}


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a running reply. `offset` counts the code points of the reply before it."""

    message_id: str
    offset: int
    text: str

    def wire(self) -> dict[str, Any]:
        """As clients get it."""
        return {"type": "reply.delta", "message_id": self.message_id, "offset": self.offset, "text": self.text}


Event = dict[str, Any] | Delta
"""A wire event as a dict with its `type`, or a delta (a type of its own, so that deltas can be merged)."""


class Follower(Protocol):
    """A socket, or a response that streams."""

    def deliver(self, event: Event) -> None:
        """Take an event. Neither blocks nor raises."""
        ...


@dataclass(slots=True, eq=False)
class LiveReply:
    """A reply that is being written: by this process, or by another one that tells us (`owner`)."""

    message_id: UUID
    chat_session_id: UUID
    seq: int
    owner: str = ""
    length: int = 0
    told: int = 0
    heard_at: float = 0.0
    _pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text so far."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    @property
    def is_remote(self) -> bool:
        """Whether another process writes it."""
        return bool(self.owner)

    def append(self, text: str) -> None:
        """Add a piece."""
        self._pieces.append(text)
        self.length += len(text)

    def rest(self, offset: int) -> Delta | None:
        """What comes from `offset` on, None if nothing does."""
        if offset >= self.length:
            return None
        last = self._pieces[-1]
        if self.length - len(last) == offset:  # the usual case, without joining what went before
            return Delta(str(self.message_id), offset, last)
        return Delta(str(self.message_id), offset, self.text[offset:])

    def untold(self) -> Delta | None:
        """What followers were not told yet; from now on they were."""
        delta = self.rest(self.told)
        self.told = self.length
        return delta


class Suggested(NamedTuple):
    """Who is suggested instead of who answers. `changes` counts: nobody is told an older one after a newer one."""

    changes: int = -1
    suggestion: dict[str, str] | None = None

    @classmethod
    def of(cls, before: Sequence[str], suggestion: dict[str, str] | None) -> Suggested:
        """Of all that were ever suggested in a chat session, and the one that is now."""
        return cls(2 * len(before) - (suggestion is not None), suggestion)


NOT_ASKED = Suggested()


class Floor(NamedTuple):
    """Who may answer. `epoch` counts the changes; -1 means that the database was not asked yet."""

    epoch: int = -1
    speaker: str = ""


FLOOR_NOT_ASKED = Floor()


@dataclass(slots=True)
class Present:
    """One of the two in a human room, as was told here, `told_at` by the event loop's clock."""

    participant_id: UUID
    name: str
    is_online: bool
    read_seq: int
    told_at: float = float("-inf")

    def wire(self, role: str) -> dict[str, Any]:
        """As clients get it."""
        return {"role": role, "name": self.name, "online": self.is_online, "read_seq": self.read_seq}


@dataclass(slots=True, eq=False)
class Room:
    """A chat session as this process knows it.

    All messages up to `last_seq` were told here; -1 means that the database was not asked yet.
    """

    chat_session_id: UUID
    last_seq: int = -1
    is_over: bool = False
    status: str = ""  # as it was told here; "" means that the database was not asked yet
    version_id: UUID | None = None  # who answers, as was told here; None means the same
    suggested: Suggested = NOT_ASKED
    floor: Floor = FLOOR_NOT_ASKED
    people: dict[str, Present] = field(default_factory=dict)  # of human rooms that sockets follow, by role
    followers: set[Follower] = field(default_factory=set)
    live: LiveReply | None = None
    # Replies whose end is not told yet though the next one runs: it came from another process, and faster.
    overtaken: dict[UUID, LiveReply] = field(default_factory=dict)

    def know(
        self,
        last_seq: int,
        status: str = "",
        version_id: UUID | None = None,
        suggested: Suggested = NOT_ASKED,
        floor: Floor = FLOOR_NOT_ASKED,
    ) -> None:
        """Somebody who joined read it from the database. What came between their read and ours is told again."""
        self.last_seq = last_seq if self.last_seq < 0 else min(self.last_seq, last_seq)
        self.status = self.status or status
        if self.version_id is None:
            self.version_id, self.suggested = version_id, suggested
        if self.floor.epoch < 0:
            self.floor = floor

    def come_to(self, status: str, reason: str) -> None:
        """It was paused or resumed: that is told if it is news. Its end has an order of its own (see Relay)."""
        if self.status and status != self.status and status in STATUS_EVENTS and not self.is_over:
            self.publish({"type": STATUS_EVENTS[status], "reason": reason})
        self.status = status

    def suggest(self, now: Suggested) -> None:
        """Another personality is suggested, or none any more: that is told if it is news."""
        if self.version_id is None or now.changes <= self.suggested.changes:
            return
        before, self.suggested = self.suggested, now
        if now.suggestion is not None:
            self.publish({"type": "personality.suggested", **now.suggestion})
        elif before.suggestion is not None:
            self.publish({"type": "personality.declined"})

    def switch_to(self, version_id: UUID | None, now: Suggested, session: dict[str, Any]) -> None:
        """Another personality answers from now on: that is told if it is news. (`session`: see `addressed`.)"""
        if self.version_id not in (None, version_id):
            self.publish({"type": "personality.switched", "session": session})
            self.suggested = now
        self.version_id = version_id

    def give_floor(self, now: Floor) -> None:
        """Somebody else may answer from now on: that is told if it is news."""
        if now.epoch <= self.floor.epoch:
            return
        is_news = self.floor.epoch >= 0 and now.speaker != self.floor.speaker and not self.is_over
        self.floor = now
        if is_news:
            self.publish({"type": "speaker.changed", "speaker": now.speaker})

    def come_or_go(self, role: str, is_online: bool, now: float, exclude: Follower | None = None) -> None:
        """One of the two in a human room is there, or is not any more: that is told if it is news."""
        present = self.people.get(role)
        if present is not None:
            is_news = present.is_online != is_online
            present.is_online, present.told_at = is_online, now
            if not is_news:
                return
        self.publish({"type": "presence", "role": role, "online": is_online}, exclude)

    def mark_read(self, role: str, seq: int, exclude: Follower | None = None) -> bool:
        """One of the two has read up to a message: that is told if it is news. Whether it was."""
        present = self.people.get(role)
        if present is None or seq <= present.read_seq:
            return False
        present.read_seq = seq
        self.publish({"type": "message.read", "role": role, "seq": seq}, exclude)
        return True

    def close(self) -> bool:
        """The chat session is over. Whether that is news."""
        is_news, self.is_over = not self.is_over, True
        return is_news

    def advance(self, seq: int) -> None:
        """Message `seq` was told. A gap before it stays one, for the database to fill."""
        if seq == self.last_seq + 1 and self.last_seq >= 0:
            self.last_seq = seq

    def publish(self, event: Event, exclude: Follower | None = None) -> None:
        """Tell all followers but one."""
        for follower in self.followers:
            if follower is not exclude:
                follower.deliver(event)


class Hub:
    """The rooms of this process."""

    def __init__(self) -> None:
        self.rooms: dict[UUID, Room] = {}

    def room(self, chat_session_id: UUID) -> Room:
        """The room of a chat session, opened if need be."""
        return self.rooms.setdefault(chat_session_id, Room(chat_session_id))

    def join(self, chat_session_id: UUID, follower: Follower) -> Room:
        """Follow a chat session. Join first and read the database then: so nothing falls in between."""
        room = self.room(chat_session_id)
        room.followers.add(follower)
        return room

    def leave(self, chat_session_id: UUID, follower: Follower) -> None:
        """Follow it no more."""
        room = self.rooms.get(chat_session_id)
        if room is not None:
            room.followers.discard(follower)
            if room.live is not None and room.live.is_remote and not room.followers:
                room.live = None
            self._close_if_empty(room)

    def begin(self, reply: LiveReply) -> Room:
        """A reply starts: its followers are told."""
        room = self.room(reply.chat_session_id)
        if room.live is not None and room.live.message_id != reply.message_id:
            room.overtaken[room.live.message_id] = room.live
        room.live = reply
        room.advance(reply.seq)
        room.publish({"type": "reply.started", "message_id": str(reply.message_id), "seq": reply.seq})
        return room

    def tell(self, reply: LiveReply, room: Room) -> None:
        """Tell the room what it was not told of a reply yet."""
        if delta := reply.untold():
            room.publish(delta)

    def end(self, reply: LiveReply, message: dict[str, Any] | None) -> None:
        """A reply has ended, as the message object says. None: it is not ours any more, and the database will tell."""
        room = self.rooms.get(reply.chat_session_id)
        if room is None or (room.live is not reply and room.overtaken.pop(reply.message_id, None) is not reply):
            return
        if room.live is reply:
            room.live = None
        if message is not None:
            # Of another process's reply the last words may have got lost on the way.
            reply.append(message["content"][reply.length :])
            self.tell(reply, room)
            room.publish(ended_event(message))
        elif room.followers:
            room.overtaken[reply.message_id] = reply  # its end will be found in the database
        self._close_if_empty(room)

    def give_up(self, chat_session_id: UUID) -> None:
        """The chat session was erased: no end will be found of what others write in it, or what we lost."""
        room = self.rooms.get(chat_session_id)
        if room is not None:
            room.overtaken.clear()
            if room.live is not None and room.live.is_remote:
                room.live = None
            self._close_if_empty(room)

    def message_created(self, chat_session_id: UUID, message: dict[str, Any], exclude: Follower | None = None) -> None:
        """A message has come: tell those who follow, but not the one who sent it."""
        room = self.rooms.get(chat_session_id)
        if room is not None:
            room.advance(message["seq"])
            room.publish({"type": "message.created", "message": message}, exclude)

    def _close_if_empty(self, room: Room) -> None:
        if not room.followers and room.live is None:
            self.rooms.pop(room.chat_session_id, None)


def addressed(event: Event, ws_base: str) -> Event:
    """The event for one of those who follow: a chat session's socket is where they have found this server."""
    if not isinstance(event, dict) or event["type"] != "personality.switched":
        return event
    session = event["session"]
    return {**event, "session": {**session, "ws_url": ws_base + session["ws_url"]}}


def ended_event(message: dict[str, Any]) -> dict[str, Any]:
    """The event that a reply's end is, from its message object: reply.completed, .failed or .cancelled."""
    status = message["status"]
    kind = "completed" if status == "complete" else status
    event = {"type": f"reply.{kind}", "message_id": message["id"], "message": message}
    if status == "failed":
        event["code"], event["retryable"] = message["error"]["code"], message["error"]["retryable"]
    return event
