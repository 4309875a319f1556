"""What turns write, and what a process that lost its lease does not. Runs on SQLite, and again on PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.db.models.functions import Now

from chatify.accounts.principal import Principal
from chatify.common.errors import Conflict, NotFound
from chatify.common.ids import uuid7
from chatify.llm.types import Usage
from chatify.turns import ledger
from chatify.turns.spec import Accepted, Outcome, ReplySpec
from sessions.actions import delete_chat_sessions, end_chat_session
from sessions.models import ChatSession, Message

OWNER = "process.a"
OTHER = "process.b"


def say(principal: Principal, chat: ChatSession, content: str = "hello", owner: str = OWNER, **more: str) -> Accepted:
    more = {"message_id": uuid7(), **more}
    return ledger.accept(principal=principal, chat_session_id=chat.id, owner=owner, content=content, **more)


def start(principal: Principal, chat: ChatSession) -> ReplySpec:
    spec = say(principal, chat).reply
    assert spec is not None
    return spec


def complete(text: str = "Hi!", status: str = "complete", code: str = "") -> Outcome:
    return Outcome(status, text, code, usage=Usage(10, 5), first_token_ms=7, latency_ms=70)


def expire(spec: ReplySpec) -> None:
    """The owner of this reply's lease died a while ago."""
    Message.objects.filter(id=spec.message_id).update(lease_expires_at=Now() - timedelta(seconds=1))


def stored(spec: ReplySpec) -> tuple[str, str, str]:
    reply = Message.objects.get(id=spec.message_id)
    return reply.status, reply.error_code, reply.content


def roles(chat: ChatSession) -> list[tuple[int, str]]:
    return list(Message.objects.filter(chat_session=chat).order_by("seq").values_list("seq", "role"))


@pytest.fixture
def spec(principal: Principal, chat: ChatSession) -> ReplySpec:
    """The first reply, being written by OWNER."""
    return start(principal, chat)


# Accepting ----------------------------------------------------------------------------------------
def test_message_and_reply_are_rows_of_one_transaction(chat: ChatSession, spec: ReplySpec) -> None:
    chat.refresh_from_db()
    assert roles(chat) == [(1, "user"), (2, "assistant")]
    assert (chat.last_seq, chat.running_reply_id) == (2, spec.message_id)
    assert Message.objects.get(chat_session=chat, seq=1).answered_by_id == spec.message_id


def test_messages_during_a_reply_are_answered_together_by_the_next_one(
    principal: Principal, chat: ChatSession, spec: ReplySpec
) -> None:
    assert [say(principal, chat, text, OTHER).reply for text in ("two", "three")] == [None, None]
    finished = ledger.finish(spec=spec, owner=OWNER, outcome=complete())
    assert finished is not None
    following = finished.next_reply
    assert following is not None
    assert following.seq == 5
    assert [message.content for message in following.request.messages][-4:] == ["hello", "Hi!", "two", "three"]
    assert set(Message.objects.filter(seq__in=(3, 4)).values_list("answered_by", flat=True)) == {following.message_id}


def test_same_client_message_id_gives_the_same_answer(principal: Principal, chat: ChatSession) -> None:
    first, again = (say(principal, chat, "hello", client_message_id="c1") for _ in range(2))
    assert again.is_duplicate
    assert again.reply is None
    assert (again.seq, again.message["id"]) == (first.seq, first.message["id"])
    with pytest.raises(Conflict) as raised:
        say(principal, chat, "something else", client_message_id="c1")
    assert raised.value.code == "client_message_id_reused"
    assert len(roles(chat)) == 2


def test_outsider_writes_nothing(chat: ChatSession) -> None:
    with pytest.raises(NotFound):
        say(Principal(UUID(int=7)), chat)
    assert roles(chat) == []


# Fencing ------------------------------------------------------------------------------------------
def test_finish_stores_the_end(chat: ChatSession, spec: ReplySpec) -> None:
    finished = ledger.finish(spec=spec, owner=OWNER, outcome=complete())
    chat.refresh_from_db()
    assert finished is not None
    assert finished.message["content"] == "Hi!"
    assert stored(spec) == ("complete", "", "Hi!")
    assert (chat.running_reply_id, chat.total_tokens_used, chat.last_seq) == (None, 15, 2)


def test_finish_after_reaping_writes_nothing(chat: ChatSession, spec: ReplySpec) -> None:
    expire(spec)
    assert len(ledger.reap(owner=OTHER)) == 1
    assert ledger.finish(spec=spec, owner=OWNER, outcome=complete("too late")) is None
    chat.refresh_from_db()
    assert stored(spec) == ("failed", "interrupted", "")
    assert (chat.running_reply_id, chat.total_tokens_used) == (None, 0)


