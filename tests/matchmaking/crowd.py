"""People who queue, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone

from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.matchmaking import queue
from chatify.matchmaking.look import Lookout
from chatify.matchmaking.models import MatchProposal, MatchTicket
from chatify.matchmaking.preferences import Preferences
from sessions.models import ChatSession


class Crowd:
    """The people of one tenant, by name."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    def join(self, name: str, *, age: int | None = 30, leave: bool = False, **preferences: Any) -> MatchTicket:
        """Somebody queues. Gives the ticket, also if they have one already."""
        user = UserInput(external_id=name, age=age, name=name.title())
        return queue.join(principal=self.principal, user=user, preferences=Preferences(**preferences), leave=leave)[0]

    def join_late(self, name: str, *, waited: float, **preferences: Any) -> MatchTicket:
        """Somebody who has waited for so many seconds, and is here."""
        return waited_for(self.join(name, **preferences), waited)

    def alone(self, name: str, **preferences: Any) -> MatchTicket:
        """Somebody who has found nobody for so long that those who talk to a personality are asked."""
        return self.join_late(name, waited=1, **preferences)

    def chatting(self, name: str, **preferences: Any) -> MatchTicket:
        """Somebody whose ten seconds are over, and who talks to a personality."""
        ticket = self.join_late(name, waited=11, **preferences)
        others = MatchTicket.objects.waiting().exclude(id=ticket.id)
        kept = {one.id: one.seen_at for one in others}
        others.update(status="expired", closed_at=timezone.now())  # nobody shall meet them here
        lookout = Lookout()
        lookout._done_at["talking"] = monotonic()  # nor shall those who talk already
        lookout.look()
        for id_, seen_at in kept.items():
            MatchTicket.objects.filter(id=id_).update(status="waiting", closed_at=None, seen_at=seen_at)
        return fresh(ticket)

    def user(self, name: str) -> Principal:
        """Somebody as they come with a token of their own."""
        end_user = EndUser.objects.get(tenant_id=self.principal.tenant_id, external_id=name)
        return self.principal.speaking_for(end_user.id)

    def ticket(self, name: str) -> MatchTicket:
        """The live ticket of somebody."""
        return MatchTicket.objects.live().get(end_user__external_id=name)


def fresh(ticket: MatchTicket) -> MatchTicket:
    """The row as it is now."""
    return MatchTicket.objects.select_related("proposal", "room", "chat_session", "end_user").get(id=ticket.id)


def waited_for(ticket: MatchTicket, seconds: float) -> MatchTicket:
    """As if they had joined so long ago."""
    earlier = timedelta(seconds=seconds)
    rows = MatchTicket.objects.filter(id=ticket.id)
    rows.update(created_at=F("created_at") - earlier, deadline=F("deadline") - earlier)
    return fresh(ticket)


def unseen_for(ticket: MatchTicket, seconds: float) -> None:
    """As if nobody had heard of them for so long."""
    MatchTicket.objects.filter(id=ticket.id).update(seen_at=timezone.now() - timedelta(seconds=seconds))


def proposal_of(ticket: MatchTicket) -> MatchProposal:
    """What its person was asked last."""
    found = fresh(ticket).proposal
    assert found is not None
    return found


def statuses(*tickets: MatchTicket) -> list[str]:
    """Where they are; `closed` is told for all that are."""
    rows = [fresh(one) for one in tickets]
    return [f"{row.status}{'' if row.closed_at is None else ' closed'}" for row in rows]


def check_sound() -> None:
    """What has to hold at any time."""
    live = MatchTicket.objects.live()
    people = list(live.values_list("end_user", flat=True))
    assert len(people) == len(set(people))
    for ticket in live.filter(status="matched_human").select_related("room"):
        assert ticket.room is not None
        assert ticket.end_user_id in (ticket.room.end_user_id, ticket.room.partner_id)
    for ticket in live.filter(status="with_chatbot"):
        assert ticket.chat_session_id is not None
    assert not in_two_rooms()
    open_ = MatchProposal.objects.filter(state="open")
    for proposal in open_:
        assert set(MatchTicket.objects.live().filter(proposal=proposal).values_list("id", flat=True)) == {
            proposal.first_id,
            proposal.second_id,
        }


def in_two_rooms() -> set[UUID]:
    """Who is in several rooms that are open."""
    rooms = ChatSession.objects.filter(~Q(status="ended"), mode="human", deleted_at=None)
    people = [id_ for pair in rooms.values_list("end_user", "partner") for id_ in pair]
    return {id_ for id_ in people if people.count(id_) > 1}


def names(tickets: Iterable[MatchTicket]) -> set[str]:
    """Of whom they are."""
    return {one.end_user.external_id for one in tickets}
