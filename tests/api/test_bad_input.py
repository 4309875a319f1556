"""Bad input over REST: always a problem document with the right code, never a 500, nothing written."""

import base64
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.checks import SESSIONS, fields_of, on_postgres, on_sqlite, outcome, path_of, state_of
from tests.client import ApiClient

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def chat(alice: ApiClient) -> str:
    """A chat session whose last reply failed, so that all its routes have something to do."""
    chat = alice.start(name="Alice", age=30)["id"]
    alice.send(chat, f"[[401]] {uuid4()}")
    return chat


def routes_with_bodies(client: ApiClient, chat: str) -> list[tuple[str, str]]:
    reply = client.messages(chat)[-1]["id"]
    rests = ("end/", "ticket/", "feedback/", "messages/", "stop/", f"messages/{reply}/retry/")
    return [("POST", SESSIONS), ("PATCH", path_of(chat)), *(("POST", path_of(chat, rest)) for rest in rests)]


def send_raw(client: ApiClient, method: str, path: str, raw: bytes) -> httpx.Response:
    return client.http.request(method, path, content=raw, headers=JSON)


# Every route that takes a body --------------------------------------------------------------------
UNREADABLE = {
    "not UTF-8": (b'{"x": "\xff"}', 400, "not_utf8", ""),
    "surrogate bytes": (b'{"x": "\xed\xa0\x80"}', 400, "not_utf8", ""),
    "UTF-16": ("{}".encode("utf-16"), 400, "not_utf8", ""),
    "byte order mark": (b"\xef\xbb\xbf{}", 400, "not_json", ""),
    "half": (b'{"content": "h', 400, "not_json", ""),
    "two documents": (b"{} {}", 400, "not_json", ""),
    "raw control character": (b'{"x": "\x00"}', 400, "not_json", ""),
    "array": (b'[{"content": "hi"}]', 400, "wrong_type", ""),
    "text": (b'"hi"', 400, "wrong_type", ""),
    "null": (b"null", 400, "wrong_type", ""),
    "duplicate key": (b'{"content": "a", "content": "b"}', 400, "duplicate_key", "content"),
    "duplicate key inside": (b'{"user": {"a": {"x": 1, "x": 1}}}', 400, "duplicate_key", "x"),
    "depth 33": (b'{"x":' + b"[" * 32 + b"]" * 32 + b"}", 400, "too_deep", ""),
    "depth 30,000": (b"[" * 30_000, 400, "too_deep", ""),
    "depth 100,000": (b"[" * 100_000 + b"]" * 100_000, 413, "too_large", None),
    "unclosed text in the depth": (b"[" * 33 + b'\\"' * 32_000, 400, "too_deep", ""),
    "NaN": (b'{"rating": NaN}', 400, "not_json", ""),
    "Infinity": (b'{"metadata": {"x": [-Infinity]}}', 400, "not_json", ""),
    "1e999": (b'{"rating": 1e999}', 400, "number_too_large", ""),
    "1e30": (b'{"metadata": {"x": 1e30}}', 400, "number_too_large", ""),
    "5,000 digits": (b'{"rating": ' + b"9" * 5000 + b"}", 400, "number_too_large", ""),
    "NUL": (b'{"content": "a\\u0000b"}', 400, "bad_characters", "content"),
    "lone surrogate": (b'{"title": "\\ud83d"}', 400, "bad_characters", "title"),
    "surrogates the wrong way round": (b'{"title": "\\udd8a\\ud83e"}', 400, "bad_characters", "title"),
    "NUL in a key": (b'{"a\\u0000": 1}', 400, "bad_characters", "(key)"),
    "surrogate in a nested key": (
        b'{"metadata": {"a": [{"\\udfff": 1}]}}',
        400,
        "bad_characters",
        "metadata.a.0.(key)",
    ),
    "NUL in metadata": (b'{"metadata": {"a": [1, {"b": "\\u0000"}]}}', 400, "bad_characters", "metadata.a.1.b"),
    "unknown field": (b'{"surprise": 1}', 400, "invalid_input", "surprise"),
    "65,537 bytes": (b'{"content": "' + b"a" * 65_522 + b'"}', 413, "too_large", None),
    "a million characters": (b'{"content": "' + b"a" * 1_000_000 + b'"}', 413, "too_large", None),
}


@pytest.mark.parametrize("raw", UNREADABLE.values(), ids=UNREADABLE)
@on_postgres
def test_unreadable_body_is_refused_by_every_route(alice: ApiClient, chat: str, raw: tuple[bytes, int, str, Any]):
    body, status, code, field = raw
    before = state_of(alice)
    for method, path in routes_with_bodies(alice, chat):
        response = send_raw(alice, method, path, body)
        assert outcome(response) == (status, code), f"{method} {path}: {response.text[:200]}"
        assert field in [None, *(name for name, _ in fields_of(response))], response.text[:300]
    assert state_of(alice) == before