def test_finish_by_a_wrong_owner_writes_nothing(chat: ChatSession, spec: ReplySpec) -> None:
    assert ledger.finish(spec=spec, owner=OTHER, outcome=complete("not mine")) is None
    chat.refresh_from_db()
    assert stored(spec) == ("streaming", "", "")
    assert chat.running_reply_id == spec.message_id


def test_finish_under_an_old_epoch_writes_nothing(chat: ChatSession, spec: ReplySpec) -> None:
    ChatSession.objects.filter(id=chat.id).update(epoch=1)
    assert ledger.finish(spec=spec, owner=OWNER, outcome=complete("fenced")) is None
    assert stored(spec) == ("streaming", "", "")


def test_finish_twice_writes_once(chat: ChatSession, spec: ReplySpec) -> None:
    assert ledger.finish(spec=spec, owner=OWNER, outcome=complete("first")) is not None
    assert ledger.finish(spec=spec, owner=OWNER, outcome=complete("second")) is None
    chat.refresh_from_db()
    assert stored(spec) == ("complete", "", "first")
    assert chat.total_tokens_used == 15


def test_finish_of_an_erased_chat_session_writes_nothing(chat: ChatSession, spec: ReplySpec) -> None:
    Message.objects.filter(chat_session=chat).delete()
    ChatSession.objects.filter(id=chat.id).delete()
    assert ledger.finish(spec=spec, owner=OWNER, outcome=complete()) is None


# Leases -------------------------------------------------------------------------------------------
def test_renewal_saves_the_text_so_far_and_pushes_the_end_of_the_lease(spec: ReplySpec) -> None:
    expire(spec)
    renewal = ledger.renew(owner=OWNER, texts={spec.message_id: "Once upon a ti"})
    assert (renewal.held, renewal.to_cancel) == ({spec.message_id}, frozenset())
    assert stored(spec) == ("streaming", "", "Once upon a ti")
    assert ledger.reap(owner=OTHER) == []


def test_renewal_does_not_hold_what_was_reaped(spec: ReplySpec) -> None:
    expire(spec)
    ledger.reap(owner=OTHER)
    assert ledger.renew(owner=OWNER, texts={spec.message_id: "ghost"}).held == frozenset()
    assert stored(spec) == ("failed", "interrupted", "")


def test_renewal_does_not_hold_under_an_old_epoch_or_for_another(chat: ChatSession, spec: ReplySpec) -> None:
    assert ledger.renew(owner=OTHER, texts={spec.message_id: "thief"}).held == frozenset()
    ChatSession.objects.filter(id=chat.id).update(epoch=1)
    assert ledger.renew(owner=OWNER, texts={spec.message_id: "ghost"}).held == frozenset()
    assert stored(spec)[2] == ""


def test_renewal_reports_what_shall_be_stopped(principal: Principal, chat: ChatSession, spec: ReplySpec) -> None:
    assert ledger.request_stop(principal=principal, chat_session_id=chat.id) == (spec.message_id, OWNER)
    assert ledger.renew(owner=OWNER, texts={spec.message_id: "x"}).to_cancel == {spec.message_id}


def test_many_leases_are_renewed_at_once(
    principal: Principal, chat: ChatSession, spec: ReplySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "RENEWED_AT_ONCE", 1)
    ghosts = {UUID(int=number): "ghost" for number in range(3)}
    assert ledger.renew(owner=OWNER, texts={**ghosts, spec.message_id: "mine"}).held == {spec.message_id}
    assert stored(spec)[2] == "mine"


# Reaping ------------------------------------------------------------------------------------------
def test_living_reply_is_not_reaped(spec: ReplySpec) -> None:
    assert ledger.reap(owner=OTHER) == []
    assert stored(spec)[0] == "streaming"


def test_lonely_process_reaps_what_runs_at_its_start(spec: ReplySpec) -> None:
    assert len(ledger.reap(owner=OTHER, all_running=True)) == 1
    assert stored(spec)[:2] == ("failed", "interrupted")


def test_reaping_twice_ends_a_reply_once(chat: ChatSession, spec: ReplySpec) -> None:
    expire(spec)
    assert [len(ledger.reap(owner=owner)) for owner in (OTHER, "process.c")] == [1, 0]
    chat.refresh_from_db()
    assert chat.epoch == 1


def test_reaper_that_comes_second_finds_it_ended(chat: ChatSession, spec: ReplySpec) -> None:
    expire(spec)
    assert ledger._reap(chat.id, spec.message_id, OTHER, False) is not None
    assert ledger._reap(chat.id, spec.message_id, "process.c", False) is None


def test_reaper_that_is_overtaken_by_a_renewal_ends_nothing(chat: ChatSession, spec: ReplySpec) -> None:
    assert ledger._reap(chat.id, spec.message_id, OTHER, False) is None
    assert stored(spec)[0] == "streaming"


