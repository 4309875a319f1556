"""Rooms of two people in the mirror: compared, rebuilt, and gone when one of the two is erased."""

from __future__ import annotations

import pytest
from google.cloud.firestore import Client

from chatify.accounts.erasure import erase_end_user
from sessions.models import ChatSession
from tests.mirror.relaying import deliver
from tests.mirror.syncing import mirrored_room, paths, verified

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(mirror: Client) -> ChatSession:
    return mirrored_room("alice", "bob")


def test_nothing_differs(mirror: Client, room: ChatSession) -> None:
    assert len(paths(mirror)) == 3
    assert verified() == []


def test_neither_of_the_two_is_named(mirror: Client, room: ChatSession) -> None:
    documents = [mirror.document(path).get().to_dict() or {} for path in paths(mirror)]
    assert len(documents) == 3
    assert all("alice" not in str({**one, "content": ""}) for one in documents)
    assert all("bob" not in str({**one, "content": ""}) for one in documents)


@pytest.mark.parametrize("is_first", [True, False])
def test_room_goes_when_either_is_erased(mirror: Client, room: ChatSession, is_first: bool) -> None:
    assert room.partner_id is not None
    erase_end_user(end_user_id=room.end_user_id if is_first else room.partner_id, who=None)
    deliver()
    assert paths(mirror) == []
