"""A tenant gets another place: nobody else takes the old one before it is cleared, and no move is forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from google.cloud.firestore import Client

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import Tenant
from chatify.common.errors import InvalidInput
from chatify.mirror import relay as relaying
from chatify.mirror.paths import DocKey, Kind
from chatify.mirror.rebuilding import Delivery
from chatify.mirror.runs import Run
from chatify.mirror.scopes import forget_moves, left_behind, moved_tenants, scopes
from chatify.mirror.verifying import Verdict
from sessions.actions import delete_chat_sessions
from sessions.models import ChatSession
from tests.mirror.relaying import deliver
from tests.mirror.syncing import conversation, move, paths, sync

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_lots")]


@pytest.fixture
def chats(mirror: Client, chat: ChatSession) -> list[ChatSession]:
    """Two conversations of two tenants, in Firestore."""
    deliver()
    return [conversation(tenant, tenant) for tenant in ("demo", "acme")]


# Whose place it is --------------------------------------------------------------------------------
def test_place_that_holds_anothers_documents_is_refused_until_it_is_cleared(
    mirror: Client, chats: list[ChatSession]
) -> None:
    move("acme", "a/b")
    sync("--rebuild")
    move("acme", "")
    with pytest.raises(InvalidInput, match="firestore_sync --rebuild --tenant acme") as caught:
        move("demo", "a/b")
    assert [(error.field, error.code) for error in caught.value.errors] == [("firestore_prefix", "prefix_taken")]
    assert ensure_tenant(slug="demo").firestore_prefix == ""
    assert sync("--rebuild", "--tenant", "acme")[0] == 0
    move("demo", "a/b")
    assert sync("--rebuild", "--verify")[0] == 0
    found = paths(mirror, ["a/b/"])
    assert f"a/b/chatbot_sessions/{chats[0].id}" in found
    assert f"a/b/chatbot_sessions/{chats[1].id}" not in found


def test_place_where_somebody_is_is_refused_also_of_a_deleted_one(chats: list[ChatSession]) -> None:
    move("acme", "a/b")
    Tenant.objects.filter(slug="acme").update(deleted_at=chats[0].created_at)
    with pytest.raises(InvalidInput, match="“acme” is there already"):
        move("demo", "a/b")


def test_tenant_may_go_back_to_its_own_place(chats: list[ChatSession]) -> None:
    for prefix in ("a/b", "c/d", "a/b"):
        move("acme", prefix)
    assert ensure_tenant(slug="acme").firestore_prefix == "a/b"


def test_top_is_everybodys(chats: list[ChatSession]) -> None:
    move("demo", "c/d")
    move("acme", "a/b")
    move("demo", "")
    assert left_behind(chats[1].tenant_id) == [""]


# Moves during a run -------------------------------------------------------------------------------
@pytest.mark.parametrize("before", ["", "a/b"])
def test_move_during_a_rebuild_is_not_forgotten(
    mirror: Client, chats: list[ChatSession], monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    move("acme", before)
    until, prefixes = Delivery.until, iter(["c/d"])

    def meanwhile(self: Delivery, *arguments: Any) -> None:
        until(self, *arguments)
        for prefix in prefixes:
            move("acme", prefix)

    with monkeypatch.context() as patched:
        patched.setattr(Delivery, "until", meanwhile)
        sync("--rebuild")
    assert before in left_behind(chats[1].tenant_id)
    assert sync("--rebuild", "--verify")[0] == 0
    assert moved_tenants() == []
    theirs = [path for path in paths(mirror, ["", "a/b/", "c/d/"]) if str(chats[1].id) in path]
    assert len(theirs) == 5
    assert all(path.startswith("c/d/") for path in theirs)


def test_moves_there_and_back_during_a_run_are_not_forgotten(chats: list[ChatSession]) -> None:
    acme = move("acme", "a/b")
    done = scopes(acme)
    move("acme", "")  # what is written now is where the run has been
    move("acme", "a/b")
    forget_moves(done)
    assert left_behind(acme.id) == [""]
    forget_moves(scopes(acme))
    assert left_behind(acme.id) == []


def test_rebuild_of_one_tenant_forgets_no_other(chats: list[ChatSession]) -> None:
    acme = move("acme", "a/b")
    move("demo", "c/d")
    forget_moves(scopes(acme))
    assert moved_tenants() == ["demo"]


def test_run_that_was_stopped_begins_anew_after_a_move(chats: list[ChatSession]) -> None:
    run = Run("any")
    run.save(scopes()[0], Verdict(after="x"))
    assert Run("any").is_resumed
    move("acme", "a/b")
    assert not Run("any").is_resumed
    run.save(scopes()[0], Verdict(after="y"))  # it was not stopped: it did not hear of the move
    assert not Run("any").is_resumed


def test_run_is_not_taken_up_after_a_name_that_the_database_cannot_store(chats: list[ChatSession]) -> None:
    Run("any").save(scopes()[0], Verdict(after="nul\0"))
    assert not Run("any").is_resumed
    Run("any").save(scopes()[0], Verdict(after="x"))
    Run("any").save(scopes()[0], Verdict(after="nul\0"))
    assert Run("any").is_resumed, "where it was before"


# Until it is rebuilt ------------------------------------------------------------------------------
def test_document_is_read_once_for_both_places(
    mirror: Client, chats: list[ChatSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    sync("--rebuild")
    kept = conversation("acme", "kept")
    move("acme", "a/b")
    delete_chat_sessions(chat_session_ids=[chats[1].id])
    read: list[DocKey] = []
    payloads_of = relaying.payloads_of

    def counted(keys: Iterable[DocKey]) -> Any:
        found = payloads_of(keys)
        read.extend(found)
        return found

    monkeypatch.setattr(relaying, "payloads_of", counted)
    deliver()
    assert read == [DocKey(Kind.CHAT_SESSION, chats[1].tenant_id, chats[1].id)]
    found = paths(mirror, ["", "a/b/"])
    assert not [path for path in found if str(chats[1].id) in path]
    assert f"chatbot_sessions/{kept.id}" in found
