"""Rooms of two people in the mirror: compared, rebuilt, and gone when one of the two is erased."""

from __future__ import annotations

import pytest
from google.cloud.firestore import DELETE_FIELD, Client

from chatify.accounts.erasure import erase_end_user
from sessions.models import ChatSession
from tests.mirror.relaying import deliver
from tests.mirror.syncing import mirrored_room, paths, sync, verified

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(mirror: Client) -> ChatSession:
    return mirrored_room("alice", "bob")


def test_nothing_differs(mirror: Client, room: ChatSession) -> None:
    assert len(paths(mirror)) == 3
    assert verified() == []


def test_rebuild_gives_older_documents_both_people(mirror: Client, room: ChatSession) -> None:
    document = mirror.document(f"chatbot_sessions/{room.id}")
    document.update({"user_ids": DELETE_FIELD})
    assert any("user_ids" in line for line in verified())
    assert sync("--rebuild")[0] == 0
    assert (document.get().to_dict() or {})["user_ids"] == ["alice", "bob"]
    assert verified() == []


@pytest.mark.parametrize("is_first", [True, False])
def test_room_goes_when_either_is_erased(mirror: Client, room: ChatSession, is_first: bool) -> None:
    assert room.partner_id is not None
    erase_end_user(end_user_id=room.end_user_id if is_first else room.partner_id, who=None)
    deliver()
    assert paths(mirror) == []
