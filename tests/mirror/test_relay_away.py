"""The relay when Firestore takes nothing, or the lease is somebody else's."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from google.api_core.exceptions import DeadlineExceeded, PermissionDenied, ServiceUnavailable
from google.cloud.firestore import Client

from chatify.accounts.principal import Principal
from chatify.events.bus import emit
from chatify.events.leases import Lease, LeaseLost
from chatify.events.models import OutboxRow
from chatify.mirror import relay as relaying
from chatify.mirror import writing
from chatify.mirror.relay import Relay
from chatify.mirror.writing import Away, Operation, Writer
from sessions.actions import rename_chat_session
from sessions.models import ChatSession
from tests.memory.talking import talk
from tests.mirror.relaying import contents, deliver, rows, session_document

pytestmark = pytest.mark.django_db
DEAD, PENDING = OutboxRow.State.DEAD, OutboxRow.State.PENDING


# When Firestore is away ---------------------------------------------------------------------------
@pytest.mark.parametrize("error", [ServiceUnavailable("away"), PermissionDenied("not yours")])
def test_nothing_is_given_up_when_firestore_is_away(
    mirror: Client, principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    talk(principal, chat, 2)
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "_commit", lambda self, operations: (_ for _ in ()).throw(error))
        with pytest.raises(Away, match=str(error.args[0])):
            Relay().run_once()
    assert rows(state=DEAD) == []
    deliver(Relay(lease=other_lease()))
    assert len(contents(mirror, chat)) == 4


def test_line_that_is_too_slow_for_a_batch_gets_smaller_ones(
    mirror: Client, principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(principal, chat, 3)
    commit, sizes = Writer._commit, list[int]()

    def commit_slowly(self: Writer, operations: list[Operation]) -> None:
        sizes.append(len(operations))
        if len(operations) > 2:
            raise DeadlineExceeded("too slow")
        commit(self, operations)

    monkeypatch.setattr(Writer, "_commit", commit_slowly)
    monkeypatch.setattr(relaying, "LEAST_BATCH_BYTES", 1200)
    relay = Relay()
    for _ in range(20):
        relay._written_at.clear()
        with suppress(Away):
            relay.run_once()
    assert rows() == []
    assert len(contents(mirror, chat)) == 6
    assert (max(sizes), min(sizes)) == (6, 1)
    monkeypatch.setattr(Writer, "_commit", commit)
    for _ in range(20):
        emit("session.renamed", tenant_id=chat.tenant_id, chat_session_id=chat.id)
        relay._written_at.clear()
        relay.run_once()
    assert relay._batch_bytes == writing.BATCH_BYTES, "over a line that is fast again"


def test_what_was_written_before_firestore_went_away_is_not_repeated(
    mirror: Client, principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH_WRITES", 2)
    talk(principal, chat, 3)
    commit, left = Writer._commit, iter([True, True])

    def go_away(self: Writer, operations: list[Operation]) -> None:
        if not next(left, False):
            raise ServiceUnavailable("away")
        commit(self, operations)

    relay = Relay()
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "_commit", go_away)
        with pytest.raises(Away):
            relay.run_once()
    assert contents(mirror, chat) == ["question 1", "answer 1", "question 2", "answer 2"]
    assert rows()[-2:] == ["message.created", "reply.complete"]
    assert len(rows()) == 3, "the personality's, and those of the third turn"
    deliver(relay)
    assert len(contents(mirror, chat)) == 6


# Leases -------------------------------------------------------------------------------------------
def other_lease() -> Lease:
    """Another relay's, with nobody before it."""
    from chatify.events.models import SinkLease

    SinkLease.objects.all().delete()
    return Lease("firestore")


def test_two_relays_do_not_work_at_once(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    first, second = Relay(), Relay()
    assert first.run_once().is_ours
    talk(principal, chat, 1)
    assert not second.run_once().is_ours
    assert len(rows()) == 2
    first.lease.release()
    assert second.run_once().is_ours
    assert not first.run_once().is_ours


def test_lease_that_ran_out_can_be_taken(db: None) -> None:
    first, second = Lease("firestore", seconds=-1), Lease("firestore")
    assert first.take()
    assert second.take()
    assert not first.take()
    with pytest.raises(LeaseLost):
        first.ensure(0)


def test_lease_is_renewed_while_work_goes_on(db: None) -> None:
    lease = Lease("firestore", seconds=10)
    lease.take()
    lease._until -= 6
    lease.ensure(1)
    assert lease.seconds_left > 9


def test_releasing_a_lease_of_somebody_else_does_nothing(db: None) -> None:
    first, second = Lease("firestore"), Lease("firestore")
    first.take()
    second.release()
    assert not second.take()


def test_relay_that_lost_its_lease_writes_nothing(
    mirror: Client, principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Relay()
    talk(principal, chat, 1)
    write = relay._write

    def stand_still(*arguments: Any) -> None:
        relay.lease._until = 0.0
        write(*arguments)

    monkeypatch.setattr(relay, "_write", stand_still)
    with pytest.raises(LeaseLost):
        relay.run_once()
    assert contents(mirror, chat) == []
    deliver(Relay(lease=other_lease()))
    assert len(contents(mirror, chat)) == 2


def test_what_was_written_too_late_is_written_again(
    mirror: Client, principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay stood still in the middle of a commit; another one wrote what is newer, and this one the old."""
    relay = Relay()
    settle = relay._settle

    def come_late(*arguments: Any) -> None:
        relay.lease._until = 0.0
        rename_chat_session(chat_session=chat, title="newer")
        deliver(Relay(lease=other_lease()))
        assert rows() == []
        mirror.document(f"chatbot_sessions/{chat.id}").set({"title": "old"})  # ours comes through
        settle(*arguments)

    rename_chat_session(chat_session=chat, title="old")
    monkeypatch.setattr(relay, "_settle", come_late)
    relay.run_once()
    deliver(Relay(lease=other_lease()))
    assert (session_document(mirror, chat) or {})["title"] == "newer"
    assert rows() == []
