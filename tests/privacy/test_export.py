"""Exports: complete, in pieces, and never whole-looking when they were cut short."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from chatify.accounts import export, personal_data
from chatify.accounts.erasure import erase_end_user
from chatify.accounts.export import export_end_user
from chatify.accounts.models import EndUser, User
from chatify.accounts.people import end_user_of
from chatify.accounts.personal_data import Holding, Page, register_holding
from chatify.accounts.signing_in import sign_in
from sessions.models import ChatSession
from tests.accounts.signups import rows
from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.privacy.calls import SESSIONS, user_path
from tests.services.server import Server

TURNS = 27
"""Some more messages than a page has."""


def exported(client: ApiClient) -> dict[str, Any]:
    answer = client.get(user_path(client, "export/"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def talk(client: ApiClient, turns: int, **user: Any) -> str:
    chat = client.start(**user)["id"]
    for number in range(turns):
        client.send(chat, f"number {number}", client_message_id=f"n{number}")
    return str(chat)


@pytest.mark.usefixtures("one_day")
def test_export_is_complete(server: Server, make_client: MakeClient) -> None:
    client, other = make_client(server), make_client(server)
    talk(other, 1, name="Somebody else")
    chats = [talk(client, turns, name="Mia", interests=["owls"]) for turns in (TURNS, 0, 2)]
    said = [{"chat_session_id": chat, **message} for chat in chats for message in client.messages(chat, limit=200)]
    rated = {"rating": 4, "comment": "well said", "message_id": said[-1]["id"]}
    client.post(f"{SESSIONS}{chats[2]}/feedback/", rated).raise_for_status()
    shown = [client.get(f"{SESSIONS}{chat}/").json() for chat in chats]
    client.delete(f"{SESSIONS}{chats[0]}/").raise_for_status()
    found = exported(client)
    assert found["user"] == client.get(user_path(client)).json()
    assert found["messages"] == said
    assert len(said) > 50, "several pages"
    assert [(one["comment"], one["message_id"], one["chat_session_id"]) for one in found["feedback"]] == [
        ("well said", said[-1]["id"], chats[2])
    ]
    assert [day["replies"] for day in found["usage"]] == [TURNS + 2]
    assert found["account"] == []
    deleted = [one.pop("deleted_at") is not None for one in found["chat_sessions"]]
    assert deleted == [True, False, False]
    left_out = {"user", "ws_url", "disclosure"}
    assert found["chat_sessions"] == [{k: v for k, v in one.items() if k not in left_out} for one in shown]
    assert "Somebody else" not in json.dumps(found)


def test_export_is_a_file_that_nobody_keeps(server: Server, make_client: MakeClient) -> None:
    client = make_client(server)
    client.start()
    answer = client.get(user_path(client, "export/"))
    assert answer.headers["content-disposition"] == 'attachment; filename="chatify-export.json"'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["transfer-encoding"] == "chunked", "it is streamed"


def test_export_is_audited(server: Server, make_client: MakeClient) -> None:
    client = make_client(server)
    client.start()
    exported(client)
    log = "accounts_auditentry JOIN accounts_enduser u ON subject_id = u.id"
    sql = f"SELECT action, actor_kind FROM {log} WHERE u.external_id = ?"
    assert rows(server, sql, client.external_id) == [("user.exported", "api_key")]


def test_export_of_somebody_who_only_has_a_profile(server: Server, make_client: MakeClient) -> None:
    client = make_client(server)
    client.patch(user_path(client), {"name": "Mia"})
    found = exported(client)
    assert found.pop("user")["name"] == "Mia"
    assert found.pop("exported_at")
    kinds = {"account", "usage", "chat_sessions", "messages", "summaries", "feedback", "memories"}
    assert set(found) == kinds | {"match_tickets", "blocks", "reports"}
    assert not any(found.values())


# In this process ----------------------------------------------------------------------------------
async def read(pieces: AsyncIterable[bytes]) -> list[bytes]:
    return [piece async for piece in pieces]


async def export_of(end_user: EndUser) -> list[bytes]:
    response = await sync_to_async(export_end_user)(end_user=end_user, who=None)
    content: Any = response.streaming_content
    return await read(content)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it. Database work stays on the test's connection."""

    async def here(function: Any, *args: Any) -> Any:
        return await sync_to_async(function)(*args)

    monkeypatch.setattr(personal_data, "_holdings", dict(personal_data._holdings))
    monkeypatch.setattr(export, "in_db_thread", here)


async def test_pages_are_read_one_by_one(registry: None, chat: ChatSession) -> None:
    def numbers(end_user: EndUser, after: int | None) -> Page:
        page = (after or 0) + 1
        return ([] if page == 2 else [{"page": page}]), page if page < 4 else None

    register_holding(Holding("numbers", export=numbers))
    end_user = await sync_to_async(EndUser.objects.get)(id=chat.end_user_id)
    pieces = await export_of(end_user)
    assert json.loads(b"".join(pieces))["numbers"] == [{"page": 1}, {"page": 3}, {"page": 4}]
    assert [piece for piece in pieces if b"page" in piece] == [b'{"page":1}', b',{"page":3}', b',{"page":4}']


async def test_export_that_breaks_off_is_no_json(registry: None, chat: ChatSession) -> None:
    def broken(end_user: EndUser, after: int | None) -> Page:
        if after:
            raise OSError("the database is away")
        return [{"page": 1}], 1

    register_holding(Holding("broken", export=broken))
    end_user = await sync_to_async(EndUser.objects.get)(id=chat.end_user_id)
    with pytest.raises(OSError, match="away"):
        await export_of(end_user)


async def test_export_of_somebody_who_is_erased_meanwhile_is_no_json(registry: None, chat: ChatSession) -> None:
    def erase(end_user: EndUser, after: int | None) -> Page:
        erase_end_user(end_user_id=end_user.id, who=None)
        return [], None

    register_holding(Holding("eraser", export=erase))
    end_user = await sync_to_async(EndUser.objects.get)(id=chat.end_user_id)
    with pytest.raises(json.JSONDecodeError):
        json.loads(b"".join(await export_of(end_user)))


async def test_export_of_a_person_holds_their_account(registry: None, db: None) -> None:
    def sign_up() -> EndUser | None:
        user = User.objects.create_user("ada@example.org", "Engine-No-9", name="Ada")
        sign_in(user=user, address="127.0.0.1")
        return end_user_of(user)

    end_user = await sync_to_async(sign_up)()
    assert end_user is not None
    text = b"".join(await export_of(end_user))
    (account,) = json.loads(text)["account"]
    assert (account["email"], account["name"], len(account["sign_ins"])) == ("ada@example.org", "Ada", 1)
    assert account["sign_ins"][0]["ended_at"] is None
    assert b"pbkdf2" not in text
    assert b"digest" not in text