def test_reaping_keeps_the_text_and_answers_who_waits(principal: Principal, chat: ChatSession, spec: ReplySpec) -> None:
    ledger.renew(owner=OWNER, texts={spec.message_id: "half a"})
    say(principal, chat, "still there?")
    expire(spec)
    (reaped,) = ledger.reap(owner=OTHER)
    following = reaped.next_reply
    assert stored(spec) == ("failed", "interrupted", "half a")
    assert following is not None
    assert (following.seq, following.epoch) == (4, 1)
    assert ledger.finish(spec=following, owner=OTHER, outcome=complete("yes")) is not None


def test_reaped_reply_that_should_have_stopped_is_cancelled(
    principal: Principal, chat: ChatSession, spec: ReplySpec
) -> None:
    ledger.request_stop(principal=principal, chat_session_id=chat.id)
    expire(spec)
    ledger.reap(owner=OTHER)
    assert stored(spec)[:2] == ("cancelled", "")


# The end of a chat session ------------------------------------------------------------------------
def test_end_of_a_chat_session_cancels_the_reply_with_its_text(
    principal: Principal, chat: ChatSession, spec: ReplySpec
) -> None:
    say(principal, chat, "one more")
    end_chat_session(chat_session_id=chat.id, reason="done")
    assert ledger.renew(owner=OWNER, texts={spec.message_id: "until he"}).to_cancel == {spec.message_id}
    finished = ledger.finish(spec=spec, owner=OWNER, outcome=complete("until here", "cancelled"))
    assert stored(spec) == ("cancelled", "", "until here")
    assert finished is not None
    assert finished.next_reply is None


def test_reply_that_completes_after_the_end_counts_as_cancelled(chat: ChatSession, spec: ReplySpec) -> None:
    end_chat_session(chat_session_id=chat.id, reason="done")
    ledger.finish(spec=spec, owner=OWNER, outcome=complete("whole"))
    assert stored(spec) == ("cancelled", "", "whole")


def test_deleting_cancels_the_reply_with_its_text(principal: Principal, chat: ChatSession, spec: ReplySpec) -> None:
    assert delete_chat_sessions(chat_session_ids=[chat.id]) == 1
    ledger.finish(spec=spec, owner=OWNER, outcome=complete("kept for staff"))
    assert stored(spec) == ("cancelled", "", "kept for staff")
    with pytest.raises(NotFound):
        say(principal, chat)


def test_ended_chat_session_takes_no_message(principal: Principal, chat: ChatSession) -> None:
    end_chat_session(chat_session_id=chat.id, reason="done")
    with pytest.raises(Conflict) as raised:
        say(principal, chat)
    assert raised.value.code == "session_ended"


# Trying again -------------------------------------------------------------------------------------
def test_retry_answers_the_same_messages(principal: Principal, chat: ChatSession, spec: ReplySpec) -> None:
    ledger.finish(spec=spec, owner=OWNER, outcome=complete("bro", "failed", "stream_cut"))
    again = ledger.retry(principal=principal, chat_session_id=chat.id, message_id=spec.message_id, owner=OTHER)
    assert again.seq == 3
    assert again.request.messages[-1].content == "hello", "what failed is no part of the context"
    assert Message.objects.get(chat_session=chat, seq=1).answered_by_id == again.message_id


@pytest.mark.parametrize(("status", "code"), [("complete", "not_retryable"), ("running", "reply_running")])
def test_retry_is_for_what_failed(
    principal: Principal, chat: ChatSession, spec: ReplySpec, status: str, code: str
) -> None:
    if status == "complete":
        ledger.finish(spec=spec, owner=OWNER, outcome=complete())
    with pytest.raises(Conflict) as raised:
        ledger.retry(principal=principal, chat_session_id=chat.id, message_id=spec.message_id, owner=OWNER)
    assert raised.value.code == code


def test_retry_of_an_older_reply_is_superseded(principal: Principal, chat: ChatSession, spec: ReplySpec) -> None:
    ledger.finish(spec=spec, owner=OWNER, outcome=complete("", "failed", "provider_timeout"))
    ledger.finish(spec=start(principal, chat), owner=OWNER, outcome=complete())
    with pytest.raises(Conflict) as raised:
        ledger.retry(principal=principal, chat_session_id=chat.id, message_id=spec.message_id, owner=OWNER)
    assert raised.value.code == "superseded"


def test_which_database_this_ran_on(db: None) -> None:
    print(f"ledger on {connection.vendor}")


def test_accept_that_is_made_again_after_a_dead_commit_stores_one_message(
    principal: Principal, chat: ChatSession
) -> None:
    message_id = uuid7()
    first = say(principal, chat, "me", message_id=message_id)
    again = say(principal, chat, "me", message_id=message_id)
    assert (first.is_duplicate, again.is_duplicate) == (False, True)
    assert again.message["id"] == first.message["id"]
    assert Message.objects.filter(chat_session=chat, role="user").count() == 1
