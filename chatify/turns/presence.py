"""Who of a human room is there, and how far they have read: told at once, written a little later, many together.

Each process knows its own sockets. What it hears of others is what they tell over the doorbell and, where nobody says
anything (any more), what they have written: whoever's process died is found gone after half a minute.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError

from chatify.common.threads import in_db_thread
from chatify.turns.doorbell import Doorbell
from chatify.turns.live import Follower, Hub, Present, Room
from sessions.participants import Person, people_in, write_marks

REFRESH_SECONDS = 10.0
WRITE_SECONDS = 0.5
SETTLE_SECONDS = 5.0
"""So long what was heard of somebody counts more than what is written of them."""

MOST_TRIES = 5

log = structlog.get_logger(__name__)


class Presence:
    """Of the human rooms that are followed here."""

    def __init__(self, hub: Hub, doorbell: Doorbell) -> None:
        self._hub = hub
        self._doorbell = doorbell
        self._sockets: Counter[UUID] = Counter()  # by participant
        self._moved: set[UUID] = set()
        self._read: dict[UUID, int] = {}
        self._missed: Counter[UUID] = Counter()
        self._wake = asyncio.Event()
        self._refreshed_at = 0.0

    # Here -------------------------------------------------------------------------------------------

    async def meet(self, chat_session_id: UUID) -> None:
        """Read who is in the room that somebody is about to enter, who follows it already."""
        found = await in_db_thread(people_in, [chat_session_id])
        if (room := self._hub.rooms.get(chat_session_id)) is not None:
            self._compare(room, found.get(chat_session_id, []))

    def enter(self, chat_session_id: UUID, role: str, follower: Follower) -> UUID | None:
        """A socket of one of the two opens. Gives the participant, by whom it has to `leave`; None: they are erased."""
        room = self._hub.rooms.get(chat_session_id)
        present = room.people.get(role) if room is not None else None
        if room is None or present is None:
            return None
        self._sockets[present.participant_id] += 1
        if self._sockets[present.participant_id] == 1:
            self._say(chat_session_id, room, role, True, follower)
            self._note(present.participant_id)
        return present.participant_id

    def leave(self, chat_session_id: UUID, role: str, participant_id: UUID) -> None:
        """A socket of theirs has closed."""
        self._sockets[participant_id] -= 1
        if self._sockets[participant_id] == 0:
            del self._sockets[participant_id]
            self._say(chat_session_id, self._hub.rooms.get(chat_session_id), role, False)
            self._note(participant_id)

    def read(self, chat_session_id: UUID, role: str, seq: int, reader: Follower) -> None:
        """One of the two has read up to a message. Marks never go back."""
        room = self._hub.rooms.get(chat_session_id)
        if room is None or not room.mark_read(role, seq, reader):
            return
        self._doorbell.signal(chat_session_id, {"type": "message.read", "role": role, "seq": seq})
        participant_id = room.people[role].participant_id
        self._read[participant_id] = max(seq, self._read.get(participant_id, 0))
        self._wake.set()

    def _say(
        self, chat_session_id: UUID, room: Room | None, role: str, is_online: bool, exclude: Follower | None = None
    ) -> None:
        if room is not None:
            room.come_or_go(role, is_online, _now(), exclude)
        self._doorbell.signal(chat_session_id, {"type": "presence", "role": role, "online": is_online})

    def _note(self, participant_id: UUID) -> None:
        self._moved.add(participant_id)
        self._wake.set()

    # Elsewhere --------------------------------------------------------------------------------------

    def hear(self, room: Room, event: dict[str, Any]) -> None:
        """Another process tells of a room that is followed here: who types, comes, goes or has read."""
        if event["type"] == "message.read":
            room.mark_read(event["role"], event["seq"])
        elif event["type"] != "presence":
            room.publish(event)
        elif event["online"] or not self._is_here(room.people.get(event["role"])):
            room.come_or_go(event["role"], event["online"], _now())
        else:  # their last socket there has closed, but not their last one
            self._say(room.chat_session_id, None, event["role"], True)
            self._note(room.people[event["role"]].participant_id)

    async def watch(self) -> None:
        """Look for what no doorbell told."""
        rooms = [id_ for id_, room in self._hub.rooms.items() if room.people and room.followers]
        for id_, people in (await in_db_thread(people_in, rooms) if rooms else {}).items():
            if (room := self._hub.rooms.get(id_)) is not None:
                self._compare(room, people)

    def _compare(self, room: Room, people: Collection[Person]) -> None:
        """What was told of them with what is written."""
        for person in people:
            told = room.people.get(person.role)
            if told is None:
                told = Present(person.participant_id, person.name, person.is_online, person.read_seq)
                room.people[person.role] = told
            room.mark_read(person.role, person.read_seq)
            is_online = person.is_online or self._is_here(told)
            if _now() - told.told_at > SETTLE_SECONDS:
                room.come_or_go(person.role, is_online, told.told_at)

    def _is_here(self, present: Present | None) -> bool:
        return present is not None and self._sockets[present.participant_id] > 0

    # Written ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write what there is to write, as long as the process lives."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            await self.write()
            await asyncio.sleep(WRITE_SECONDS)

    async def write(self) -> None:
        """Write who came, went and has read, and every ten seconds that those who are here still are."""
        if _now() - self._refreshed_at >= REFRESH_SECONDS:
            self._refreshed_at = _now()
            self._moved.update(self._sockets)
        moved, self._moved = self._moved, set()
        read, self._read = self._read, {}
        here = {id_ for id_ in moved if self._sockets[id_]}
        wanted = moved | read.keys()
        written: set[UUID] = set()
        try:
            written = await in_db_thread(write_marks, here=here, gone=moved - here, read=read) if wanted else written
        except (OperationalError, InterfaceError) as error:  # the database is away: for how long does not matter
            log.warning("presence_not_written", error=type(error).__name__)
            self._missed.clear()
        except Exception:  # who is there matters less than that this goes on
            log.exception("presence_not_written")
        self._try_later(wanted - written, moved, read)
        for id_ in written:
            del self._missed[id_]

    async def stop(self) -> None:
        """The process ends, and with it the sockets that it has still open."""
        self._moved.update(self._sockets)
        self._sockets.clear()
        await self.write()

    def _try_later(self, ids: Collection[UUID], moved: Collection[UUID], read: dict[UUID, int]) -> None:
        for id_ in ids:
            self._missed[id_] += 1
            if self._missed[id_] > MOST_TRIES:  # erased, most likely
                del self._missed[id_]
                continue
            if id_ in moved:
                self._moved.add(id_)
            if id_ in read:
                self._read[id_] = max(read[id_], self._read.get(id_, 0))
            self._wake.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
