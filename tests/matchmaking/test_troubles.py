"""What nobody expected to fail, for one in the queue: the others, also of other tenants, are served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError

from chatify.common.errors import Unavailable
from chatify.matchmaking import deadlines, look, meeting, meters
from chatify.matchmaking.look import Lookout
from chatify.matchmaking.models import MatchProposal
from tests.matchmaking.crowd import Crowd, fresh, statuses, unseen_for

pytestmark = pytest.mark.django_db


def breaking(real: Callable[..., Any], name: str, error: type[Exception]) -> Callable[..., Any]:
    """Fails whenever this person is among what it is called with."""

    def work(*given: Any, **named: Any) -> Any:
        if any(getattr(one, "external_id", None) == name for one in given):
            raise error("a mistake")
        return real(*given, **named)

    return work


def test_one_who_cannot_be_served_holds_up_nobody(
    crowd: Crowd, stranger_crowd: Crowd, lookout: Lookout, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    alice = crowd.join_late("alice", waited=11)
    bob = stranger_crowd.join_late("bob", waited=11)
    monkeypatch.setattr(deadlines, "new_chat_session", breaking(deadlines.new_chat_session, "alice", ValueError))
    before = meters.failures._value.get()
    for _ in range(2):
        lookout.look()
    assert statuses(alice, bob) == ["waiting", "with_chatbot"]
    assert meters.failures._value.get() == before + 1, "it is held"
    assert caplog.text.count("match_step_failed") == 1


def test_two_who_cannot_meet_hold_up_nobody(crowd: Crowd, lookout: Lookout, monkeypatch: pytest.MonkeyPatch) -> None:
    tickets = [crowd.join(name) for name in ("alice", "bob", "carol", "dave")]
    monkeypatch.setattr(meeting, "new_human_room", breaking(meeting.new_human_room, "alice", ValueError))
    lookout.look()
    assert statuses(*tickets) == ["waiting"] * 2 + ["matched_human"] * 2


def test_one_who_cannot_expire_holds_up_nobody(
    crowd: Crowd, lookout: Lookout, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.MATCH_TIMEOUT_SECONDS = 100
    tickets = [crowd.join("alice"), crowd.join("bob")]
    for one in tickets:
        unseen_for(one, 31)
    real = look.expire

    def expire(ids: list[Any], left_out: Any) -> Any:
        if tickets[0].id in ids:
            raise ValueError
        return real(ids, left_out)

    monkeypatch.setattr(look, "expire", expire)
    lookout.look()
    assert statuses(*tickets) == ["waiting", "expired closed"]
    assert tickets[0].id in lookout._held


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_database_that_is_away_ends_the_look(
    crowd: Crowd, lookout: Lookout, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    alice = crowd.join_late("alice", waited=11)
    monkeypatch.setattr(deadlines, "new_chat_session", breaking(deadlines.new_chat_session, "alice", error))
    with pytest.raises(error):
        lookout.look()
    monkeypatch.undo()
    lookout.look()
    assert statuses(alice) == ["with_chatbot"], "nobody was given up"


@pytest.mark.parametrize("error", [ValueError("a mistake"), Unavailable("Busy.", retry_after=1.0)])
def test_question_that_cannot_be_asked_holds_up_nobody(
    crowd: Crowd, lookout: Lookout, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    talking = [crowd.chatting("alice", language="en"), crowd.chatting("bob", language="de")]
    waiting = [crowd.alone(name, language=tag, strict=["language"]) for name, tag in (("carol", "en"), ("dave", "de"))]
    real = look.propose

    def propose(pair: Any, **named: Any) -> bool:
        if talking[0].id in pair:
            raise error
        return real(pair, **named)

    monkeypatch.setattr(look, "propose", propose)
    lookout.look()
    assert [fresh(one).proposal_id is None for one in (*talking, *waiting)] == [True, False, True, False]
    assert MatchProposal.objects.count() == 1


def test_what_is_done_from_time_to_time_fails_apart(
    crowd: Crowd, lookout: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> int:
        raise ValueError

    done: list[str] = []
    for name in ("settle_after", "expire_proposals"):
        monkeypatch.setattr(look, name, fail)
    monkeypatch.setattr(look, "settle_all", lambda: done.append("settled") or 0)
    lookout.look([crowd.join("alice").id])
    assert done == ["settled"]
    monkeypatch.setattr(look, "settle_all", lambda: (_ for _ in ()).throw(OperationalError))
    with pytest.raises(OperationalError):
        Lookout().look()
