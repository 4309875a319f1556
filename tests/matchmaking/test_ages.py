"""Bands never mix, also when an age is told late, or changes while somebody is in the queue."""

from __future__ import annotations

from typing import Any

import pytest

from chatify.accounts.actions import upsert_end_user
from chatify.common.errors import Conflict
from chatify.matchmaking import proposals, queue, steps
from chatify.matchmaking.look import Lookout
from chatify.matchmaking.meeting import Pair
from chatify.matchmaking.models import MatchProposal, MatchTicket
from tests.matchmaking.crowd import Crowd, check_sound, fresh, proposal_of, statuses, waited_for

pytestmark = pytest.mark.django_db


def grow(crowd: Crowd, name: str, age: int | None) -> None:
    """The profile is changed elsewhere."""
    upsert_end_user(tenant_id=crowd.principal.tenant_id, external_id=name, changes={"age": age})


def test_joining_again_tells_the_age_anew(crowd: Crowd, lookout: Lookout) -> None:
    alice = crowd.join("alice", age=30)
    assert crowd.join("alice", age=15).band == "minor"
    bob, kid = crowd.join("bob", age=45), crowd.join("kid", age=14)
    lookout.look()
    assert statuses(alice, bob, kid) == ["matched_human", "waiting", "matched_human"]
    assert fresh(alice).room_id == fresh(kid).room_id


def test_joining_again_beside_a_personality_withdraws_the_question(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.chatting("alice"), crowd.alone("bob")
    lookout.look()
    assert crowd.join("alice", age=15).id == alice.id
    assert (fresh(alice).band, proposal_of(bob).state) == ("minor", "withdrawn")
    with pytest.raises(Conflict):
        queue.accept(ticket_id=alice.id, proposal_id=proposal_of(alice).id)
    check_sound()


def test_joining_again_in_a_room_changes_nothing(crowd: Crowd, lookout: Lookout) -> None:
    alice, _ = crowd.join("alice"), crowd.join("bob")
    lookout.look()
    assert crowd.join("alice", age=15).band == "adult"
    assert statuses(alice) == ["matched_human"]


def test_age_that_changes_while_waiting(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.join("alice"), crowd.join("bob")
    grow(crowd, "alice", 15)
    lookout.look()
    assert statuses(alice, bob) == ["waiting"] * 2
    assert fresh(alice).band == "minor"
    kid = crowd.join("kid", age=14)
    lookout.look()
    assert statuses(alice, bob, kid) == ["matched_human", "waiting", "matched_human"]


@pytest.mark.parametrize("before", [None, 15, 30])
@pytest.mark.parametrize("after", [None, 15, 30])
def test_age_that_nobody_met_by_counts_with_the_next_look(
    crowd: Crowd, lookout: Lookout, before: int | None, after: int | None
) -> None:
    talking = crowd.chatting("carol", age=before)
    alice = crowd.join("alice", age=before, language="en")
    bob = crowd.join("bob", age=after, language="is", strict=["language"])
    carol_before, alice_before = fresh(talking), fresh(alice)
    for name in ("alice", "carol"):
        grow(crowd, name, after)
    for _ in range(2):
        lookout.look()
    assert {fresh(one).band for one in (alice, bob, talking)} == {fresh(bob).band}
    assert (fresh(alice).version, fresh(talking).version) == (
        alice_before.version + (before != after),
        carol_before.version + (before != after),
    ), "it is written once, and only if it has changed"
    waited_for(alice, 1)
    MatchTicket.objects.filter(id=bob.id).update(strict=[], version=fresh(bob).version + 1)
    waited_for(bob, 7)
    lookout.look()
    assert statuses(alice, bob) == ["matched_human"] * 2


def test_age_of_who_talks_to_a_personality_decides_whom_they_are_asked_about(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.chatting("alice", age=None), crowd.alone("bob")
    lookout.look()
    assert fresh(alice).proposal is None
    grow(crowd, "alice", 30)
    for _ in range(2):
        lookout._done_at.clear()
        lookout.look()
    assert proposal_of(alice) == proposal_of(bob)


def test_age_that_cannot_be_written_holds_up_nobody(
    crowd: Crowd, lookout: Lookout, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob = (crowd.join(name, age=None, language="is", strict=["language"]) for name in ("alice", "bob"))
    for name in ("alice", "bob"):
        grow(crowd, name, 30)
    real = steps.correct_bands

    def correct(tickets: list[MatchTicket], *args: Any, **options: Any) -> Any:
        if alice.id in [one.id for one in tickets]:
            raise RuntimeError("nobody has thought of this")
        return real(tickets, *args, **options)

    monkeypatch.setattr(steps, "correct_bands", correct)
    monkeypatch.setattr(Lookout, "_find_pairs", lambda *_: [])
    lookout.look()
    assert [fresh(one).band for one in (alice, bob)] == ["unknown", "adult"]
    assert "match_step_failed" in caplog.text


def test_age_that_changes_before_the_question(crowd: Crowd) -> None:
    alice, bob = crowd.chatting("alice"), crowd.alone("bob")
    grow(crowd, "alice", 15)
    assert not proposals.propose(Pair(alice.id, bob.id), versions=(alice.version, bob.version))
    assert not MatchProposal.objects.exists()
    assert fresh(alice).band == "minor"


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_age_that_changes_before_the_yes(crowd: Crowd, lookout: Lookout, who: str) -> None:
    alice, bob = crowd.chatting("alice"), crowd.alone("bob")
    lookout.look()
    grow(crowd, who, 15)
    with pytest.raises(Conflict) as caught:
        queue.accept(ticket_id=alice.id, proposal_id=proposal_of(alice).id)
    assert caught.value.code == "proposal_closed"
    assert proposal_of(alice).state == "withdrawn"
    assert statuses(alice, bob) == ["with_chatbot", "waiting"]
    check_sound()
