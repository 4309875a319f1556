"""Threads that write to one chat session at once. Only on PostgreSQL (test_ledger_on_postgres.py runs this file)."""

from __future__ import annotations

from chatify.accounts.principal import Principal
from chatify.turns import ledger
from chatify.turns.spec import ReplySpec
from sessions.actions import end_chat_session
from sessions.models import ChatSession, Message
from tests.racing import RACES, at_once
from tests.turns.test_ledger import OTHER, OWNER, complete, expire, roles, say, start, stored

THREADS = 8
pytestmark = RACES


def test_messages_accepted_at_once_start_one_reply(principal: Principal, chat: ChatSession) -> None:
    jobs = [lambda n=number: say(principal, chat, f"m{n}", owner=f"process.{n}") for number in range(THREADS)]
    accepted = at_once(*jobs)
    assert len([one for one in accepted if one.reply is not None]) == 1
    assert [seq for seq, _ in roles(chat)] == list(range(1, THREADS + 2))
    assert Message.objects.filter(chat_session=chat, status="streaming").count() == 1


def test_same_message_sent_at_once_is_stored_once(principal: Principal, chat: ChatSession) -> None:
    accepted = at_once(*[lambda: say(principal, chat, "me", client_message_id="once") for _ in range(THREADS)])
    assert len({one.message["id"] for one in accepted}) == 1
    assert [one.is_duplicate for one in accepted].count(False) == 1
    assert roles(chat) == [(1, "user"), (2, "assistant")]


def test_reapers_at_once_end_a_reply_once(principal: Principal, chat: ChatSession) -> None:
    spec = start(principal, chat)
    say(principal, chat, "waiting")
    expire(spec)
    found = at_once(*[lambda n=number: ledger.reap(owner=f"process.{n}") for number in range(THREADS)])
    reaped = [one for each in found for one in each]
    assert len(reaped) == 1
    assert reaped[0].next_reply is not None
    assert roles(chat) == [(1, "user"), (2, "assistant"), (3, "user"), (4, "assistant")]


def test_either_the_owner_or_the_reaper_ends_a_reply(principal: Principal, chat: ChatSession) -> None:
    for _ in range(10):
        spec = start(principal, chat)
        expire(spec)
        finished, reaped = at_once(
            lambda spec=spec: ledger.finish(spec=spec, owner=OWNER, outcome=complete()),
            lambda: ledger.reap(owner=OTHER),
        )
        assert (finished is None) == (len(reaped) == 1)
        assert stored(spec)[0] == ("complete" if finished else "failed")


def test_message_that_comes_with_the_end_of_a_reply_is_answered(principal: Principal, chat: ChatSession) -> None:
    spec = start(principal, chat)
    for number in range(10):
        finished, accepted = at_once(
            lambda spec=spec: ledger.finish(spec=spec, owner=OWNER, outcome=complete()),
            lambda n=number: say(principal, chat, f"m{n}"),
        )
        specs: list[ReplySpec] = [one for one in (finished.next_reply, accepted.reply) if one is not None]
        assert len(specs) == 1, "exactly one of the two starts the next reply"
        spec = specs[0]
    assert [seq for seq, _ in roles(chat)] == list(range(1, 23))
    assert not Message.objects.filter(chat_session=chat, role="user", answered_by=None).exists()


def test_end_of_the_chat_session_during_messages_leaves_nothing_running(
    principal: Principal, chat: ChatSession
) -> None:
    def try_to_say() -> ReplySpec | None:
        try:
            return say(principal, chat).reply
        except ledger.Conflict:
            return None

    *specs, _ = at_once(*[try_to_say] * (THREADS - 1), lambda: end_chat_session(chat_session_id=chat.id, reason="done"))
    for spec in filter(None, specs):
        assert ledger.finish(spec=spec, owner=OWNER, outcome=complete()).next_reply is None
    chat.refresh_from_db()
    assert chat.running_reply_id is None
    assert [seq for seq, _ in roles(chat)] == list(range(1, chat.last_seq + 1))
