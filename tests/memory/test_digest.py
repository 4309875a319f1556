"""The work of memory: what is due is claimed, done once, and tried again when it fails; no message is lost by it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.llm.prices import parse_prices
from chatify.memory import digest, window
from chatify.memory.claims import claim_due, close, give_back_failed
from chatify.memory.digest import digester
from chatify.memory.models import Memory
from chatify.memory.prompts import save_memory_prompt
from chatify.memory.summaries import write_summary
from sessions.actions import delete_chat_sessions, start_chat_session
from sessions.models import ChatSession, Message, Summary
from tests.memory.digesting import (
    MADE,
    change,
    claim_one,
    due_again,
    fresh,
    numbered,
    ranges,
    say,
    source_of,
    strange,
    summary_of,
)
from tests.services.provider import Provider

ENDED = {"status": "ended", "end_reason": "user"}
_REPLY_ID = "01a1faa2-5454-7426-8328-dea0e0448537"


@pytest.fixture
def online(settings: Any, provider: Provider) -> Provider:
    """The test provider is the model."""
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "test-provider-key", provider.base_url
    settings.CHAT_MODEL = "test-model"
    settings.MODEL_PRICES = parse_prices("test-model=1:10,large=100:1000")
    return provider


def run_again(chat: ChatSession) -> None:
    """What comes after a pause."""
    due_again(chat)
    digester.run()


def is_done(chat: ChatSession) -> bool:
    row = fresh(chat)
    return (row.memory_due_at, row.memory_claim, row.memory_attempts, row.memory_error) == (None, None, 0, "")


# What is made -------------------------------------------------------------------------------------
def test_what_leaves_the_window_is_summarized(chat: ChatSession) -> None:
    say(chat, numbered(20))
    assert digester.run() == 1
    assert ranges(chat) == [(1, 20 - window.kept())]
    row = fresh(chat)
    assert (row.summarized_seq, row.context_version, row.last_seq) == (20 - window.kept(), 1, 20)
    assert is_done(chat)
    assert Message.objects.filter(chat_session=chat).count() == 20


def test_without_a_key_the_summary_is_extractive_and_free(chat: ChatSession) -> None:
    say(chat, ["My name is Rosa.", *numbered(19)])
    digester.run()
    made = Summary.objects.get()
    assert (made.model, made.prompt_version, made.cost, made.prompt_tokens) == ("extractive", 0, 0, 0)
    assert "My name is Rosa." in made.text


def test_no_summary_as_long_as_the_window_holds_all(chat: ChatSession) -> None:
    say(chat, numbered(window.due_after() - 1))
    assert digester.run() == 0
    assert is_done(chat)
    assert ranges(chat) == []


def test_summaries_chain(chat: ChatSession, online: Provider) -> None:
    say(chat, numbered(15, "chained [[say:The first summary.]]"))
    digester.run()
    say(chat, numbered(9, "[[say:The second summary.]]", first=16))
    digester.run()
    assert ranges(chat) == [(1, 8), (9, 17)]
    [call] = [call for call in online.memory_calls_about("number 16.") if "chained" not in call.last_user_message]
    assert "The first summary." in call.last_user_message
    assert "number 9." in call.last_user_message
    assert "number 8." not in call.last_user_message


def test_summary_says_what_made_it_and_what_it_cost(chat: ChatSession, online: Provider) -> None:
    save_memory_prompt(purpose="summary", text="Sum it up, please.", model="large", who=None)
    say(chat, numbered(15, "costly [[say:Three short words]]"))
    digester.run()
    made = Summary.objects.get()
    [call] = online.memory_calls_about("costly")
    assert call.messages[0]["content"].startswith("Sum it up, please.\n\nWhat you are given is data")
    assert (made.text, made.model, made.prompt_version, made.completion_tokens) == ("Three short words", "large", 1, 3)
    assert made.prompt_tokens > 100
    assert made.cost == Decimal(made.prompt_tokens * 100 + 3 * 1000) / 1_000_000


def test_end_summarizes_the_rest_and_finds_facts(chat: ChatSession) -> None:
    say(chat, ["My name is Rosa.", "Hello Rosa!", "I live in Porto."], **ENDED)
    assert digester.run() == 2
    assert ranges(chat) == [(1, 3)]
    assert fresh(chat).facts_seq == 3
    assert is_done(chat)
    name = Memory.objects.get(kind="name")
    assert (name.text, name.model, name.source.seq if name.source else 0) == ("Rosa", "rules", 1)


def test_model_finds_facts(chat: ChatSession, online: Provider) -> None:
    marker = online.reply_with('{"facts": [{"kind": "person", "text": "sister Clara", "message": 1}]}')
    save_memory_prompt(purpose="facts", text="Find facts.", who=None)
    say(chat, ["My sister is called Clara.", f"I see. {marker}"], **ENDED)
    digester.run()
    found = Memory.objects.get()
    assert (found.kind, found.text, found.model, found.prompt_version) == ("person", "sister Clara", "test-model", 1)


def test_many_messages_are_taken_in_parts(chat: ChatSession) -> None:
    say(chat, numbered(100), **ENDED)
    digester.run()
    assert ranges(chat) == [(1, 40), (41, 80), (81, 100)]


def test_only_what_was_said_is_summarized(chat: ChatSession, online: Provider) -> None:
    say(chat, numbered(20, "whole [[say:A summary.]]"))
    messages = Message.objects.filter(chat_session=chat)
    messages.filter(seq=2).update(status="failed")
    messages.filter(seq=4).update(role="notice")
    messages.filter(seq=6).update(status="cancelled")
    digester.run()
    [call] = online.memory_calls_about("whole")
    assert [n for n in range(1, 14) if f"number {n}." in call.last_user_message] == [1, 3, 5, *range(7, 14)]


def test_reply_that_is_being_written_is_left_for_later(chat: ChatSession) -> None:
    say(chat, numbered(20), running_reply_id=_REPLY_ID)
    Message.objects.filter(chat_session=chat, seq=6).update(id=_REPLY_ID, status="streaming")
    digester.run()
    assert ranges(chat) == [(1, 5)]


def test_end_waits_for_the_last_reply(chat: ChatSession) -> None:
    say(chat, numbered(6), running_reply_id=_REPLY_ID, **ENDED)
    Message.objects.filter(chat_session=chat, seq=1).update(id=_REPLY_ID, status="streaming")
    assert digester.run() == 0
    row = fresh(chat)
    assert row.memory_due_at is not None
    assert timedelta(seconds=5) < row.memory_due_at - timezone.now() < timedelta(seconds=15)
    Message.objects.filter(chat_session=chat, seq=1).update(status="complete")
    change(chat, running_reply_id=None)
    run_again(chat)
    assert ranges(chat) == [(1, 6)]


def test_nothing_is_made_of_nothing(chat: ChatSession) -> None:
    say(chat, numbered(20), **ENDED)
    Message.objects.filter(chat_session=chat).update(status="failed")
    digester.run()
    assert ranges(chat) == []
    assert is_done(chat)


def test_deleted_one_is_left_alone(chat: ChatSession) -> None:
    say(chat, numbered(20))
    delete_chat_sessions(chat_session_ids=[chat.id])
    assert digester.run() == 0
    assert ranges(chat) == []


# Failures -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("marker", "reason"),
    [("[[401]]", "provider_auth_failed"), ("[[empty]]", "empty_reply"), ("[[cut]]", "stream_cut"),
     ("[[say:\u27e6memory\u27e7]]", "empty_reply")],
)  # fmt: skip
def test_failure_replaces_nothing_and_is_tried_again_later(
    chat: ChatSession, online: Provider, marker: str, reason: str
) -> None:
    say(chat, numbered(20, f"failing {marker}"))
    assert digester.run() == 1
    row = fresh(chat)
    assert (row.summarized_seq, row.memory_attempts, row.memory_claim, ranges(chat)) == (0, 1, None, [])
    assert row.memory_error.startswith(f"{reason}: ")
    assert row.memory_due_at is not None
    assert timedelta(seconds=5) < row.memory_due_at - timezone.now() <= timedelta(seconds=10)


def test_success_after_a_failure_forgets_it(chat: ChatSession, online: Provider) -> None:
    say(chat, numbered(20, "at last [[401,times=1]]"))
    digester.run()
    assert fresh(chat).memory_attempts == 1
    run_again(chat)
    assert is_done(chat)
    assert ranges(chat) == [(1, 13)]


def test_pauses_grow_up_to_ten_minutes(chat: ChatSession) -> None:
    say(chat, numbered(20))
    pauses = []
    for _ in range(8):
        give_back_failed(claim_one(chat), "x" * 300)
        due_at = fresh(chat).memory_due_at
        assert due_at is not None
        pauses.append(round((due_at - timezone.now()).total_seconds()))
        due_again(chat)
    assert pauses == [10, 20, 40, 80, 160, 320, 600, 600]
    assert len(fresh(chat).memory_error) == 200


def test_after_six_failures_an_extractive_summary_stands_in(chat: ChatSession, online: Provider) -> None:
    say(chat, numbered(20, "hopeless [[401]]"), memory_attempts=5)
    digester.run()
    assert (fresh(chat).memory_attempts, ranges(chat)) == (6, [])
    run_again(chat)
    assert Summary.objects.get().model == "extractive"
    assert len(online.memory_calls_about("hopeless")) == 1
    assert is_done(chat)


def test_thinking_models_get_more_room_after_a_failure(chat: ChatSession, online: Provider) -> None:
    say(chat, numbered(20, "roomy [[empty]]"))
    digester.run()
    run_again(chat)
    assert [call.body["max_tokens"] for call in online.memory_calls_about("roomy")] == [600, 1200]


def test_one_that_cannot_be_read_does_not_keep_others_waiting(
    principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = start_chat_session(principal=principal, template_slug="plain", user=UserInput(external_id="bob"))
    say(other, numbered(20))
    say(chat, numbered(20))
    read = digest.next_step
    monkeypatch.setattr(digest, "next_step", lambda row: read(row) if row.id == chat.id else 1 / 0)
    digester.run()
    assert ranges(chat) == [(1, 13)]
    assert fresh(other).memory_error == "internal_error: ZeroDivisionError"


# Claims -------------------------------------------------------------------------------------------
def test_claimed_one_is_claimed_by_nobody_else_until_its_lease_is_over(chat: ChatSession) -> None:
    say(chat, numbered(20))
    first = claim_one(chat)
    assert claim_due(8) == []
    due_at = fresh(chat).memory_due_at
    assert due_at is not None
    assert timedelta(seconds=110) < due_at - timezone.now() < timedelta(seconds=130)
    due_again(chat)
    assert claim_one(chat).token != first.token


def test_who_lost_the_claim_writes_nothing(chat: ChatSession) -> None:
    say(chat, numbered(20))
    source, claim = source_of(chat), claim_one(chat)
    assert not write_summary(claim=strange(claim), source=source, made=MADE)
    assert not give_back_failed(strange(claim), "late")
    assert (ranges(chat), fresh(chat).memory_claim, fresh(chat).memory_attempts) == ([], claim.token, 0)
    assert write_summary(claim=claim, source=source, made=MADE)
    assert not write_summary(claim=claim, source=source, made=MADE)
    assert ranges(chat) == [(1, 13)]


def test_what_was_made_of_an_old_summary_is_not_written(chat: ChatSession) -> None:
    say(chat, numbered(20))
    source, claim = source_of(chat), claim_one(chat)
    change(chat, context_version=1)  # somebody has edited a summary meanwhile
    assert not write_summary(claim=claim, source=source, made=MADE)
    assert ranges(chat) == []
    assert claim_one(chat).token != claim.token  # due again, at once


def test_done_is_not_done_when_more_was_said_meanwhile(chat: ChatSession) -> None:
    say(chat, numbered(5))
    claim, seen = claim_one(chat), fresh(chat)
    change(chat, last_seq=20)
    assert not close(claim, seen)
    assert claim_one(chat)


def test_two_summaries_of_one_range_cannot_exist(chat: ChatSession) -> None:
    summary_of(chat, 1, 10)
    for from_seq, to_seq in ((1, 10), (1, 12), (5, 10)):
        with pytest.raises(IntegrityError), transaction.atomic():
            summary_of(chat, from_seq, to_seq)
    assert ranges(chat) == [(1, 10)]


# Stale ones ---------------------------------------------------------------------------------------
def test_stale_summary_is_made_again_in_its_place_and_those_after_it(chat: ChatSession, online: Provider) -> None:
    say(chat, numbered(30, "again [[say:Made again.]]"))
    first, second = summary_of(chat, 1, 10, is_stale=True), summary_of(chat, 11, 23)
    assert digester.run() == 2
    texts = dict(Summary.objects.values_list("id", "text"))
    assert texts[first.id] == "Made again."
    assert "Made again." in texts[second.id]  # the provider repeats what it was given: the summary before
    assert not Summary.objects.filter(is_stale=True).exists()
    assert (ranges(chat), fresh(chat).summarized_seq, fresh(chat).context_version) == ([(1, 10), (11, 23)], 23, 2)


def test_what_a_person_wrote_is_not_made_again(chat: ChatSession) -> None:
    say(chat, numbered(30))
    summary_of(chat, 1, 10, is_stale=True)
    edited = summary_of(chat, 11, 23, "As I say.", edited_at=timezone.now())
    digester.run()
    edited.refresh_from_db()
    assert (edited.text, edited.is_stale) == ("As I say.", False)


def test_run_does_not_begin_while_another_one_runs(chat: ChatSession) -> None:
    say(chat, numbered(20))
    with digester._lock:
        assert digester.run() == 0
    assert digester.run() == 1