@on_sqlite
def test_wrong_content_type_is_refused_by_every_route(alice: ApiClient, chat: str):
    before = state_of(alice)
    for method, path in routes_with_bodies(alice, chat):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "x"):
            response = alice.http.request(method, path, content=b'{"title": "x"}', headers={"Content-Type": kind})
            assert outcome(response) == (415, "unsupported_media_type"), f"{method} {path} {kind}"
    assert state_of(alice) == before


# Fields -------------------------------------------------------------------------------------------
USER = {"external_id": "somebody-of-bad-input"}
START = [
    ({"user": {"external_id": ""}}, "user.external_id", "too_short"),
    ({"user": {"external_id": "x" * 129}}, "user.external_id", "too_long"),
    ({"user": {"external_id": "a\nb"}}, "user.external_id", "not_single_line"),
    ({"user": {"external_id": 7}}, "user.external_id", "wrong_type"),
    ({"user": "me"}, "user", "wrong_type"),
    ({"user": {**USER, "age": "30"}}, "user.age", "wrong_type"),
    ({"user": {**USER, "age": 30.0}}, "user.age", "wrong_type"),
    ({"user": {**USER, "age": True}}, "user.age", "wrong_type"),
    ({"user": {**USER, "age": -1}}, "user.age", "greater_than_equal"),
    ({"user": {**USER, "age": 131}}, "user.age", "less_than_equal"),
    ({"user": {**USER, "name": "x" * 81}}, "user.name", "too_long"),
    ({"user": {**USER, "name": "a\u2028b"}}, "user.name", "not_single_line"),
    ({"user": {**USER, "interests": "tea"}}, "user.interests", "wrong_type"),
    ({"user": {**USER, "interests": ["x"] * 21}}, "user.interests", "too_long"),
    ({"user": {**USER, "interests": ["ok", ""]}}, "user.interests.1", "too_short"),
    ({"user": {**USER, "interests": ["ok", None]}}, "user.interests.1", "wrong_type"),
    ({"user": {**USER, "is_admin": True}}, "user.is_admin", "unknown_field"),
    ({"user": USER, "template": "no such"}, "template", "string_pattern_mismatch"),
    ({"user": USER, "template": ""}, "template", "too_short"),
    ({"user": USER, "template": 1}, "template", "wrong_type"),
    ({"user": USER, "title": None}, "title", "wrong_type"),
    ({"user": USER, "title": "x" * 121}, "title", "too_long"),
    ({"user": USER, "metadata": None}, "metadata", "wrong_type"),
    ({"user": USER, "metadata": []}, "metadata", "wrong_type"),
    ({"user": USER, "metadata": {"x": "y" * 4096}}, "metadata", "too_long"),
    ({"user": USER, "status": "ended"}, "status", "unknown_field"),
]
MESSAGE = [
    ({}, "content", "required"),
    ({"content": None}, "content", "wrong_type"),
    ({"content": 7}, "content", "wrong_type"),
    ({"content": ["hi"]}, "content", "wrong_type"),
    ({"content": ""}, "content", "too_short"),
    ({"content": " \n\t\u3000\u2003"}, "content", "blank"),
    ({"content": "a" * 8001}, "content", "too_long"),
    ({"content": "🦊" * 8001}, "content", "too_long"),
    ({"content": "hi", "client_message_id": ""}, "client_message_id", "too_short"),
    ({"content": "hi", "client_message_id": "x" * 129}, "client_message_id", "too_long"),
    ({"content": "hi", "client_message_id": "a\r"}, "client_message_id", "not_single_line"),
    ({"content": "hi", "client_message_id": 5}, "client_message_id", "wrong_type"),
    ({"content": "hi", "model": 5}, "model", "wrong_type"),
    ({"content": "hi", "event_id": "x" * 129}, "event_id", "too_long"),
    ({"content": "hi", "role": "assistant"}, "role", "unknown_field"),
]
OTHERS = [
    ("", {}, "title", "required"),
    ("", {"title": None}, "title", "wrong_type"),
    ("", {"title": "a\x07b"}, "title", "not_single_line"),
    ("", {"title": "x" * 121}, "title", "too_long"),
    ("", {"title": "x", "status": "ended"}, "status", "unknown_field"),
    ("end/", {"reason": "Went home"}, "reason", "string_pattern_mismatch"),
    ("end/", {"reason": "x" * 41}, "reason", "string_pattern_mismatch"),
    ("feedback/", {}, "rating", "required"),
    ("feedback/", {"rating": 5, "message_id": "x"}, "message_id", "uuid_parsing"),
    ("feedback/", {"rating": 5, "message_id": 5}, "message_id", "wrong_type"),
    ("feedback/", {"rating": 5, "comment": "x" * 2001}, "comment", "too_long"),
    ("feedback/", {"rating": 5, "comment": None}, "comment", "wrong_type"),
]


