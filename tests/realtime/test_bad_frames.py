"""Bad frames: answered, never a closed socket for one of them, nothing written."""

import json
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatify.realtime.frames import type_of
from chatify.realtime.protocol import CLIENT_FRAMES, SERVER_FRAMES
from tests.api.checks import on_postgres, on_sqlite, state_of
from tests.client import ApiClient, Socket

ID = str(uuid4())
HI = {"type": "message.send", "content": "a"}
UNREADABLE = [
    (b'{"type": "ping\xff"}', "not_utf8", ""),
    (b"", "not_json", ""),
    (b'{"type": "ping"', "not_json", ""),
    (b'[{"type": "ping"}]', "required", "type"),
    (b"null", "required", "type"),
    (b"7", "required", "type"),
    (b'{"type": "ping", "type": "ping"}', "duplicate_key", "type"),
    (b'{"type": "ping", "x":' + b"[" * 32 + b"]" * 32 + b"}", "too_deep", ""),
    (b"[" * 60_000, "too_deep", ""),
    (b"[" * 33 + b'\\"' * 32_000, "too_deep", ""),
    (b'{"type": "sync", "after_seq": NaN}', "not_json", ""),
    (b'{"type": "sync", "after_seq": -Infinity}', "not_json", ""),
    (b'{"type": "sync", "after_seq": 1e999}', "number_too_large", ""),
    (b'{"type": "sync", "after_seq": ' + b"9" * 5000 + b"}", "number_too_large", ""),
    (b'{"type": "message.send", "content": "a\\u0000"}', "bad_characters", "content"),
    (b'{"type": "message.send", "content": "\\ud83d"}', "bad_characters", "content"),
    (b'{"type": "ping", "\\u0000": 1}', "bad_characters", "(key)"),
]
WRONG: list[tuple[dict[str, Any], str, str, str]] = [
    ({}, "required", "type", "required"),
    ({"type": 7}, "required", "type", "required"),
    ({"type": None}, "required", "type", "required"),
    ({"type": "nonsense"}, "unknown_type", "type", "unknown_type"),
    ({"type": "session.ready"}, "unknown_type", "type", "unknown_type"),
    ({"type": "ping", "surprise": 1}, "invalid_input", "surprise", "unknown_field"),
    ({"type": "message.send"}, "invalid_input", "content", "required"),
    ({"type": "message.send", "content": None}, "invalid_input", "content", "wrong_type"),
    ({"type": "message.send", "content": ["a"]}, "invalid_input", "content", "wrong_type"),
    ({"type": "message.send", "content": ""}, "invalid_input", "content", "too_short"),
    ({"type": "message.send", "content": "\u3000 \n"}, "invalid_input", "content", "blank"),
    ({"type": "message.send", "content": "a" * 8001}, "invalid_input", "content", "too_long"),
    ({**HI, "client_message_id": ""}, "invalid_input", "client_message_id", "too_short"),
    ({**HI, "client_message_id": "x" * 129}, "invalid_input", "client_message_id", "too_long"),
    ({**HI, "model": "gpt-9"}, "unknown_model", "model", "unknown_model"),
    ({"type": "reply.retry"}, "invalid_input", "message_id", "required"),
    ({"type": "reply.retry", "message_id": "x"}, "invalid_input", "message_id", "uuid_parsing"),
    ({"type": "sync"}, "invalid_input", "after_seq", "required"),
    ({"type": "sync", "after_seq": "1"}, "invalid_input", "after_seq", "wrong_type"),
    ({"type": "sync", "after_seq": True}, "invalid_input", "after_seq", "wrong_type"),
    ({"type": "sync", "after_seq": -1}, "invalid_input", "after_seq", "greater_than_equal"),
    ({"type": "sync", "after_seq": 2**31}, "invalid_input", "after_seq", "less_than_equal"),
    ({"type": "sync", "after_seq": 0, "message_id": ID, "offset": 2**31}, "invalid_input", "offset", "less_than_equal"),
    ({"type": "feedback", "rating": 0}, "invalid_input", "rating", "greater_than_equal"),
    ({"type": "feedback", "rating": 5, "message_id": 5}, "invalid_input", "message_id", "wrong_type"),
]  # fmt: skip


@pytest.fixture
def socket(alice: ApiClient, chat: str) -> Socket:
    socket = alice.socket(chat)
    assert socket.recv()["type"] == "session.ready"
    return socket


