"""Calls that are sent again with the same Idempotency-Key: done once, answered each time."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework.response import Response

from chatify.accounts import idempotent_calls
from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.api.idempotency import PersonalResponse, _Anything, _do
from chatify.accounts.idempotent_calls import KEPT, LOST_AFTER, Asked, begin
from chatify.accounts.models import EndUser, IdempotentCall
from chatify.accounts.principal import Principal
from chatify.accounts.tasks import purge_idempotent_calls
from chatify.common.errors import Conflict, NotFound
from tests.accounts.signups import TOKENS, end_user_token, rows
from tests.api.checks import SESSIONS, change_rows, fields_of, on_sqlite, outcome, path_of
from tests.api.tenants import insert_key, insert_tenant
from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.services.server import Server

TEMPLATES = "/api/v1/templates/"
CHARACTER = {"name": "Ina", "system_prompt": "You are Ina, who sails."}
REPLAYED = "Idempotency-Replayed"


@pytest.fixture
def key() -> str:
    return f"call {uuid4()}"


def send(client: ApiClient, path: str, body: Any, key: str, **options: Any) -> httpx.Response:
    return client.post(path, body, headers={"Idempotency-Key": key}, **options)


def start(client: ApiClient, key: str, **body: Any) -> httpx.Response:
    return send(client, SESSIONS, {"user": {"external_id": client.external_id}, **body}, key)


def chats_of(client: ApiClient) -> list[str]:
    found = client.get(SESSIONS, params={"user": client.external_id}).json()["results"]
    return [chat["id"] for chat in found]


def calls(server: Server, key: str) -> list[tuple[Any, ...]]:
    """What is stored of the calls with a key."""
    return rows(server, "select status, answer, end_user_id from accounts_idempotentcall where key = ?", key)


def make_old(server: Server, key: str, **age: float) -> None:
    before = (datetime.now(UTC) - timedelta(**age)).strftime("%Y-%m-%d %H:%M:%S.%f")
    if not server.database_url.startswith("sqlite"):
        before += "+00:00"
    assert change_rows(server, "update accounts_idempotentcall set created_at = ? where key = ?", before, key) == 1


def make_running(server: Server, key: str) -> None:
    """As if the first call were not done yet, or had died with its server."""
    sql = "update accounts_idempotentcall set status = null, answer = null, end_user_id = null where key = ?"
    assert change_rows(server, sql, key) == 1


# The same call ------------------------------------------------------------------------------------
def test_same_call_is_done_once_and_answered_again(alice: ApiClient, key: str):
    body = {"title": "Grüße 🦊", "metadata": {"z": [1, 2.5, None], "a": {"y": 1, "b": "\u2028"}}}
    first, second = start(alice, key, **body), start(alice, key, **body)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert (REPLAYED in first.headers, second.headers[REPLAYED]) == (False, "true")
    assert second.headers["content-type"] == first.headers["content-type"] == "application/json"
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert chats_of(alice) == [first.json()["id"]]


def test_answer_stays_the_first_one(alice: ApiClient, key: str):
    first = start(alice, key)
    alice.patch(path_of(first.json()["id"]), {"title": "renamed"})
    alice.delete(path_of(first.json()["id"]))
    assert start(alice, key).content == first.content


def test_without_the_header_nothing_is_stored(alice: ApiClient):
    body = {"user": {"external_id": alice.external_id}}
    answers = [alice.post(SESSIONS, body) for _ in range(2)]
    assert {(answer.status_code, answer.headers.get(REPLAYED)) for answer in answers} == {(201, None)}
    assert len(chats_of(alice)) == 2


def test_other_keys_are_other_calls(alice: ApiClient, key: str):
    assert start(alice, key).json()["id"] != start(alice, f"{key}2").json()["id"]


def test_body_may_be_written_in_another_way(alice: ApiClient, key: str):
    first = start(alice, key, title="A", metadata={"a": 1, "b": "é"})
    user = json.dumps({"external_id": alice.external_id}, indent=4)
    raw = f'{{ "metadata": {{"b": "\\u00e9",\n "a": 1}}, "title": "A", "user": {user} }}'
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    second = alice.http.post(SESSIONS, content=raw, headers=headers)
    assert (second.content, second.headers[REPLAYED]) == (first.content, "true")


def test_character_is_made_once(server: Server, make_client: MakeClient, key: str):
    owner = make_client(server, key=insert_key(server, insert_tenant(server)))
    first, second = (send(owner, TEMPLATES, CHARACTER, key) for _ in range(2))
    assert (first.status_code, second.headers[REPLAYED]) == (201, "true")
    assert first.content == second.content
    found = owner.get(TEMPLATES, params={"own": "true"}).json()["results"]
    assert [one["slug"] for one in found] == ["ina"]


def test_rating_is_given_once(alice: ApiClient, key: str):
    path = path_of(alice.start()["id"], "feedback/")
    first = send(alice, path, {"rating": 2}, key)
    alice.post(path, {"rating": 5})
    second = send(alice, path, {"rating": 2}, key)
    assert (first.status_code, second.content, second.headers[REPLAYED]) == (201, first.content, "true")
    assert alice.post(path, {"rating": 5}).json()["id"] == first.json()["id"]


# Another call -------------------------------------------------------------------------------------
@pytest.mark.parametrize("change", [{"title": "B"}, {"metadata": {"a": True}}, {"template": "casual_chat"}])
def test_key_with_another_body_is_refused(alice: ApiClient, key: str, change: dict[str, Any]):
    first = start(alice, key, title="A", metadata={"a": 1})
    answer = start(alice, key, **{"title": "A", "metadata": {"a": 1}, **change})
    assert outcome(answer) == (422, "idempotency_key_reused")
    assert chats_of(alice) == [first.json()["id"]]


def test_key_on_another_route_is_refused(alice: ApiClient, key: str):
    paths = [path_of(alice.start()["id"], "feedback/") for _ in range(2)]
    assert send(alice, paths[0], {"rating": 1}, key).status_code == 201
    assert outcome(send(alice, paths[1], {"rating": 1}, key)) == (422, "idempotency_key_reused")


# Errors -------------------------------------------------------------------------------------------
def test_key_is_free_again_after_an_error(alice: ApiClient, server: Server, key: str):
    refused = [start(alice, key, template="no-such") for _ in range(2)]
    refused += [start(alice, key, shoe_size=4)]
    assert [outcome(answer)[1] for answer in refused] == ["unknown_template", "unknown_template", "invalid_input"]
    assert outcome(start(alice, key, template="flirty_chat")) == (403, "age_restricted")
    assert calls(server, key) == []
    assert start(alice, key).status_code == 201
    assert len(chats_of(alice)) == 1


def test_nothing_of_a_call_that_failed_is_kept(alice: ApiClient, server: Server, key: str):
    body = {"user": {"external_id": alice.external_id, "name": "Eve"}, "template": "flirty_chat"}
    assert outcome(send(alice, SESSIONS, body, key)) == (403, "age_restricted")
    assert rows(server, "select 1 from accounts_enduser where external_id = ?", alice.external_id) == []


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"{", "not_json"), (b"[]", "wrong_type"), (b'"a"', "wrong_type"), (b'{"a": 1, "a": 2}', "duplicate_key"),
     (b"\xff", "not_utf8"), (b'{"title": "\\u0000"}', "bad_characters")],
)  # fmt: skip
@on_sqlite
def test_unreadable_body_takes_no_key(alice: ApiClient, server: Server, key: str, content: bytes, code: str):
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    assert outcome(alice.http.post(SESSIONS, content=content, headers=headers)) == (400, code)
    assert calls(server, key) == []


@on_sqlite
def test_empty_body_is_an_empty_object(alice: ApiClient, server: Server, make_client: MakeClient, key: str):
    client = make_client(server, key=end_user_token(alice, alice.external_id))
    first, second = send(client, SESSIONS, None, key), send(client, SESSIONS, {}, key)
    assert (first.status_code, second.headers[REPLAYED]) == (201, "true")


@pytest.mark.parametrize("bad", ["", "x" * 129, "a\tb", "\u00a0".encode("latin-1"), "\u0085".encode("latin-1")])
@on_sqlite
def test_bad_key_is_refused(alice: ApiClient, bad: str | bytes):
    paths = {SESSIONS: {}, path_of(alice.start()["id"], "messages/"): {"content": "hi"}, TEMPLATES: CHARACTER}
    for path, body in paths.items():
        answer = alice.post(path, body, headers={"Idempotency-Key": bad})
        assert outcome(answer) == (400, "bad_characters")
        assert fields_of(answer) == [("Idempotency-Key", "bad_characters")]


@on_sqlite
def test_key_of_128_characters_is_taken(alice: ApiClient, key: str):
    assert start(alice, key.ljust(128, "x")).status_code == 201


@on_sqlite
def test_who_may_not_takes_no_key(server: Server, make_client: MakeClient, key: str):
    tenant_id = insert_tenant(server)
    client = make_client(server, key=insert_key(server, tenant_id, "chat"))
    assert outcome(send(client, TEMPLATES, CHARACTER, key)) == (403, "missing_scope")
    assert outcome(send(make_client(server, key=""), SESSIONS, {}, key)) == (401, "not_authenticated")
    assert calls(server, key) == []


# At once, and after a crash -----------------------------------------------------------------------
def test_ten_at_once_make_one(alice: ApiClient, key: str):
    with ThreadPoolExecutor(10) as pool:
        answers = [future.result() for future in [pool.submit(start, alice, key) for _ in range(10)]]
    done = [answer for answer in answers if answer.status_code == 201]
    assert done
    assert len({answer.content for answer in done}) == 1
    assert len([answer for answer in done if REPLAYED not in answer.headers]) == 1
    others = [answer for answer in answers if answer.status_code != 201]
    assert {outcome(answer) for answer in others} <= {(409, "idempotency_key_running")}
    assert chats_of(alice) == [done[0].json()["id"]]


def test_running_call_is_not_done_twice(alice: ApiClient, server: Server, key: str):
    start(alice, key).raise_for_status()
    make_running(server, key)
    answer = start(alice, key)
    assert outcome(answer) == (409, "idempotency_key_running")
    assert answer.headers["Retry-After"] == "1"
    assert outcome(start(alice, key, title="another")) == (422, "idempotency_key_reused")
    assert len(chats_of(alice)) == 1


@pytest.mark.parametrize("title", ["the same", "mended"])
def test_call_that_died_with_its_server_is_done_after_a_minute(alice: ApiClient, server: Server, key: str, title: str):
    start(alice, key, title="the same").raise_for_status()
    make_running(server, key)
    make_old(server, key, seconds=55)
    assert outcome(start(alice, key, title="the same")) == (409, "idempotency_key_running")
    make_old(server, key, seconds=61)
    again = start(alice, key, title=title)
    assert (again.status_code, again.json()["title"], REPLAYED in again.headers) == (201, title, False)
    assert start(alice, key, title=title).headers[REPLAYED] == "true"


def test_many_take_over_what_died_once(alice: ApiClient, server: Server, key: str):
    start(alice, key).raise_for_status()
    make_running(server, key)
    make_old(server, key, hours=1)
    with ThreadPoolExecutor(8) as pool:
        answers = [future.result() for future in [pool.submit(start, alice, key) for _ in range(8)]]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len([one for one in answers if one.status_code == 201 and REPLAYED not in one.headers]) == 1
    assert len(chats_of(alice)) == 2


def test_answer_is_kept_for_a_day(alice: ApiClient, server: Server, key: str):
    first = start(alice, key).json()["id"]
    make_old(server, key, hours=23.9)
    assert start(alice, key).json()["id"] == first
    make_old(server, key, hours=24.1)
    again = start(alice, key, title="even another body")
    assert (again.status_code, again.json()["id"] != first) == (201, True)
    assert len(calls(server, key)) == 1


# Whose key it is ----------------------------------------------------------------------------------
def test_tenants_do_not_share_keys(alice: ApiClient, mallory: ApiClient, key: str):
    mine = start(alice, key)
    theirs = send(mallory, SESSIONS, {"user": {"external_id": alice.external_id}}, key)
    assert (theirs.status_code, REPLAYED in theirs.headers) == (201, False)
    assert theirs.json()["id"] != mine.json()["id"]


def test_keys_of_one_tenant_share_theirs(server: Server, make_client: MakeClient, key: str):
    tenant_id = insert_tenant(server)
    first, second = (make_client(server, key=insert_key(server, tenant_id), external_id="kim") for _ in range(2))
    assert start(first, key).content == start(second, key).content


def test_end_users_do_not_share_keys(
    alice: ApiClient, bob: ApiClient, server: Server, make_client: MakeClient, key: str
):
    tokens = [end_user_token(alice, one.external_id) for one in (alice, bob)]
    clients = [make_client(server, key=token) for token in tokens]
    answers = [send(client, SESSIONS, {}, key) for client in clients]
    assert [answer.json()["user"]["external_id"] for answer in answers] == [alice.external_id, bob.external_id]
    assert start(alice, key).headers.get(REPLAYED) is None
    again = send(make_client(server, key=end_user_token(alice, alice.external_id)), SESSIONS, {}, key)
    assert (again.content, again.headers[REPLAYED]) == (answers[0].content, "true")


def test_token_for_one_chat_session_gets_no_other_answer(
    alice: ApiClient, server: Server, make_client: MakeClient, key: str
):
    whole = make_client(server, key=end_user_token(alice, alice.external_id))
    chat = send(whole, SESSIONS, {}, key).json()["id"]
    bound = make_client(server, key=end_user_token(alice, alice.external_id, session=chat))
    assert outcome(send(bound, SESSIONS, {}, key)) == (403, "bound_to_session")
    path = path_of(chat, "feedback/")
    first, second = (send(bound, path, {"rating": 4}, key) for _ in range(2))
    assert (first.status_code, second.headers[REPLAYED]) == (201, "true")


# What is stored -----------------------------------------------------------------------------------
def test_answer_goes_with_the_end_user(server: Server, make_client: MakeClient):
    owner = make_client(server, key=insert_key(server, insert_tenant(server)), external_id="kim")
    keys = [f"call {uuid4()}" for _ in range(3)]
    chat = start(owner, keys[0], user={"external_id": "kim", "name": "Planted Name"}).json()["id"]
    send(owner, path_of(chat, "feedback/"), {"rating": 4, "comment": "planted"}, keys[1])
    client = make_client(server, key=end_user_token(owner, "kim"))
    send(client, SESSIONS, {}, keys[2])
    kim = rows(server, "select id from accounts_enduser where name = 'Planted Name'")[-1][0]
    assert [(status, end_user) for key in keys for status, _, end_user in calls(server, key)] == [(201, kim)] * 3
    assert owner.delete("/api/v1/users/kim/").status_code == 204
    assert [calls(server, key) for key in keys] == [[], [], []]
    assert start(owner, keys[0]).json()["id"] != chat


def test_character_is_about_nobody(server: Server, make_client: MakeClient, key: str):
    owner = make_client(server, key=insert_key(server, insert_tenant(server)))
    send(owner, TEMPLATES, CHARACTER, key)
    ((status, answer, end_user),) = calls(server, key)
    assert (status, end_user) == (201, None)
    text = json.loads(answer) if server.database_url.startswith("sqlite") else answer
    assert json.loads(text)["slug"] == "ina"


def test_secrets_are_not_stored(server: Server, make_client: MakeClient, key: str):
    owner = make_client(server, key=insert_key(server, insert_tenant(server)))
    chat = owner.start()["id"]
    asked: list[Callable[[], httpx.Response]] = [
        lambda: send(owner, TOKENS, {"user": {"external_id": owner.external_id}}, key),
        lambda: send(owner, path_of(chat, "ticket/"), {}, key),
        lambda: send(owner, "/api/v1/tenants/me/keys/", {"name": key}, key),
    ]
    for ask in asked:
        first, second = ask(), ask()
        assert (first.status_code, second.status_code, second.headers.get(REPLAYED)) == (201, 201, None)
    assert calls(server, key) == []


# Messages: another name for client_message_id -----------------------------------------------------
def test_same_key_is_one_message(alice: ApiClient, server: Server, key: str):
    chat = alice.start()["id"]
    first, second = (send(alice, path_of(chat, "messages/"), {"content": "hello"}, key) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert first.json()["message"]["client_message_id"] == key
    assert len(alice.messages(chat)) == 2
    assert calls(server, key) == []


def test_key_and_client_message_id_are_the_same(alice: ApiClient, key: str):
    chat = alice.start()["id"]
    path = path_of(chat, "messages/")
    alice.send(chat, "hello", client_message_id=key)
    assert send(alice, path, {"content": "hello"}, key).status_code == 200
    assert send(alice, path, {"content": "hello", "client_message_id": key}, key).status_code == 200
    assert len(alice.messages(chat)) == 2
    answer = send(alice, path, {"content": "hello", "client_message_id": "other"}, key)
    assert outcome(answer) == (400, "conflicting")
    assert fields_of(answer) == [("Idempotency-Key", "conflicting")]
    assert outcome(send(alice, path, {"content": "bye"}, key)) == (409, "client_message_id_reused")
    assert len(alice.messages(chat)) == 2


def test_key_counts_within_one_chat_session_for_messages(alice: ApiClient, key: str):
    for chat in (alice.start()["id"], alice.start()["id"]):
        assert send(alice, path_of(chat, "messages/"), {"content": "hello"}, key).status_code == 200
        assert len(alice.messages(chat)) == 2


def test_key_works_on_a_stream(alice: ApiClient, key: str):
    chat = alice.start()["id"]
    headers = {"Accept": "text/event-stream", "Idempotency-Key": key}
    for _ in range(2):
        answer = alice.post(path_of(chat, "messages/"), {"content": "hello"}, headers=headers)
        assert "event: reply.completed" in answer.text
    assert [one.get("client_message_id") for one in alice.messages(chat)] == [key, None]


# Inside -------------------------------------------------------------------------------------------
@pytest.fixture
def asked(db: None) -> Asked:
    """A call of an application."""
    tenant_id = ensure_tenant(slug="demo").id
    return Asked(tenant_id, None, tenant_id, "key", "digest")


def claim(asked: Asked) -> UUID:
    call_id = begin(asked)
    assert isinstance(call_id, UUID)
    return call_id


def make_user(asked: Asked) -> Response:
    upsert_end_user(tenant_id=asked.tenant_id, external_id="made", changes={})
    return Response({}, status=201)


def test_call_that_was_given_up_meanwhile_does_nothing(asked: Asked) -> None:
    call_id = claim(asked)

    def slow() -> Response:
        IdempotentCall.objects.filter(id=call_id).update(created_at=timezone.now() - LOST_AFTER * 2)
        assert claim(asked) != call_id  # somebody takes it over
        return make_user(asked)

    with pytest.raises(Conflict) as caught:
        _do(call_id, slow, Principal(asked.tenant_id))
    assert (caught.value.code, caught.value.retry_after) == ("idempotency_key_running", 1)
    assert not EndUser.objects.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, NotFound])
def test_call_that_breaks_does_nothing_and_frees_its_key(asked: Asked, error: type[BaseException]) -> None:
    def broken() -> Response:
        make_user(asked)
        raise error

    with pytest.raises(error):
        _do(claim(asked), broken, Principal(asked.tenant_id))
    assert not EndUser.objects.exists()
    assert not IdempotentCall.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_erasure_in_the_moment_of_the_commit_is_told() -> None:
    asked = Asked(ensure_tenant(slug="demo").id, None, uuid4(), "key", "digest")
    about_nobody = PersonalResponse({}, status=201, end_user_id=uuid4())
    with pytest.raises(Conflict) as caught:
        _do(claim(asked), lambda: about_nobody, Principal(asked.tenant_id))
    assert caught.value.code == "user_erased"
    assert not IdempotentCall.objects.exists()


@pytest.mark.parametrize("body", [{"self": 1, "cls": 2}, {"model_config": 1, "__class__": 2}, {"model_extra": {}}, {}])
def test_every_name_in_a_body_counts(body: dict[str, Any]) -> None:
    assert _Anything.model_validate(body).model_extra == body


def test_old_calls_are_purged_in_batches(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotent_calls, "PURGED_AT_ONCE", 2)
    for number in range(5):
        begin(replace(asked, key=f"old {number}"))
    IdempotentCall.objects.update(created_at=timezone.now() - KEPT - timedelta(minutes=1))
    begin(asked)
    assert (purge_idempotent_calls(), purge_idempotent_calls()) == (5, 0)
    assert [call.key for call in IdempotentCall.objects.all()] == ["key"]


def test_header_stands_in_the_openapi_document() -> None:
    paths = SchemaGenerator().get_schema(public=True)["paths"]
    named = {
        operation["operationId"]
        for path in paths.values()
        for operation in path.values()
        if any(one["name"] == "Idempotency-Key" and one["in"] == "header" for one in operation.get("parameters", ()))
    }
    chats = {"start_session", "create_template", "give_feedback", "send_message"}
    assert named == chats | {"join_match", "block_partner", "report_partner"}
