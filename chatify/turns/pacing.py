"""How often the followers of a running reply are told what is new.

Each frame costs about as much as reading ten tokens, so many replies at once are told in larger pieces: the
first words of a reply at once, the rest at most every 50 ms. A few replies are told token by token.
"""

from __future__ import annotations

import asyncio

from chatify.turns.live import Hub, LiveReply, Room

FEW_REPLIES = 10
SECONDS_PER_REPLY = 0.001
LONGEST_PAUSE = 0.05


class Pacer:
    """Tells rooms of their replies, all in one go when there are many."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting: dict[LiveReply, Room] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.running = 0

    def add(self, reply: LiveReply, room: Room, text: str) -> None:
        """A piece of a reply has come."""
        reply.append(text)
        if self.running < FEW_REPLIES or reply.told == 0:
            self._hub.tell(reply, room)
            return
        self._waiting[reply] = room
        if self._timer is None:
            pause = min(LONGEST_PAUSE, self.running * SECONDS_PER_REPLY)
            self._timer = asyncio.get_running_loop().call_later(pause, self._tell_all)

    def _tell_all(self) -> None:
        waiting, self._waiting, self._timer = self._waiting, {}, None
        for reply, room in waiting.items():
            self._hub.tell(reply, room)
