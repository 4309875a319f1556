"""The socket of a chat session."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from chatify.realtime.connection import Connection
from chatify.realtime.handlers import handle
from chatify.realtime.protocol import parse_frame
from chatify.turns.following import follow
from chatify.turns.live import Event, LiveReply, addressed
from chatify.turns.rows import role_of
from chatify.turns.runtime import Runtime, current
from sessions.access import as_participant
from sessions.models import ChatSession
from sessions.objects import chat_session_object


class ChatConsumer(Connection):
    """One socket on one chat session: parses frames, hands them on, sends what the chat session tells."""

    runtime: Runtime
    end_user_id: UUID
    role: str
    is_room: bool

    def __init__(self) -> None:
        super().__init__()
        self._is_over = False
        self._participant_id: UUID | None = None

    async def come_in(self) -> None:
        """Let in whoever may come in, and tell where the chat session stands."""
        self.chat_session_id: UUID = self.scope["url_route"]["kwargs"]["chat_session_id"]
        self.runtime = current()
        self.principal = await self.authenticate(self.chat_session_id)
        chat_session, live = await follow(self.runtime, self.principal, self.chat_session_id, self)
        self.principal = as_participant(self.principal, chat_session, self.query("user") or None)
        self.end_user_id = self.principal.end_user_id or chat_session.end_user_id
        self.role, self.is_room = role_of(self.principal, chat_session).value, chat_session.partner_id is not None
        if self.is_room:
            await self.runtime.presence.meet(self.chat_session_id)
        await self._enter(chat_session, live)

    async def _enter(self, chat_session: ChatSession, live: LiveReply | None) -> None:
        if chat_session.status == ChatSession.Status.ENDED:
            self.open(self._ready(chat_session, None))
            self.deliver({"type": "session.ended", "reason": chat_session.end_reason})
        elif await self.take_place(self._place()):
            if self.is_room:
                self._participant_id = self.runtime.presence.enter(self.chat_session_id, self.role, self)
            self.open(self._ready(chat_session, live))
            if self._is_over:  # it ended while we read it
                self.close_after_last_words()

    def _place(self) -> UUID:
        """Whose ten places it takes one of: the chat session's; in a human room each of the two has their own."""
        return uuid5(self.chat_session_id, self.role) if self.is_room else self.chat_session_id

    def _ready(self, chat_session: ChatSession, live: LiveReply | None) -> dict[str, Any]:
        ready: dict[str, Any] = {
            "type": "session.ready",
            "session": chat_session_object(chat_session, self.ws_base, self.principal.end_user_id),
            "last_seq": chat_session.last_seq,
        }
        if self.is_room:
            people = self.runtime.hub.room(self.chat_session_id).people
            ready["participants"] = [present.wire(role) for role, present in people.items()]
        if live is not None:
            ready["running"] = {"message_id": str(live.message_id), "offset": live.length}
        return ready

    def deliver(self, event: Event) -> None:
        """Something happened in the chat session (see Follower)."""
        super().deliver(addressed(event, self.ws_base))
        if isinstance(event, dict) and event["type"] == "session.ended":
            self._is_over = True
        if self._is_over and self.outgoing.is_open:
            self.close_after_last_words()

    async def take(self, value: Any) -> None:
        """Do what a frame asks for."""
        await handle(self, parse_frame(value))

    def go(self) -> None:
        """Follow the chat session no more."""
        if self._participant_id is not None:
            self.runtime.presence.leave(self.chat_session_id, self.role, self._participant_id)
            self._participant_id = None
        if hasattr(self, "runtime"):
            self.runtime.hub.leave(self.chat_session_id, self)
