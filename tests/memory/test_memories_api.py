"""`users/{external_id}/memories/` and `sessions/{id}/summaries/` over HTTP. Who may: tests/api/who_may.py."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from chatify.memory.texts import key_of
from tests.accounts.signups import end_user_token
from tests.api.checks import change_rows, fields_of, on_sqlite, outcome, read_rows
from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.privacy.calls import SESSIONS, user_path
from tests.services.server import Server

NOT_FOUND = (404, "not_found")
OF_CHAT = ("tenant_id", "end_user_id")
SUMMARY = {
    "from_seq": 1, "to_seq": 4, "text": "Mia talked of tea.", "model": "test", "prompt_version": 2,
    "prompt_tokens": 10, "completion_tokens": 5, "cost": "0.00012",
}  # fmt: skip


def path_of(client: ApiClient, memory: dict[str, Any] | str = "") -> str:
    id_ = memory["id"] if isinstance(memory, dict) else memory
    return user_path(client, f"memories/{id_}/" if id_ else "memories/")


def known(client: ApiClient, **params: Any) -> list[dict[str, Any]]:
    answer = client.get(path_of(client), params=params)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


def texts(client: ApiClient, **params: Any) -> list[str]:
    return [f"{one['kind']} {one['text']}" for one in known(client, **params)]


def plant(server: Server, table: str, chat: str, seq: int, **values: Any) -> None:
    """Put a row about a message there, as a worker would."""
    chat_id = UUID(chat).hex
    of_chat = {name: f"(SELECT {name} FROM chat_sessions_chatsession WHERE id = '{chat_id}')" for name in OF_CHAT}
    message = f"chat_sessions_message WHERE chat_session_id = '{chat_id}' AND seq = {seq}"
    of_message = {"created_at": f"(SELECT created_at FROM {message})"}
    if table == "memory_memory":
        of_message |= {
            "source_id": f"(SELECT id FROM {message})",
            **dict.fromkeys(("said_at", "updated_at"), of_message["created_at"]),
        }
    else:
        del of_chat["end_user_id"]
    selected = {"chat_session_id": f"'{chat_id}'", **of_chat, **of_message}
    columns, places = ", ".join([*selected, *values, "id"]), ", ".join([*selected.values(), *"?" * (len(values) + 1)])
    change_rows(server, f"INSERT INTO {table} ({columns}) VALUES ({places})", *values.values(), uuid4().hex)


@pytest.fixture
def mia(server: Server, make_client: MakeClient) -> ApiClient:
    """Somebody who has told something about herself, in a chat session that has a summary."""
    client = make_client(server, external_id=f"mia/{uuid4()}")
    chat = client.start()["id"]
    client.send(chat, "I love tea. I live in Bonn")
    client.send(chat, "My sister Anna is here")
    for seq, kind, text in ((1, "like", "tea"), (1, "fact", "lives in Bonn"), (3, "person", "sister Anna")):
        plant(
            server,
            "memory_memory",
            chat,
            seq,
            kind=kind,
            text=text,
            key=key_of(kind, text),
            model="test",
            prompt_version=1,
        )
    plant(server, "chat_sessions_summary", chat, 4, **SUMMARY, is_usage_estimated=False, is_stale=False)
    return client


def chat_of(client: ApiClient) -> dict[str, Any]:
    (found,) = client.get(SESSIONS, params={"user": client.external_id}).json()["results"]
    return dict(found)


# Reading ------------------------------------------------------------------------------------------
def test_memories_are_listed_with_their_source(mia: ApiClient) -> None:
    chat = chat_of(mia)
    source = mia.messages(chat["id"])[2]
    newest = known(mia)[0]
    times = {name: newest.pop(name) for name in ("said_at", "created_at", "updated_at")}
    assert times["said_at"] == source["created_at"]
    assert newest.pop("id")
    assert newest == {
        "kind": "person",
        "text": "sister Anna",
        "source": {"session": chat["id"], "message_id": source["id"], "seq": source["seq"]},
        "corrected": False,
    }
    assert sorted(texts(mia)) == ["fact lives in Bonn", "like tea", "person sister Anna"]


def test_memory_outlives_its_source(mia: ApiClient) -> None:
    assert mia.delete(f"{SESSIONS}{chat_of(mia)['id']}/").status_code == 204
    memories = known(mia)
    assert [one["source"] for one in memories] == [None] * 3
    changed = mia.patch(path_of(mia, memories[0]), {"text": "sister Ann"})
    assert (changed.status_code, changed.json()["source"]) == (200, None)


def test_list_goes_by_pages_and_kinds(mia: ApiClient) -> None:
    assert texts(mia, kind="like") == ["like tea"]
    first = mia.get(path_of(mia), params={"limit": 2}).json()
    second = mia.get(first["next"].removeprefix(mia.url)).json()
    assert (len(first["results"]), len(second["results"]), second["next"]) == (2, 1, None)
    assert fields_of(mia.get(path_of(mia), params={"kind": "secret"})) == [("kind", "literal_error")]
    assert fields_of(mia.get(path_of(mia), params={"cursor": "x"})) == [("cursor", "bad_cursor")]


def test_summaries_are_listed(mia: ApiClient) -> None:
    path = f"{SESSIONS}{chat_of(mia)['id']}/summaries/"
    (summary,) = mia.get(path).json()["results"]
    assert summary.pop("id")
    assert summary.pop("created_at").endswith("Z")
    assert summary == {
        "from_seq": 1, "to_seq": 4, "text": "Mia talked of tea.", "model": "test", "prompt_version": 2,
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "is_estimated": False},
        "cost": "0.000120", "is_stale": False, "edited": False,
    }  # fmt: skip
    assert mia.get(path, params={"before_seq": 4}).json() == {"results": []}
    assert fields_of(mia.get(path, params={"limit": 0})) == [("limit", "greater_than_equal")]
    assert outcome(mia.get(f"{SESSIONS}{uuid4()}/summaries/")) == NOT_FOUND


# Correcting ---------------------------------------------------------------------------------------
def test_memory_is_corrected(mia: ApiClient) -> None:
    (memory,) = known(mia, kind="like")
    changed = mia.patch(path_of(mia, memory), {"text": "green tea"})
    assert changed.status_code == 200, changed.text
    assert changed.json() == memory | {"text": "green tea", "corrected": True} | {
        "updated_at": changed.json()["updated_at"]
    }
    assert known(mia, kind="like") == [changed.json()]


@on_sqlite
def test_wrong_correction_names_the_field(mia: ApiClient) -> None:
    before = known(mia)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "required"), ({"text": ""}, "too_short"), ({"text": "  "}, "blank"), ({"text": "\u202e"}, "blank"),
        ({"text": "two\nlines"}, "not_single_line"), ({"text": "x" * 201}, "too_long"), ({"text": 7}, "wrong_type"),
    ]  # fmt: skip
    for body, code in wrong:
        assert fields_of(mia.patch(path_of(mia, before[0]), body)) == [("text", code)]
    unknown = mia.patch(path_of(mia, before[0]), {"text": "x", "kind": "like"})
    assert fields_of(unknown) == [("kind", "unknown_field")]
    assert known(mia) == before


# Forgetting ---------------------------------------------------------------------------------------
def test_one_memory_is_forgotten(mia: ApiClient) -> None:
    (memory,) = known(mia, kind="like")
    assert mia.delete(path_of(mia, memory)).status_code == 204
    assert outcome(mia.delete(path_of(mia, memory))) == NOT_FOUND
    assert outcome(mia.patch(path_of(mia, memory), {"text": "x"})) == NOT_FOUND
    assert sorted(texts(mia)) == ["fact lives in Bonn", "person sister Anna"]


def test_all_or_one_kind_is_forgotten(mia: ApiClient) -> None:
    assert mia.delete(path_of(mia), params={"kind": "like"}).json() == {"deleted": 1}
    assert mia.delete(path_of(mia)).json() == {"deleted": 2}
    assert mia.delete(path_of(mia)).json() == {"deleted": 0}
    assert known(mia) == []


@pytest.mark.parametrize(
    ("params", "written"),
    [({"kind": "like"}, "CAST(memories_refused AS text) <> '{}'"), ({}, "memories_forgotten_at IS NOT NULL")],
    ids=["one kind", "all"],
)
def test_what_is_yet_to_be_found_is_forgotten_too(
    server: Server, bob: ApiClient, params: dict[str, str], written: str
) -> None:
    bob.start()
    count = f"SELECT count(*) FROM accounts_enduser WHERE external_id = ? AND {written}"
    assert read_rows(server, count, bob.external_id) == [(0,)]
    assert bob.delete(path_of(bob), params=params).json() == {"deleted": 0}
    assert read_rows(server, count, bob.external_id) == [(1,)]


def test_strangers_forget_nothing(mia: ApiClient, mallory: ApiClient, bob: ApiClient) -> None:
    bob.start()
    before = known(mia)
    assert outcome(mallory.get(path_of(mia))) == NOT_FOUND
    assert outcome(mallory.delete(path_of(mia))) == NOT_FOUND
    assert outcome(bob.patch(path_of(bob, before[0]), {"text": "x"})) == NOT_FOUND, "not one of bob's"
    assert outcome(bob.delete(path_of(bob, before[0]))) == NOT_FOUND
    assert known(mia) == before


def test_end_user_has_their_own(server: Server, make_client: MakeClient, mia: ApiClient, bob: ApiClient) -> None:
    bob.start()
    own = make_client(server, key=end_user_token(mia, mia.external_id), external_id=mia.external_id)
    assert known(own) == known(mia)
    assert outcome(own.get(path_of(bob))) == NOT_FOUND
    bound = make_client(server, key=end_user_token(mia, mia.external_id, session=chat_of(mia)["id"]))
    for answer in (bound.get(path_of(mia)), bound.delete(path_of(mia)), bound.delete(path_of(mia, known(mia)[0]))):
        assert outcome(answer) == (403, "bound_to_session")
    assert own.delete(path_of(mia)).json() == {"deleted": 3}


# Ids in paths -------------------------------------------------------------------------------------
@on_sqlite
@pytest.mark.parametrize(
    "external_id",
    [
        "a/memories",
        "a/memories/0b5d0d0c-4f0e-4c39-9a35-6f3d7a1c2b11",
        "memories",
        "a/memories/export",
        "a/export/memories",
        "a//b/",
    ],
)
def test_odd_ids_are_ids_like_others(server: Server, make_client: MakeClient, external_id: str) -> None:
    client = make_client(server, external_id=external_id)
    assert client.patch(user_path(client), {"name": "Odd"}).json()["external_id"] == external_id
    assert client.get(user_path(client)).json()["name"] == "Odd"
    assert client.get(user_path(client, "export/")).json()["user"]["external_id"] == external_id
    assert known(client) == []
    assert client.delete(path_of(client)).json() == {"deleted": 0}
    assert outcome(client.delete(path_of(client, str(uuid4())))) == NOT_FOUND
    assert client.delete(user_path(client)).status_code == 204
    assert outcome(client.get(path_of(client))) == NOT_FOUND


@on_sqlite
def test_other_methods_are_not_allowed(mia: ApiClient) -> None:
    for answer in (mia.post(path_of(mia)), mia.get(path_of(mia, str(uuid4()))), mia.post(path_of(mia, str(uuid4())))):
        assert outcome(answer) == (405, "method_not_allowed")


@pytest.mark.parametrize("external_id", ["%00", "x" * 129])
@on_sqlite
def test_ids_that_nobody_has_are_refused(server: Server, make_client: MakeClient, external_id: str) -> None:
    client = make_client(server)
    for answer in (
        client.get(f"/api/v1/users/{external_id}/memories/"),
        client.patch(f"/api/v1/users/{external_id}/memories/{uuid4()}/", {"text": "x"}),
    ):
        assert fields_of(answer)[0][0] == "external_id"


def test_ids_are_not_logged(server: Server, mia: ApiClient) -> None:
    texts(mia)
    log = server.log_text()
    assert mia.external_id.removeprefix("mia/") not in log
    assert "/api/v1/users/<external_id>/memories/" in log


# Export and erasure -------------------------------------------------------------------------------
def test_export_holds_memories_and_summaries(mia: ApiClient, make_client: MakeClient, server: Server) -> None:
    found = mia.get(user_path(mia, "export/")).json()
    assert sorted(found["memories"], key=lambda one: one["id"]) == sorted(known(mia), key=lambda one: one["id"])
    (summary,) = found["summaries"]
    chat = chat_of(mia)["id"]
    assert summary.pop("chat_session_id") == chat
    assert [summary] == mia.get(f"{SESSIONS}{chat}/summaries/").json()["results"]


def test_erasure_leaves_nothing_to_remember(mia: ApiClient) -> None:
    mia.delete(user_path(mia)).raise_for_status()
    assert outcome(mia.get(path_of(mia))) == NOT_FOUND
    mia.start()
    assert known(mia) == []
    assert "tea" not in json.dumps(mia.get(user_path(mia, "export/")).json())
