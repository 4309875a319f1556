"""People who queue, talk and report, for staff to look at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatify.matchmaking import rooms
from chatify.matchmaking.look import Lookout
from chatify.matchmaking.models import MatchTicket, Report
from sessions.models import ChatSession
from tests.admin.conftest import make_staff, root, seeded, staff
from tests.matchmaking.conftest import crowd
from tests.matchmaking.crowd import Crowd, fresh
from tests.selection.conftest import house, make_rule, make_template
from tests.turns.conftest import principal

__all__ = ["crowd", "house", "make_rule", "make_staff", "make_template", "principal", "root", "seeded", "staff"]

Meet = Callable[..., ChatSession]


@pytest.fixture
def meet(crowd: Crowd) -> Meet:
    """Two people who have been paired: `meet("ada", "ben")`. Gives their room."""

    def make(first: str = "ada", second: str = "ben") -> ChatSession:
        tickets = [crowd.join(first), crowd.join(second)]
        Lookout().look()
        room = fresh(tickets[0]).room
        assert room is not None
        return room

    return make


@pytest.fixture
def reported(crowd: Crowd, meet: Meet) -> Report:
    """Ada's report of Ben."""
    room = meet()
    return rooms.report(principal=crowd.user("ada"), chat_session_id=room.id, reason="spam", comment="<b>A boat")


def tickets_of(name: str) -> list[MatchTicket]:
    """All tickets of somebody, the oldest first."""
    return list(MatchTicket.objects.filter(end_user__external_id=name).order_by("id"))
