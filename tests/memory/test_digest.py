"""The work of memory: what is due is claimed, done once, and tried again when it fails; no message is lost by it."""

from __future__ import annotations

import threading
from asyncio import _get_running_loop
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from chatify.accounts.models import Usage as TokenUsage
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.llm.prices import parse_prices
from chatify.memory import digest, window
from chatify.memory.claims import MOST_COUNTED, claim_due, close, give_back_failed
from chatify.memory.digest import Digester, digester
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
     ("[[length]]", "stream_cut"),
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


def test_after_six_useless_answers_an_extractive_summary_stands_in(chat: ChatSession, online: Provider) -> None:
    say(chat, numbered(20, "hopeless [[empty]]"), memory_attempts=5, memory_error="stream_cut: x")
    digester.run()
    assert (fresh(chat).memory_attempts, ranges(chat)) == (6, [])
    run_again(chat)
    assert Summary.objects.get().model == "extractive"
    assert len(online.memory_calls_about("hopeless")) == 1
    assert is_done(chat)


@pytest.mark.parametrize("marker", ["[[401]]", "[[500]]"])
def test_outage_brings_no_stand_in_however_long_it_is(chat: ChatSession, online: Provider, marker: str) -> None:
    said = ["My sister is called Clara.", *numbered(5, f"outage {marker}")]
    say(chat, said, **ENDED, memory_attempts=200, memory_error="provider_timeout: x")
    run_again(chat)
    assert (fresh(chat).memory_attempts, ranges(chat), fresh(chat).facts_seq) == (201, [], 0)
    change(chat, summarized_seq=6)
    run_again(chat)
    assert (fresh(chat).memory_attempts, fresh(chat).facts_seq, Memory.objects.count()) == (202, 0, 0)


@pytest.mark.parametrize(
    ("code", "useless"),
    [("provider_timeout", 0), ("provider_unavailable", 0), ("provider_rate_limited", 0), ("provider_auth_failed", 0),
     ("provider_rejected", 7), ("content_filtered", 7), ("stream_cut", 7), ("internal_error", 7)],
)  # fmt: skip
def test_only_answers_of_no_use_count_towards_a_stand_in(chat: ChatSession, code: str, useless: int) -> None:
    say(chat, numbered(20), memory_attempts=7, memory_error=f"{code}: provider_timeout: x")
    assert claim_one(chat).useless == useless


def test_useless_answers_are_counted_anew_after_an_outage(chat: ChatSession, online: Provider) -> None:
    say(chat, numbered(20, "anew [[empty]]"), memory_attempts=50, memory_error="provider_unavailable: x")
    digester.run()
    assert (fresh(chat).memory_attempts, fresh(chat).memory_error[:12]) == (1, "empty_reply:")
    change(chat, memory_attempts=5)
    run_again(chat)
    assert ranges(chat) == []
    run_again(chat)
    assert Summary.objects.get().model == "extractive"


def test_failures_are_counted_as_far_as_the_database_can(chat: ChatSession) -> None:
    say(chat, numbered(20), memory_attempts=MOST_COUNTED, memory_error="provider_timeout: x")
    assert give_back_failed(claim_one(chat), "provider_timeout: x")
    assert fresh(chat).memory_attempts == MOST_COUNTED


@pytest.mark.parametrize("marker", ["[[empty]]", "[[length]]"])
def test_models_get_more_room_after_an_answer_that_was_cut(chat: ChatSession, online: Provider, marker: str) -> None:
    say(chat, numbered(20, f"roomy {marker}"))
    digester.run()
    run_again(chat)
    assert [call.body["max_tokens"] for call in online.memory_calls_about(f"roomy {marker}")] == [600, 1200]


def test_outage_gives_no_more_room(chat: ChatSession, online: Provider) -> None:
    say(chat, numbered(20, "narrow [[401]]"), memory_attempts=3, memory_error="provider_timeout: x")
    digester.run()
    assert [call.body["max_tokens"] for call in online.memory_calls_about("narrow")] == [600]


def test_summary_that_forgets_nearly_all_is_refused_and_what_it_had_is_kept(
    chat: ChatSession, online: Provider
) -> None:
    say(chat, numbered(30, first=1))
    before = "The user is called Rosa. " + " ".join(f"Fact {number} is of note." for number in range(20))
    summary_of(chat, 1, 10, before)
    Message.objects.filter(chat_session=chat, seq=11).update(content="forgetful [[say:OK]]")
    digester.run()
    assert ranges(chat) == [(1, 10)]
    assert fresh(chat).memory_error.startswith("empty_reply: The model's summary has 2 characters")
    change(chat, memory_attempts=6)
    run_again(chat)
    made = Summary.objects.latest("from_seq")
    assert (made.model, "The user is called Rosa." in made.text) == ("extractive", True)


