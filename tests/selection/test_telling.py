"""Who is told of suggestions and switches, once and in order. Pure."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from chatify.turns.live import Delta, Room, Suggested, addressed
from tests.turns.test_live import Ear

OLD, NEW = uuid4(), uuid4()
NORA = {"template": "nora", "name": "Nora", "reason": "Love"}
THEO = {"template": "theo", "name": "Theo", "reason": "Mind"}
NONE, FIRST, DECLINED = Suggested.of([], None), Suggested.of(["nora"], NORA), Suggested.of(["nora"], None)
SECOND = Suggested.of(["nora", "theo"], THEO)


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def room(ear: Ear) -> Room:
    """A room whose follower knows that nobody is suggested."""
    found = Room(uuid4())
    found.followers.add(ear)
    found.know(4, "active", OLD, NONE)
    return found


def kinds(ear: Ear) -> list[Any]:
    return [event["type"] for event in ear.heard if isinstance(event, dict)]


def test_changes_are_in_order() -> None:
    in_order = [NONE, FIRST, DECLINED, SECOND, Suggested.of(["nora", "theo"], None)]
    assert sorted(in_order, key=lambda one: one.changes) == in_order
    assert len({one.changes for one in in_order}) == len(in_order)


def test_each_change_is_told_once(room: Room, ear: Ear) -> None:
    for now in (NONE, FIRST, FIRST, DECLINED, DECLINED, SECOND):
        room.suggest(now)
    assert kinds(ear) == ["personality.suggested", "personality.declined", "personality.suggested"]
    assert ear.heard[-1] == {"type": "personality.suggested", **THEO}


def test_older_change_is_not_told_after_a_newer_one(room: Room, ear: Ear) -> None:
    for now in (SECOND, FIRST, NONE, DECLINED):
        room.suggest(now)
    assert kinds(ear) == ["personality.suggested"]


def test_suggestion_that_came_and_went_unheard_is_not_told(room: Room, ear: Ear) -> None:
    room.suggest(DECLINED)
    assert ear.heard == []


def test_switch_is_told_once_and_ends_the_suggestion(room: Room, ear: Ear) -> None:
    room.suggest(FIRST)
    for _ in range(2):
        room.switch_to(NEW, DECLINED, {"ws_url": "/x"})
    room.suggest(FIRST)
    assert kinds(ear) == ["personality.suggested", "personality.switched"]


def test_room_that_knows_nothing_yet_tells_nothing(ear: Ear) -> None:
    room = Room(uuid4())
    room.followers.add(ear)
    room.suggest(FIRST)
    room.switch_to(NEW, NONE, {"ws_url": "/x"})
    assert ear.heard == []


def test_everybody_gets_the_socket_under_the_name_they_called() -> None:
    event = {"type": "personality.switched", "session": {"ws_url": "/ws/v1/sessions/1/", "title": "t"}}
    told = addressed(event, "wss://a.test")
    assert told == {**event, "session": {"ws_url": "wss://a.test/ws/v1/sessions/1/", "title": "t"}}
    assert event["session"]["ws_url"] == "/ws/v1/sessions/1/"
    for other in ({"type": "pong"}, Delta("m", 0, "x")):
        assert addressed(other, "wss://a.test") is other
