"""Bands never mix, also when an age is told late, or changes while somebody is in the queue."""

from __future__ import annotations

import pytest

from chatify.accounts.actions import upsert_end_user
from chatify.common.errors import Conflict
from chatify.matchmaking import proposals, queue
from chatify.matchmaking.look import Lookout
from chatify.matchmaking.meeting import Pair
from chatify.matchmaking.models import MatchProposal
from tests.matchmaking.crowd import Crowd, check_sound, fresh, proposal_of, statuses

pytestmark = pytest.mark.django_db


def grow(crowd: Crowd, name: str, age: int) -> None:
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