def test_short_summary_of_little_is_taken(chat: ChatSession, online: Provider) -> None:
    say(chat, numbered(30))
    summary_of(chat, 1, 10, "x" * 400)
    Message.objects.filter(chat_session=chat, seq=11).update(content="[[say:OK]]")
    digester.run()
    assert Summary.objects.latest("from_seq").text == "OK"


def test_answer_about_facts_that_is_no_use_is_replaced_by_rules(chat: ChatSession, online: Provider) -> None:
    marker = online.reply_with("I found nothing.")
    error = "stream_garbled: x"
    say(chat, [f"I live in Porto. {marker}"], **ENDED, summarized_seq=1, memory_attempts=5, memory_error=error)
    digester.run()
    assert (fresh(chat).memory_attempts, Memory.objects.count()) == (6, 0)
    run_again(chat)
    assert Memory.objects.get().model == "rules"


def test_what_needs_no_model_holds_up_no_calls(chat: ChatSession, monkeypatch: pytest.MonkeyPatch) -> None:
    in_loop: list[bool] = []

    def watched(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(step: Any) -> Any:
            in_loop.append(_get_running_loop() is not None)
            return work(step)

        return run

    for name in ("make_extractive", "find_by_rules"):
        monkeypatch.setattr(digest, name, watched(getattr(digest, name)))
    say(chat, numbered(3), **ENDED)
    assert digester.run() == 2
    assert in_loop == [False, False]


# Tokens -------------------------------------------------------------------------------------------
def test_tokens_of_summaries_and_facts_are_counted_and_no_reply(chat: ChatSession, online: Provider) -> None:
    marker = online.reply_with('{"facts": []}')
    say(chat, ["I like tea.", f"Nice. {marker}"], **ENDED)
    digester.run()
    made, used = Summary.objects.get(), TokenUsage.objects.get()
    assert (used.end_user_id, used.tenant_id, used.replies) == (chat.end_user_id, chat.tenant_id, 0)
    of_summary = made.prompt_tokens + made.completion_tokens
    assert of_summary > 0
    assert used.tokens > of_summary + 1
    assert len(online.memory_calls_about(marker)) == 2


def test_tokens_count_also_when_the_summary_has_come_too_late(chat: ChatSession) -> None:
    say(chat, numbered(20))
    source, claim = source_of(chat), claim_one(chat)
    change(chat, context_version=1)
    assert not write_summary(claim=claim, source=source, made=MADE)
    assert TokenUsage.objects.get().tokens == MADE.usage.total


def test_what_cost_nothing_is_not_counted(chat: ChatSession) -> None:
    say(chat, numbered(20), **ENDED)
    assert digester.run() == 2
    assert not TokenUsage.objects.exists()


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


def test_new_summary_does_not_wait_for_those_that_are_made_again(chat: ChatSession, online: Provider) -> None:
    say(chat, numbered(60))
    for first in range(1, 40, 10):
        summary_of(chat, first, first + 9, is_stale=True)
    source = source_of(chat)
    assert (source.from_seq, source.stale_id) == (41, None)
    digester.run()
    assert not Summary.objects.filter(is_stale=True).exists()
    assert ranges(chat)[-1] == (41, 60 - window.kept())


# Stopping -----------------------------------------------------------------------------------------
def test_one_that_was_stopped_begins_no_run(chat: ChatSession) -> None:
    say(chat, numbered(20))
    stopped = Digester()
    stopped.stop()
    assert stopped.run() == 0
    assert fresh(chat).memory_claim is None
    assert digester.run() == 1


def test_stop_between_the_start_and_the_run_is_not_lost(chat: ChatSession, monkeypatch: pytest.MonkeyPatch) -> None:
    begins, ran = threading.Event(), list[int]()
    started = Digester()
    run = started.run
    monkeypatch.setattr(started, "run", lambda: ran.append(run()) if begins.wait(10) else None)
    monkeypatch.setattr(digest, "claim_due", lambda most: 1 / 0)
    started.start()
    started.stop(timeout=0)
    begins.set()
    started.stop()
    assert ran == [0]
