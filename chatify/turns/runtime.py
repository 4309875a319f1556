"""The part of a web process that answers: one per process and event loop, from ASGI's start-up to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import UUID

import structlog
from django.conf import settings

from chatify.accounts.principal import Principal
from chatify.accounts.revocation import revoked_of
from chatify.common.errors import TooFast, Unavailable
from chatify.common.ids import uuid7
from chatify.common.threads import in_db_thread
from chatify.events import bus
from chatify.llm.registry import make_provider
from chatify.llm.types import Provider
from chatify.turns import ledger, meters
from chatify.turns.doorbell import Doorbell
from chatify.turns.live import Follower, Hub, LiveReply
from chatify.turns.presence import Presence
from chatify.turns.relay import Relay
from chatify.turns.replies import Replies
from chatify.turns.spec import Accepted, Finished, ReplySpec
from chatify.turns.spending import Charge
from chatify.turns.suggesting import suggest_for
from templates_app.catalogue import CATALOGUE_EVENTS

RENEW_SECONDS = 5.0
REVOKED_SECONDS = 2.5
_LAST_EVENTS = frozenset({"session.ended", "session.deleted", "session.erased"})
_LIFE_EVENTS = _LAST_EVENTS | {
    "session.paused",
    "session.resumed",
    "session.speaker_changed",
    "personality.suggested",
    "personality.switched",
    "personality.declined",
}
REAP_SECONDS = 10.0
WATCH_SECONDS = 3.0
RETRY_AFTER_SECONDS = 2.0

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Guest(Protocol):
    """Who listens over REST or SSE. (Sockets are swept with their idleness.)"""

    principal: Principal

    def cut_off(self) -> None:
        """Tell them no more."""
        ...


class Runtime:
    """Accepts messages, has them answered, and keeps all followers informed."""

    def __init__(self, provider: Provider | None = None) -> None:
        self.provider = provider or make_provider(api_key=settings.OPENAI_API_KEY, base_url=settings.OPENAI_BASE_URL)
        self.hub = Hub()
        self.doorbell = Doorbell()
        self.replies = Replies(self.provider, self.hub, self._spawn, self._ended)
        self.presence = Presence(self.hub, self.doorbell)
        self.relay = Relay(self.hub, self.doorbell, self.replies, self.presence, self._spawn)
        self.guests: set[Guest] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._is_stopping = False
        self._unlisten: Callable[[], None] = lambda: None

    async def start(self, *, is_alone: bool) -> None:
        """Begin. `is_alone`: no other process writes to this database, so what runs in it is dead."""
        await self.doorbell.open(self.relay.handle)
        loop = asyncio.get_running_loop()

        def listener(event: bus.Event) -> None:
            loop.call_soon_threadsafe(self._heard, event)

        self._unlisten = bus.listen(listener)
        if is_alone:
            await self._reap(all_running=True)
        self._loops = [
            asyncio.create_task(_every(RENEW_SECONDS, self._renew)),
            asyncio.create_task(_every(REAP_SECONDS, self._reap)),
            asyncio.create_task(_every(REVOKED_SECONDS, self._stop_revoked)),
            asyncio.create_task(_every(WATCH_SECONDS, self.relay.watch)),
            asyncio.create_task(_every(WATCH_SECONDS, self.presence.watch)),
            asyncio.create_task(self.presence.run()),
        ]

    def on(self, kind: str, handler: Callable[[dict[str, Any]], None]) -> None:
        """From now on `handler` gets the messages of this type that other processes send by the doorbell."""
        self.relay.on(kind, handler)

    async def stop(self, *, patience: float) -> None:
        """End: running replies get `patience` seconds to finish, then they are `failed` as `interrupted`."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + patience
        while self._tasks and (left := ends_at - loop.time()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left)
        self._is_stopping = True  # the reply that a stopped one's end starts is stopped, too
        self.replies.stop_all("interrupted")
        ends_at = loop.time() + RENEW_SECONDS
        while self._tasks and (left := ends_at - loop.time()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left)
        self._unlisten()
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self.presence.stop()
        await self.doorbell.close()
        await self.provider.aclose()

    async def accept(
        self,
        *,
        principal: Principal,
        chat_session_id: UUID,
        end_user_id: UUID,
        content: str,
        client_message_id: str | None = None,
        model: str | None = None,
        sender: Follower | None = None,
        is_room: bool = False,
    ) -> Accepted:
        """Take a message of `end_user_id`: store it, acknowledge it to `sender`, tell the others, start the reply.

        `is_room`: two people talk to each other there. Once it is stored all of that happens, whatever becomes of the
        caller. Raises what `ledger.accept` and `Charge.taken` raise. A database that is away raises as Django does:
        each transport translates that.
        """
        message: dict[str, Any] = {
            "principal": principal,
            "chat_session_id": chat_session_id,
            "message_id": uuid7(),
            "content": content,
            "client_message_id": client_message_id,
        }
        charge = Charge(principal.tenant_id, end_user_id, chat_session_id, is_room)
        store = partial(ledger.accept, **message, owner=self.doorbell.name, model=model)
        find = partial(ledger.find_accepted, **message)

        async def work() -> Accepted:
            accepted = await in_db_thread(_store_charged, charge, store, find)
            self._tell_accepted(principal, chat_session_id, accepted, sender)
            if accepted.gets_reply and not accepted.is_duplicate:
                self._spawn(suggest_for(principal.tenant_id, chat_session_id, content))
            return accepted

        return await asyncio.shield(self._spawn(work()))

    def _tell_accepted(
        self, principal: Principal, chat_session_id: UUID, accepted: Accepted, sender: Follower | None
    ) -> None:
        if sender is not None:
            sender.deliver(accepted_event(accepted))
        room = self.hub.rooms.get(chat_session_id)
        if accepted.is_resumed and room is not None:
            room.come_to("active", "message")
        if not accepted.is_duplicate:
            meters.messages_accepted.inc()
            self.hub.message_created(chat_session_id, accepted.message, exclude=sender)
            self.doorbell.ring(chat_session_id)
        if accepted.reply is not None:
            self._begin(accepted.reply, principal)
        room = self.hub.rooms.get(chat_session_id)
        if accepted.reply is None and room is not None and room.live is not None:
            self.replies.note_asker(room.live.message_id, principal)
        if room is not None and 0 <= room.last_seq < accepted.seq:
            self._spawn(self.relay.catch_up([chat_session_id]))  # something came in by another process just before

    async def retry(
        self, *, principal: Principal, chat_session_id: UUID, end_user_id: UUID, message_id: UUID
    ) -> ReplySpec:
        """Start another reply instead of a failed one; it costs as much as a message. Raises as `accept` does."""
        charge = Charge(principal.tenant_id, end_user_id, chat_session_id)

        def store() -> ReplySpec:
            with charge.taken():
                return ledger.retry(
                    principal=principal,
                    chat_session_id=chat_session_id,
                    message_id=message_id,
                    owner=self.doorbell.name,
                )

        async def work() -> ReplySpec:
            spec = await in_db_thread(store)
            self._begin(spec, principal)
            return spec

        return await asyncio.shield(self._spawn(work()))

    async def stop_running(self, *, principal: Principal, chat_session_id: UUID) -> bool:
        """Stop the running reply, whichever process writes it. Whether there was one. Raises NotFound."""
        found = await in_db_thread(ledger.request_stop, principal=principal, chat_session_id=chat_session_id)
        if found is None:
            return False
        message_id, owner = found
        if not self.replies.stop(message_id, "cancelled"):
            self.doorbell.send(owner, {"type": "stop", "message_id": str(message_id)})
        return True

    def _begin(self, spec: ReplySpec, principal: Principal | None) -> None:
        self.replies.begin(spec, self.doorbell.name, principal)
        if self._is_stopping:
            self.replies.stop(spec.message_id, "interrupted")
        room = self.hub.room(spec.chat_session_id)
        self.replies.stop_before(spec.message_id, room.floor.epoch)
        self.doorbell.ring(spec.chat_session_id)
        if room.overtaken:
            self._spawn(self.relay.catch_up([spec.chat_session_id]))

    def _ended(self, live: LiveReply, finished: Finished | None, next_asker: Principal | None) -> None:
        self.hub.end(live, finished.message if finished is not None else None)
        self.doorbell.ring(live.chat_session_id)
        if finished is None:
            self._spawn(self.relay.catch_up([live.chat_session_id]))
        elif finished.next_reply is not None:
            self._begin(finished.next_reply, next_asker)

    async def _renew(self) -> None:
        await self.replies.renew(self.doorbell.name)

    async def _stop_revoked(self) -> None:
        """Stop the replies whose askers may not be here any more, and cut off who only listens and may not either."""
        askers = self.replies.askers
        here = askers | {guest.principal for guest in self.guests}
        revoked = await in_db_thread(revoked_of, here) if here else set()
        self.replies.stop_of(revoked)
        silent = revoked - askers  # the others hear how their reply ends
        for guest in list(self.guests):
            if guest.principal in silent:
                guest.cut_off()

    async def _reap(self, *, all_running: bool = False) -> None:
        for reaped in await in_db_thread(ledger.reap, owner=self.doorbell.name, all_running=all_running):
            log.warning("reply_reaped", chat_session_id=str(reaped.chat_session_id))
            self.doorbell.ring(reaped.chat_session_id)
            if reaped.next_reply is not None:
                self._begin(reaped.next_reply, None)
            self._spawn(self.relay.catch_up([reaped.chat_session_id]))

    def _heard(self, event: bus.Event) -> None:
        """Something happened outside of a turn: a view, the admin or a task of this process changed a chat session."""
        if event.name in _LIFE_EVENTS and event.chat_session_id is not None:
            if event.name in _LAST_EVENTS:
                self.replies.stop_all("cancelled", event.chat_session_id)
            self.doorbell.ring(event.chat_session_id)
            self._spawn(self.relay.catch_up([event.chat_session_id]))
        elif event.name in CATALOGUE_EVENTS:
            self.doorbell.announce("templates")

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _store_charged(
    charge: Charge, store: Callable[[], Accepted], find_accepted: Callable[[], Accepted | None]
) -> Accepted:
    """Store a message and take its charge. A repeat of one that was accepted costs none, and needs none to be left."""
    try:
        with charge.taken():
            accepted = store()
    except TooFast:
        known = find_accepted()
        if known is None:
            raise
        return known
    if accepted.is_duplicate:
        charge.give_back()
    return accepted


def accepted_event(accepted: Accepted) -> dict[str, Any]:
    """The acknowledgement of a message that is on disk."""
    message = accepted.message
    return {
        "type": "message.accepted",
        "client_message_id": message.get("client_message_id"),
        "message_id": message["id"],
        "seq": message["seq"],
    }


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:  # a loop that dies would let all leases run out
            log.exception("housekeeping_failed")


_current: Runtime | None = None


def current() -> Runtime:
    """The runtime of this process. Raises Unavailable while there is none: before the start, after the end."""
    if _current is None:
        raise Unavailable("The server is starting or stopping.", retry_after=RETRY_AFTER_SECONDS)
    return _current


def set_current(runtime: Runtime | None) -> None:
    """Said by the lifespan."""
    global _current
    _current = runtime
