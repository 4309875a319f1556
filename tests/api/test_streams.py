"""Replies as Server-Sent Events, and how to come back to one."""

from itertools import pairwise
from uuid import uuid4

import pytest

from tests.api.checks import on_sqlite, outcome, path_of
from tests.client import ApiClient, Event
from tests.services.provider import Provider

EMOJI = "Ein 🦊 und 👩‍👩‍👧‍👦 und é\u0301 — 你好 𝕏 ende"


@pytest.fixture
def chat(alice: ApiClient) -> str:
    return alice.start()["id"]


def deltas_of(events: list[Event]):
    return [event for event in events if event.name == "reply.delta"]


def text_of(events: list[Event]) -> str:
    return "".join(event.data["text"] for event in deltas_of(events))


def read_until(events, name: str, count: int = 1) -> list[Event]:
    """The events up to the `count`th of a name; then the line is hung up."""
    found: list[Event] = []
    for event in events:
        found.append(event)
        if [one.name for one in found].count(name) == count:
            break
    events.close()
    return found


def test_events_of_a_turn_come_in_order(alice: ApiClient, chat: str):
    events = list(alice.sse(chat, "[[n=5,gap=20]]", client_message_id="mine"))
    names = [event.name for event in events]
    assert names[:2] == ["message.accepted", "reply.started"]
    assert set(names[2:-1]) == {"reply.delta"}
    assert names[-1] == "reply.completed"
    assert all(event.data["type"] == event.name for event in events)
    accepted, started, end = events[0].data, events[1].data, events[-1].data
    assert (accepted["client_message_id"], accepted["seq"], started["seq"]) == ("mine", 1, 2)
    assert [row["id"] for row in alice.messages(chat)] == [accepted["message_id"], started["message_id"]]
    assert end["message"] == alice.messages(chat)[1]


def test_deltas_join_to_the_content_by_code_points(alice: ApiClient, chat: str, provider: Provider):
    events = list(alice.sse(chat, provider.reply_with(EMOJI, tokens_delay=0.02)))
    reply, deltas = events[-1].data["message"], deltas_of(events)
    assert text_of(events) == reply["content"] == EMOJI
    assert len(deltas) > 1
    assert deltas[0].data["offset"] == 0
    for before, after in pairwise(deltas):
        assert after.data["offset"] == before.data["offset"] + len(before.data["text"])
    lengths = [delta.data["offset"] + len(delta.data["text"]) for delta in deltas]
    assert [event.id for event in events] == ["", *(f"{reply['id']}:{n}" for n in [0, *lengths, len(EMOJI)])]


def test_stream_of_a_failed_reply_ends_with_the_failure(alice: ApiClient, chat: str):
    end = list(alice.sse(chat, f"[[401]] {uuid4()}"))[-1]
    assert (end.name, end.data["code"], end.data["retryable"]) == ("reply.failed", "provider_auth_failed", False)
    assert end.data["message"]["error"]["code"] == "provider_auth_failed"


def test_retry_streams_too(alice: ApiClient, chat: str):
    failed = alice.send(chat, f"again [[401,times=1]] {uuid4()}")["reply"]["id"]
    events = list(alice._events("POST", path_of(chat, f"messages/{failed}/retry/")))
    assert [events[0].name, events[-1].name] == ["reply.started", "reply.completed"]
    assert text_of(events) == events[-1].data["message"]["content"]


def test_message_again_streams_the_same_reply(alice: ApiClient, chat: str, provider: Provider):
    content = provider.reply_with(EMOJI)
    first = list(alice.sse(chat, content, client_message_id="once"))
    again = list(alice.sse(chat, content, client_message_id="once"))
    assert (again[0], again[1], again[-1]) == (first[0], first[1], first[-1])
    assert text_of(again) == EMOJI
    assert len(alice.messages(chat)) == 2


def test_hanging_up_does_not_stop_the_reply(alice: ApiClient, chat: str):
    read_until(alice.sse(chat, "[[n=100,gap=20]]"), "message.accepted")
    events = list(alice.resume(chat))
    assert events[-1].name == "reply.completed"
    assert events[-1].data["message"]["content"].endswith("t99 ")


def test_running_reply_is_resumed_where_it_was_left(alice: ApiClient, chat: str):
    seen = read_until(alice.sse(chat, "[[n=100,gap=30]]"), "reply.delta", 3)
    rest = list(alice.resume(chat, seen[-1].id))
    assert [rest[0].name, rest[-1].name] == ["reply.started", "reply.completed"]
    assert deltas_of(rest)[0].data["offset"] == len(text_of(seen))
    assert text_of(seen) + text_of(rest) == rest[-1].data["message"]["content"]


def test_running_reply_is_told_whole_to_who_knows_nothing(alice: ApiClient, chat: str):
    read_until(alice.sse(chat, "[[n=150,gap=30]]"), "reply.delta", 3)
    for last_id in ("", f"{uuid4()}:4"):
        events = read_until(alice.resume(chat, last_id), "reply.delta", 2)
        assert text_of(events).startswith("t0 t1 t2")
        assert deltas_of(events)[0].data["offset"] == 0
    assert list(alice.resume(chat))[-1].data["message"]["content"].endswith("t149 ")


def test_nothing_to_resume_is_no_content(alice: ApiClient, chat: str):
    assert alice.get(path_of(chat, "stream/")).status_code == 204
    turn = alice.send(chat, "hello")
    for last_id in ("", f"{turn['reply']['id']}:15", f"{turn['message']['id']}:0", f"{uuid4()}:3"):
        response = alice.get(path_of(chat, "stream/"), headers={"Last-Event-ID": last_id} if last_id else {})
        assert (response.status_code, response.content) == (204, b"")


def test_missing_tail_of_an_ended_reply_is_told(alice: ApiClient, chat: str, provider: Provider):
    reply = alice.send(chat, provider.reply_with(EMOJI))["reply"]
    events = list(alice.resume(chat, f"{reply['id']}:5"))
    assert [event.name for event in events] == ["reply.delta", "reply.completed"]
    assert (events[0].data["offset"], events[0].data["text"]) == (5, EMOJI[5:])
    assert events[1].data["message"] == reply


@pytest.mark.parametrize(
    "last_id", ["x", "x:1", "{id}", "{id}:", "{id}:-1", "{id}:1.0", "{id}:9999999999", "{id}:x", ":5"]
)
@on_sqlite
def test_last_event_id_that_is_not_ours_is_refused(alice: ApiClient, chat: str, last_id: str):
    headers = {"Last-Event-ID": last_id.format(id=uuid4())}
    assert outcome(alice.get(path_of(chat, "stream/"), headers=headers)) == (400, "bad_cursor")
