"""The replies that this process writes: each a task that owns a lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError

from chatify.accounts.principal import Principal
from chatify.common.threads import in_db_thread
from chatify.llm.types import Provider
from chatify.memory.budget import corrections
from chatify.turns import ledger, meters
from chatify.turns.generate import generate
from chatify.turns.live import Hub, LiveReply
from chatify.turns.pacing import Pacer
from chatify.turns.spec import Finished, Outcome, ReplySpec
from sessions.models import Message

FINISH_SECONDS = 60.0
PAUSE_SECONDS = 1.0

log = structlog.get_logger(__name__)
Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]
Ended = Callable[[LiveReply, Finished | None, Principal | None], None]


@dataclass(slots=True)
class Running:
    """A reply that is being written."""

    spec: ReplySpec
    live: LiveReply
    asker: Principal | None
    next_asker: Principal | None
    outcome: Outcome = field(default_factory=lambda: Outcome(Message.Status.FAILED, "", "internal_error"))
    stream: asyncio.Task[None] | None = None
    stop_reason: str = ""


class Replies:
    """Begins, stops and ends replies.

    `ended` is called with each one's end, None when it was lost, and with whoever asked for the next one.
    """

    def __init__(self, provider: Provider, hub: Hub, spawn: Spawn, ended: Ended) -> None:
        self._provider = provider
        self._hub = hub
        self._spawn = spawn
        self._ended = ended
        self._running: dict[UUID, Running] = {}
        self._pacer = Pacer(hub)

    def begin(self, spec: ReplySpec, owner: str, asker: Principal | None) -> None:
        """Write a reply whose lease `owner`, this process, holds. `asker` is None when nobody knows who that was."""
        live = LiveReply(spec.message_id, spec.chat_session_id, spec.seq)
        running = self._running[spec.message_id] = Running(spec, live, asker, asker)
        meters.replies_running.inc()
        self._pacer.running = len(self._running)
        self._hub.begin(live)
        self._spawn(self._write(running, owner))

    def stop(self, message_id: UUID, reason: str) -> bool:
        """Stop a reply: `cancelled` by somebody, `interrupted` by us, `lost` to another owner. Whether it is here."""
        running = self._running.get(message_id)
        if running is None:
            return False
        if not running.stop_reason:
            running.stop_reason = reason
            if running.stream is not None:
                running.stream.cancel()
        return True

    def stop_all(self, reason: str, chat_session_id: UUID | None = None) -> None:
        """Stop all replies, or those of one chat session."""
        for running in list(self._running.values()):
            if chat_session_id in (None, running.spec.chat_session_id):
                self.stop(running.spec.message_id, reason)

    def stop_before(self, message_id: UUID, speaker_epoch: int) -> None:
        """Stop a reply if it began before the floor was given to whoever has it now."""
        running = self._running.get(message_id)
        if running is not None and running.spec.speaker_epoch < speaker_epoch:
            self.stop(message_id, "cancelled")

    @property
    def askers(self) -> set[Principal]:
        """Who asked for the replies that are being written."""
        return {running.asker for running in self._running.values() if running.asker is not None}

    def note_asker(self, message_id: UUID, asker: Principal) -> None:
        """Somebody wrote while this reply runs: the next one is for them."""
        running = self._running.get(message_id)
        if running is not None:
            running.next_asker = asker

    def stop_of(self, askers: Collection[Principal]) -> None:
        """Stop the replies that these asked for."""
        for running in list(self._running.values()):
            if running.asker in askers:
                self.stop(running.spec.message_id, "cancelled")

    def find(self, message_id: UUID) -> LiveReply | None:
        """A reply that is being written here."""
        running = self._running.get(message_id)
        return running.live if running is not None else None

    async def renew(self, owner: str) -> None:
        """Renew all leases in one write, save the texts so far, and stop what is not ours or not wanted any more."""
        texts = {id_: running.live.text for id_, running in self._running.items()}
        if not texts:
            return
        renewal = await in_db_thread(ledger.renew, owner=owner, texts=texts)
        for message_id in texts:
            running = self._running.get(message_id)
            if running is None or running.stream is None or running.stream.done():
                continue  # its end is being written
            if message_id not in renewal.held:
                self.stop(message_id, "lost")
            elif message_id in renewal.to_cancel:
                self.stop(message_id, "cancelled")

    async def _write(self, running: Running, owner: str) -> None:
        spec, outcome = running.spec, running.outcome
        room, live = self._hub.room(spec.chat_session_id), running.live
        try:
            hand_on = partial(self._pacer.add, live, room)
            running.stream = asyncio.create_task(generate(self._provider, spec.request, outcome, hand_on))
            if running.stop_reason:  # stopped before its first step
                running.stream.cancel()
            await asyncio.wait([running.stream])
            if running.stop_reason and outcome.status != Message.Status.COMPLETE:
                is_wanted = running.stop_reason == "cancelled"
                outcome.status = Message.Status.CANCELLED if is_wanted else Message.Status.FAILED
                outcome.error_code = "" if is_wanted else "interrupted"
            finished = None if running.stop_reason == "lost" else await self._finish(running, owner)
            if finished is None:
                await self._count_lost(running)
        finally:
            del self._running[spec.message_id]
            meters.replies_running.dec()
            self._pacer.running = len(self._running)
        self._tell(running, finished)

    async def _finish(self, running: Running, owner: str) -> Finished | None:
        """Write the end; a database that is away is asked again for a minute."""
        ends_at = asyncio.get_running_loop().time() + FINISH_SECONDS
        while True:
            try:
                return await in_db_thread(ledger.finish, spec=running.spec, owner=owner, outcome=running.outcome)
            except Exception as error:
                log.exception("finish_failed", message_id=str(running.spec.message_id))
                if not isinstance(error, OperationalError | InterfaceError):
                    return None  # a bug of ours: asking again would not help
                if asyncio.get_running_loop().time() > ends_at:
                    return None  # the reaper of whichever process comes first will end it
            await asyncio.sleep(PAUSE_SECONDS)

    async def _count_lost(self, running: Running) -> None:
        try:
            await in_db_thread(ledger.count_lost, spec=running.spec, outcome=running.outcome)
        except Exception:
            log.exception("usage_not_counted", message_id=str(running.spec.message_id))

    def _tell(self, running: Running, finished: Finished | None) -> None:
        spec, outcome = running.spec, running.outcome
        if outcome.usage is not None and not outcome.usage.is_estimated:
            corrections.observe(
                spec.request.model,
                estimated=spec.request.estimated_tokens,
                measured=outcome.usage.prompt_tokens,
            )
        meters.reply_ended(outcome if finished else None)
        log.info(
            "reply_ended",
            chat_session_id=str(spec.chat_session_id),
            message_id=str(spec.message_id),
            status=outcome.status if finished else "lost",
            code=outcome.error_code,
            first_token_ms=outcome.first_token_ms,
            latency_ms=outcome.latency_ms,
        )
        self._ended(running.live, finished, running.next_asker)