def assert_refused(client: ApiClient, method: str, path: str, body: object, field: str, code: str):
    raw = json.dumps(body, ensure_ascii=False).encode()
    response = send_raw(client, method, path, raw)
    assert outcome(response)[0] == 400, response.text[:300]
    assert (field, code) in fields_of(response)


def test_start_names_each_wrong_field(alice: ApiClient):
    before = state_of(alice)
    for body, field, code in START:
        assert_refused(alice, "POST", SESSIONS, body, field, code)
    assert alice.get(SESSIONS, params={"user": USER["external_id"]}).json()["results"] == []
    assert state_of(alice) == before


def test_message_names_each_wrong_field(alice: ApiClient, chat: str):
    before = state_of(alice)
    for body, field, code in MESSAGE:
        assert_refused(alice, "POST", path_of(chat, "messages/"), body, field, code)
    assert state_of(alice) == before


@on_sqlite
def test_other_bodies_name_each_wrong_field(alice: ApiClient, chat: str):
    before = state_of(alice)
    for rest, body, field, code in OTHERS:
        assert_refused(alice, "POST" if rest else "PATCH", path_of(chat, rest), body, field, code)
    assert state_of(alice) == before


@on_sqlite
def test_all_wrong_fields_are_named_at_once(alice: ApiClient, chat: str):
    response = alice.post(path_of(chat, "messages/"), {"content": "", "client_message_id": "", "x": 1})
    assert {field for field, _ in fields_of(response)} == {"content", "client_message_id", "x"}


def test_metadata_of_4096_bytes_is_kept(alice: ApiClient):
    metadata = {"x": "y" * 4088, "deep": {}}
    metadata["x"] = "y" * (4096 - len(json.dumps({**metadata, "x": ""}, separators=(",", ":"))))
    user = {"external_id": alice.external_id}
    assert alice.post(SESSIONS, {"user": user, "metadata": metadata}).json()["metadata"] == metadata
    numbers = {"a": 10**18 - 1, "b": -1.5, "c": 9.9e17, "d": 5e-324, "e": None}
    chat = alice.post(SESSIONS, {"user": user, "metadata": numbers}).json()
    assert chat["metadata"] == numbers
    with alice.socket(chat["id"]) as socket:
        assert socket.recv()["session"]["metadata"] == numbers


# Paths, queries, methods, headers -----------------------------------------------------------------
@pytest.mark.parametrize(
    "path",
    [
        "nope/", "0/", "{chat}", "{chat}/messages", "{chat}x/", "{chat}/nothing/", "%00/", "%F0%9F%A6%8A/", "%ff/",
        "{chat}/messages/nope/retry/", "../sessions/{chat}/nope/", "{CHAT}/", "%7B%7D/messages/", "{plain}/",
    ],
)  # fmt: skip
@on_sqlite
def test_path_that_leads_nowhere_is_not_found(alice: ApiClient, chat: str, path: str):
    whole = SESSIONS + path.format(chat=chat, CHAT=chat.upper(), plain=chat.replace("-", ""))
    for method in ("GET", "POST", "PATCH", "DELETE"):
        assert outcome(alice.http.request(method, whole)) == (404, "not_found")


CURSORS = [
    "garbage", "%00", "%F0%9F%A6%8A", "////", "x" * 401,
    *(
        base64.b64encode(text.encode()).decode()
        for text in (
            "o=-1", "r=x", "p=", "p=x", "p=2024-13-45 10:00", "p=0001-01-01T00:00:00%2B14:00",
            "p=9999-12-31T23:59:59-14:00", "p=2024-01-01%00", "p=1",
        )
    ),
]  # fmt: skip
QUERIES = [
    *(("", f"cursor={cursor}", "cursor") for cursor in CURSORS),
    *(("", f"limit={limit}", "limit") for limit in ("0", "201", "x", "", "-1", "1.5", "9" * 5000, "%00")),
    *(("", f"user={user}", "user") for user in ("", "%00", "a%0Ab", "x" * 129)),
    ("", "status=gone", "status"), ("", "status=", "status"),
    ("", "search=%00", "search"), ("", "search=" + "x" * 121, "search"),
    ("", "limit=1&limit=2", "limit"), ("", "surprise=1", "surprise"), ("", "%00=1", ""),
    ("active/", "user=%00", "user"), ("active/", "user=a&user=b", "user"), ("active/", "limit=1", "limit"),
    *(("{chat}/messages/", f"after_seq={seq}", "after_seq") for seq in ("-1", "x", "", "2147483648", "9" * 5000)),
    *(("{chat}/messages/", f"limit={limit}", "limit") for limit in ("0", "201", "x")),
    ("{chat}/messages/", "after_seq=1&after_seq=1", "after_seq"), ("{chat}/messages/", "user=x", "user"),
]  # fmt: skip