def assert_alive(socket: Socket) -> None:
    socket.send("ping", event_id="alive")
    assert socket.recv() == {"type": "pong", "event_id": "alive"}


@on_postgres
def test_unreadable_frame_is_answered(alice: ApiClient, socket: Socket):
    before = state_of(alice)
    for raw, code, field in UNREADABLE:
        socket.send_raw(raw)
        error = socket.recv()
        assert (error["type"], error["code"]) == ("error", code), raw[:60]
        assert [one["field"] for one in error["errors"]] == [field], raw[:60]
        assert error["message"]
    assert_alive(socket)
    assert state_of(alice) == before


@on_sqlite
def test_wrong_frame_is_answered_with_its_event_id(alice: ApiClient, socket: Socket):
    before = state_of(alice)
    for number, (frame, code, field, field_code) in enumerate(WRONG):
        socket.send_raw(json.dumps({**frame, "event_id": f"e{number}"}))
        error = socket.recv()
        assert (error["type"], error["code"], error["event_id"]) == ("error", code, f"e{number}"), frame
        assert (field, field_code) in [(one["field"], one["code"]) for one in error["errors"]], error
    assert_alive(socket)
    assert state_of(alice) == before


@pytest.mark.parametrize("event_id", [7, ["x"], "x" * 129, "a\nb"])
@on_sqlite
def test_wrong_event_id_is_wrong_itself(socket: Socket, event_id: object):
    socket.send("ping", event_id=event_id)
    error = socket.recv()
    assert (error["code"], error["errors"][0]["field"]) == ("invalid_input", "event_id")
    assert_alive(socket)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "reply.retry", "message_id": ID}, "not_found"),
        ({"type": "feedback", "rating": 5, "message_id": ID}, "not_found"),
    ],
)
def test_unknown_message_is_answered(socket: Socket, frame: dict[str, Any], code: str):
    socket.send_raw(json.dumps({**frame, "event_id": "e"}))
    error = socket.recv()
    assert (error["type"], error["code"], error["event_id"]) == ("error", code, "e")
    assert_alive(socket)


def test_minor_is_told_at_the_socket_of_an_adult_personality(alice: ApiClient):
    chat = alice.start("flirty_chat", age=18)["id"]
    with alice.socket(chat) as socket:
        socket.recv()
        alice.start("casual_chat", age=17)
        socket.send("message.send", content="hi", event_id="e")
        assert (error := socket.recv())["code"] == "age_restricted"
        assert error["event_id"] == "e"
        assert_alive(socket)
    assert alice.messages(chat) == []


@on_sqlite
def test_fifty_first_bad_frame_closes(socket: Socket):
    for _ in range(50):
        socket.send_raw("nonsense")
        assert socket.recv()["code"] == "not_json"
    assert_alive(socket)
    socket.send_raw("nonsense")
    assert socket.wait_closed() == 4400
    assert socket.seen[-1]["code"] == "not_json"


def test_refusals_that_are_no_bad_frames_do_not_close(socket: Socket):
    for _ in range(55):
        socket.send("reply.retry", message_id=ID)
        assert socket.recv()["code"] == "not_found"
    assert_alive(socket)


@on_sqlite
def test_frame_of_64_kib_is_taken_and_one_more_byte_closes(socket: Socket):
    frame = '{"type": "ping"}'
    socket.send_raw(frame + " " * (65_536 - len(frame)))
    assert socket.recv() == {"type": "pong"}
    socket.send_raw(frame + " " * (65_537 - len(frame)))
    assert socket.wait_closed() == 1009


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
FIELDS = sorted({name for frame in CLIENT_FRAMES for name in frame.model_fields} - {"type"})
TYPES = st.sampled_from([type_of(frame) for frame in (*CLIENT_FRAMES, *SERVER_FRAMES)])
FRAMES = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    TYPES,
    st.dictionaries(st.sampled_from(FIELDS), SCALARS | st.just(ID) | VALUES, max_size=4),
)


@settings(
    max_examples=15, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(frames=st.lists(FRAMES | FRAMES | VALUES, max_size=40))
def test_no_frame_whatsoever_closes_the_socket(alice: ApiClient, frames: list[Any]):
    with alice.socket(alice.start()["id"]) as socket:
        for frame in frames:
            socket.send_raw(json.dumps(frame))
        socket.send("ping", event_id="the end of it")
        while socket.recv() != {"type": "pong", "event_id": "the end of it"}:
            assert socket.seen[-1].get("code") not in ("internal_error", "unavailable"), frames
