"""Turns over REST: messages, their replies, idempotency, stop, retry, age."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from uuid import uuid4

import pytest

from tests.api.checks import SESSIONS, change_rows, fields_of, outcome, path_of
from tests.client import ApiClient
from tests.services.provider import Provider
from tests.services.server import Server
from tests.waiting import wait_until

Background = Callable[..., "Future"]


@pytest.fixture
def background():
    """Calls a function on another thread: `background(alice.send, chat, "hello").result()`."""
    with ThreadPoolExecutor(8) as pool:
        yield pool.submit


@pytest.fixture
def chat(alice: ApiClient) -> str:
    return alice.start()["id"]


def say(client: ApiClient, chat: str, content: str, **fields):
    return client.post(path_of(chat, "messages/"), {"content": content, **fields})


def retry(client: ApiClient, chat: str, message_id: str):
    return client.post(path_of(chat, f"messages/{message_id}/retry/"))


def wait_running(client: ApiClient, chat: str, count: int = 2):
    """Wait until so many messages are there, the last of them a running reply; gives it."""
    found = wait_until(lambda: len(rows := client.messages(chat)) >= count and rows, what="a running reply")
    assert found[-1]["status"] == "streaming"
    return found[-1]


# Message and reply --------------------------------------------------------------------------------
def test_turn_is_answered_as_json(alice: ApiClient, chat: str):
    turn = say(alice, chat, "hello", client_message_id="mine").json()
    message, reply = turn["message"], turn["reply"]
    assert (message["seq"], message["role"], message["status"]) == (1, "user", "complete")
    assert (message["content"], message["client_message_id"]) == ("hello", "mine")
    assert (reply["seq"], reply["role"], reply["status"]) == (2, "assistant", "complete")
    assert (reply["content"], reply["model"]) == ("You said: hello", "test-model")
    assert reply["sender"] == {"kind": "ai", "name": "Milo"}
    assert message["answered_by"] == reply["id"]
    assert "error" not in reply
    assert reply["latency_ms"] >= 0
    assert datetime.fromisoformat(reply["finished_at"]) >= datetime.fromisoformat(reply["created_at"])
    assert alice.messages(chat) == [message, reply]


def test_model_gets_prompt_profile_and_history(alice: ApiClient, provider: Provider):
    chat = alice.start(name="Ada", interests=["fog"])["id"]
    alice.send(chat, "first")
    said = f"second {uuid4()}"
    alice.send(chat, said)
    system, greeting, *history = provider.wait_for_call(said).messages
    assert system["role"] == "system"
    assert "You are Milo" in system["content"]
    assert '"fog"' in system["content"]
    assert greeting["role"] == "assistant"
    assert greeting["content"].startswith("Hi Ada!")
    assert [one["content"] for one in history] == ["first", "You said: first", said]


def test_usage_is_counted(alice: ApiClient, chat: str):
    replies = [alice.send(chat, "one two three")["reply"], alice.send(chat, "[[n=7]]")["reply"]]
    for reply, tokens in zip(replies, (5, 7), strict=True):
        usage = reply["usage"]
        assert (usage["completion_tokens"], usage["is_estimated"]) == (tokens, False)
        assert usage["total_tokens"] == usage["prompt_tokens"] + tokens
    found = alice.get(path_of(chat)).json()
    assert found["total_tokens_used"] == sum(reply["usage"]["total_tokens"] for reply in replies)
    assert (found["last_seq"], found["message_count"]) == (4, 4)


def test_messages_come_in_pages_by_seq(alice: ApiClient, chat: str):
    for number in range(3):
        alice.send(chat, f"message {number}")
    assert [one["seq"] for one in alice.messages(chat)] == [1, 2, 3, 4, 5, 6]
    assert [one["seq"] for one in alice.messages(chat, limit=2)] == [1, 2]
    assert [one["seq"] for one in alice.messages(chat, after_seq=2, limit=3)] == [3, 4, 5]
    assert alice.messages(chat, after_seq=6) == []


@pytest.mark.parametrize("content", ["  spaces kept \n", "🦊" * 8000, "e\u0301 \u202e bidi \ufeff", "a" * 8000])
def test_message_is_kept_exactly_as_sent(alice: ApiClient, chat: str, content: str):
    turn = say(alice, chat, content)
    assert turn.status_code == 200
    assert turn.json()["message"]["content"] == content == alice.messages(chat)[0]["content"]


def test_only_the_model_on_offer_can_be_asked_for(alice: ApiClient, chat: str):
    response = say(alice, chat, "hi", model="gpt-9")
    assert outcome(response) == (400, "unknown_model")
    assert fields_of(response) == [("model", "unknown_model")]
    assert alice.messages(chat) == []
    assert say(alice, chat, "hi", model="test-model").status_code == 200


def test_messages_during_a_reply_are_answered_together(
    alice: ApiClient, chat: str, provider: Provider, background: Background
):
    first = background(alice.send, chat, "[[n=100,gap=30]]")
    wait_running(alice, chat)
    mark = uuid4().hex
    second = background(alice.send, chat, f"b {mark}")
    wait_until(lambda: len(alice.messages(chat)) == 3)
    third = background(alice.send, chat, f"c {mark}")
    turns = [second.result(), third.result()]
    rows = alice.messages(chat)
    assert [row["role"] for row in rows] == ["user", "assistant", "user", "user", "assistant"]
    assert rows[0]["answered_by"] == first.result()["reply"]["id"] == rows[1]["id"]
    assert {row.get("answered_by") for row in rows[2:4]} == {rows[4]["id"]}
    assert [turn["reply"] for turn in turns] == [rows[4], rows[4]]
    assert len(provider.calls_about(mark)) == 1
    assert [one["content"] for one in provider.calls_about(mark)[0].messages[-2:]] == [f"b {mark}", f"c {mark}"]


# The same message again ---------------------------------------------------------------------------
def test_same_message_again_gives_the_same_answer(alice: ApiClient, chat: str):
    first = alice.send(chat, "hello", client_message_id="once")
    assert alice.send(chat, "hello", client_message_id="once") == first
    alice.send(chat, "later")
    assert alice.send(chat, "hello", client_message_id="once") == first
    assert len(alice.messages(chat)) == 4


def test_same_message_while_the_reply_runs_waits_for_it(alice: ApiClient, chat: str, background: Background):
    first = background(alice.send, chat, "[[n=50,gap=40]]", client_message_id="once")
    wait_running(alice, chat)
    assert alice.send(chat, "[[n=50,gap=40]]", client_message_id="once")["reply"] == first.result()["reply"]
    assert len(alice.messages(chat)) == 2


def test_same_message_at_once_makes_one_row(alice: ApiClient, chat: str, background: Background):
    sent = [background(alice.send, chat, "hello", client_message_id="once") for _ in range(6)]
    answers = [one.result() for one in sent]
    assert len({(answer["message"]["id"], answer["reply"]["id"]) for answer in answers}) == 1
    assert [row["seq"] for row in alice.messages(chat)] == [1, 2]


def test_same_id_with_another_content_is_a_conflict(alice: ApiClient, chat: str):
    alice.send(chat, "hello", client_message_id="once")
    assert outcome(say(alice, chat, "hello ", client_message_id="once")) == (409, "client_message_id_reused")
    assert len(alice.messages(chat)) == 2


def test_client_message_id_counts_in_one_chat_session_only(alice: ApiClient, chat: str):
    other = alice.start()["id"]
    first, second = (alice.send(id_, "hello", client_message_id="x" * 128) for id_ in (chat, other))
    assert first["message"]["id"] != second["message"]["id"]


# Stop ---------------------------------------------------------------------------------------------
def test_stop_keeps_the_text_so_far(alice: ApiClient, chat: str, provider: Provider, background: Background):
    said = f"[[slow]] {uuid4()}"
    sent = background(alice.send, chat, said)
    call = provider.wait_for_call(said)
    wait_until(lambda: call.tokens_sent > 2)
    assert alice.post(path_of(chat, "stop/")).json() == {"stopped": True}
    reply = sent.result()["reply"]
    assert reply["status"] == "cancelled"
    assert "error" not in reply
    assert reply["content"].startswith("t0 t1 ")
    assert "t59" not in reply["content"]
    wait_until(lambda: call.state == "aborted")
    assert alice.post(path_of(chat, "stop/")).json() == {"stopped": False}
    assert alice.send(chat, "go on")["reply"]["status"] == "complete"


def test_nothing_running_is_not_stopped(alice: ApiClient, chat: str):
    assert alice.post(path_of(chat, "stop/")).json() == {"stopped": False}


# Failure and retry --------------------------------------------------------------------------------
FAILURES = {
    "[[500]]": ("provider_unavailable", True, ""),
    "[[429]]": ("provider_rate_limited", True, ""),
    "[[401]]": ("provider_auth_failed", False, ""),
    "[[403]]": ("provider_auth_failed", False, ""),
    "[[400]]": ("provider_rejected", False, ""),
    "[[html]]": ("stream_cut", True, ""),
    "[[empty]]": ("empty_reply", True, ""),
    "[[n=6]] [[cut]]": ("stream_cut", True, "t0 t1 t2 "),
    "[[n=6]] [[garbage]]": ("stream_garbled", True, "t0 t1 t2 "),
    "[[n=6]] [[error]]": ("provider_unavailable", True, "t0 t1 t2 "),
    "[[n=6]] [[filter]]": ("content_filtered", True, "t0 t1 t2 "),
}


def test_failure_of_the_provider_is_told_with_the_text_so_far(alice: ApiClient, background: Background):
    def fail(marker: str):
        turn = alice.send(alice.start()["id"], marker)  # 200: the message was accepted
        reply = turn["reply"]
        assert (turn["message"]["answered_by"], reply["status"]) == (reply["id"], "failed")
        assert reply["error"]["message"]
        return reply["error"]["code"], reply["error"]["retryable"], reply["content"]

    running = {marker: background(fail, marker) for marker in FAILURES}
    assert {marker: one.result() for marker, one in running.items()} == FAILURES


def test_broken_line_keeps_what_had_come(alice: ApiClient, chat: str):
    reply = alice.send(chat, "[[n=6,gap=50]] [[reset]]")["reply"]
    assert (reply["status"], reply["error"]["code"]) == ("failed", "stream_cut")
    assert reply["content"] in ("t0 t1 ", "t0 t1 t2 ")  # a reset takes along what the kernel still had


def test_reply_that_hits_the_token_limit_is_complete(alice: ApiClient, chat: str):
    reply = alice.send(chat, "[[n=4]] [[length]]")["reply"]
    assert (reply["status"], reply["content"]) == ("complete", "t0 t1 t2 t3 ")


def test_retry_makes_another_reply_to_the_same_message(alice: ApiClient, chat: str, provider: Provider):
    said = f"please {uuid4()}"
    failed = alice.send(chat, f"{said} [[401,times=1]]")["reply"]
    reply = retry(alice, chat, failed["id"]).json()["reply"]
    assert (reply["status"], reply["content"], reply["seq"]) == ("complete", f"You said: {said}", 3)
    rows = alice.messages(chat)
    assert [row["status"] for row in rows] == ["complete", "failed", "complete"]
    assert rows[0]["answered_by"] == reply["id"] == rows[2]["id"]
    assert provider.calls_about(said)[-1].messages[-1]["content"].startswith(said)


def test_stopped_reply_can_be_retried(alice: ApiClient, chat: str, provider: Provider, background: Background):
    said = f"[[slow]] {uuid4()}"
    sent = background(alice.send, chat, said)
    call = provider.wait_for_call(said)
    wait_until(lambda: call.tokens_sent > 1)
    alice.post(path_of(chat, "stop/"))
    with alice.stream("POST", path_of(chat, f"messages/{sent.result()['reply']['id']}/retry/")) as response:
        assert response.status_code == 200
        alice.post(path_of(chat, "stop/"))
    second = wait_until(lambda: len(provider.calls_about(said)) == 2 and provider.calls_about(said)[1])
    assert [one["role"] for one in second.messages[-2:]] == ["assistant", "user"]  # without the stopped text


def test_retry_is_refused_where_it_makes_no_sense(alice: ApiClient, chat: str, background: Background):
    turn = alice.send(chat, f"[[401]] {uuid4()}")
    failed, said = turn["reply"]["id"], turn["message"]["id"]
    assert outcome(retry(alice, chat, said)) == (409, "not_retryable")
    assert outcome(retry(alice, chat, str(uuid4()))) == (404, "not_found")
    sent = background(alice.send, chat, "[[n=50,gap=40]]")
    wait_running(alice, chat, 4)
    assert outcome(retry(alice, chat, failed)) == (409, "reply_running")
    complete = sent.result()["reply"]["id"]
    assert outcome(retry(alice, chat, complete)) == (409, "not_retryable")
    assert outcome(retry(alice, chat, failed)) == (409, "superseded")
    assert len(alice.messages(chat)) == 4


# Age ----------------------------------------------------------------------------------------------
@pytest.fixture
def adult_chat(alice: ApiClient) -> str:
    return alice.start("flirty_chat", age=18)["id"]


def test_age_is_checked_at_every_turn(alice: ApiClient, adult_chat: str, server: Server):
    failed = alice.send(adult_chat, f"[[401]] {uuid4()}")["reply"]["id"]
    change_rows(server, "update accounts_enduser set age = 17 where external_id = ?", alice.external_id)
    assert outcome(say(alice, adult_chat, "hi")) == (403, "age_restricted")
    assert outcome(retry(alice, adult_chat, failed)) == (403, "age_restricted")
    assert len(alice.messages(adult_chat)) == 2


def test_start_that_lowers_the_age_closes_what_is_for_adults(alice: ApiClient, adult_chat: str):
    alice.start("casual_chat", age=17)
    assert outcome(say(alice, adult_chat, "hi")) == (403, "age_restricted")
    alice.start("casual_chat", age=18)
    assert say(alice, adult_chat, "hi").status_code == 200
    alice.start("casual_chat", age=None)
    assert outcome(say(alice, adult_chat, "hi")) == (403, "age_restricted")


def test_waiting_message_of_a_minor_gets_no_reply(alice: ApiClient, adult_chat: str, background: Background):
    sent = background(alice.send, adult_chat, "[[n=75,gap=40]]")
    wait_running(alice, adult_chat)
    with alice.socket(adult_chat) as socket:
        socket.send("message.send", content="and then?")
        socket.recv_until("message.accepted")
        alice.post(SESSIONS, {"user": {"external_id": alice.external_id, "age": 17}})
        assert sent.result()["reply"]["status"] == "complete"
    assert [row["role"] for row in alice.messages(adult_chat)] == ["user", "assistant", "user"]


def test_accepted_message_may_be_repeated_after_the_end(alice: ApiClient) -> None:
    session = alice.start()
    first = alice.send(session["id"], "Remember me", client_message_id="once")
    alice.post(path_of(session["id"], "end/"))
    again = alice.send(session["id"], "Remember me", client_message_id="once")
    assert again["message"]["id"] == first["message"]["id"]
    assert say(alice, session["id"], "Something new").status_code == 409


def test_stopped_reply_that_was_asked_for_again_is_not_in_the_context(
    alice: ApiClient, chat: str, provider: Provider, background: Background
) -> None:
    marker = provider.reply_with("slowly said words", tokens_delay=0.3)
    asking = background(alice.send, chat, f"tell me {marker}")
    wait_running(alice, chat)
    alice.post(path_of(chat, "stop/"))
    stopped = asking.result()["reply"]
    retry(alice, chat, stopped["id"])
    third = provider.reply_with("third")
    alice.send(chat, f"and now {third}")
    context = provider.calls_about(third)[-1].messages
    assert [one["role"] for one in context[1:]].count("assistant") == 2  # the greeting, and the reply that counts