def test_bad_query_parameters_are_named(alice: ApiClient, chat: str):
    for path, query, field in QUERIES:
        response = alice.get(f"{SESSIONS}{path.format(chat=chat)}?{query}")
        assert outcome(response)[0] == 400, f"{path}?{query[:60]}: {response.status_code}"
        assert [name for name, _ in fields_of(response)] == [field], f"{path}?{query[:60]}"


def test_bad_parameters_delete_nothing(alice: ApiClient, chat: str):
    for query in ("", "user=", "user=%00", f"user={alice.external_id}&all=1", f"user=a&user={alice.external_id}"):
        assert outcome(alice.delete(f"{SESSIONS}?{query}"))[0] == 400
    assert alice.get(path_of(chat)).status_code == 200


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("PUT", ""), ("POST", ""), ("GET", "end/"), ("GET", "ticket/"), ("DELETE", "feedback/"), ("PUT", "messages/"),
        ("PATCH", "messages/"), ("DELETE", "messages/"), ("POST", "stream/"), ("GET", "stop/"),
    ],
)  # fmt: skip
@on_sqlite
def test_method_that_a_route_does_not_have_is_refused(alice: ApiClient, chat: str, method: str, rest: str):
    response = alice.http.request(method, path_of(chat, rest))
    assert outcome(response) == (405, "method_not_allowed")


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*", "nonsense"])
@on_sqlite
def test_format_that_nobody_has_is_refused(alice: ApiClient, chat: str, accept: str):
    before = state_of(alice)
    for method, rest, body in (
        ("GET", "", None),
        ("PATCH", "", {"title": "x"}),
        ("POST", "messages/", {"content": "x"}),
    ):
        response = alice.http.request(method, path_of(chat, rest), json=body, headers={"Accept": accept})
        assert outcome(response) == (406, "not_acceptable")
    assert state_of(alice) == before


@on_sqlite
def test_only_replies_come_as_a_stream(alice: ApiClient, chat: str):
    for rest in ("", "messages/", "feedback/"):
        response = alice.get(path_of(chat, rest), headers={"Accept": "text/event-stream"})
        assert outcome(response) == (406, "not_acceptable")


@on_sqlite
def test_error_of_a_stream_is_a_problem_document(alice: ApiClient, chat: str):
    response = alice.post(path_of(chat, "messages/"), {"content": ""}, headers={"Accept": "text/event-stream"})
    assert outcome(response) == (400, "invalid_input")


@on_sqlite
def test_request_id_of_the_client_comes_back_if_it_is_a_plain_one(alice: ApiClient):
    for given_id, is_kept in (("my-id.1", True), ("x" * 65, False), ("a b", False), ("<script>", False)):
        response = alice.get(f"{SESSIONS}nope/", headers={"X-Request-ID": given_id})
        assert outcome(response) == (404, "not_found")
        assert (response.json()["request_id"] == given_id) is is_kept


# Anything -----------------------------------------------------------------------------------------
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
FIELDS = st.sampled_from(
    ["content", "client_message_id", "title", "user", "metadata", "rating", "message_id", "reason", "template", "x"]
)
BODIES = st.lists(VALUES | st.dictionaries(FIELDS, VALUES, max_size=4), max_size=6)


@settings(
    max_examples=12, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(bodies=BODIES)
def test_no_body_whatsoever_is_a_server_error(alice: ApiClient, bodies: list[Any]):
    chat = alice.start()["id"]
    rests = ("messages/", "end/", "feedback/", "ticket/")
    for body in bodies:
        for method, path in [
            ("POST", SESSIONS),
            ("PATCH", path_of(chat)),
            *(("POST", path_of(chat, r)) for r in rests),
        ]:
            response = send_raw(alice, method, path, json.dumps(body).encode())
            if response.status_code not in (200, 201):
                assert outcome(response)[0] in (400, 409), f"{method} {path} {body}: {response.text[:200]}"
