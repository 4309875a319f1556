"""The judge notices what may not be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from tests.matchmaking_soak.judging import Evidence, judge
from tests.matchmaking_soak.rows import Blocked, Chat, Question, Room, Rows, Ticket
from tests.matchmaking_soak.world import Oddity, Outage, Told

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
TENANT = UUID(int=1)
ADA, BOB, CAT = (UUID(int=number) for number in (101, 102, 103))
_numbers = count(1000)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def make_ticket(person: UUID, joined: float, **changes: Any) -> Ticket:
    """Somebody who joins, and is in nothing yet."""
    made = Ticket(
        id=UUID(int=next(_numbers)),
        tenant=TENANT,
        person=person,
        name=f"person {person.int}",
        age=30,
        band="adult",
        language="",
        strict=[],
        status="waiting",
        created_at=at(joined),
        deadline=at(joined + 10),
        served_at=None,
        seen_at=at(joined),
        chat=None,
        room=None,
        closed_at=None,
        close_reason="",
    )
    return replace(made, **changes)


def meeting(first: UUID, second: UUID, since: float, until: float, **changes: Any) -> Rows:
    """Two people who met, and left."""
    room = Room(UUID(int=next(_numbers)), TENANT, first, second, at(since), at(until))
    ended: dict[str, Any] = {"status": "matched_human", "served_at": at(since), "room": room.id, "closed_at": at(until)}
    tickets = [make_ticket(first, since - 1, **ended), make_ticket(second, since - 1, **{**ended, **changes})]
    return Rows(tickets=tickets, rooms=[room])


def chatting(person: UUID, joined: float, late: float = 0.1) -> Rows:
    """Somebody who got a personality."""
    chat = Chat(UUID(int=next(_numbers)), person, UUID(int=next(_numbers)), at(joined + 10 + late), None, "")
    served = {"status": "with_chatbot", "served_at": chat.created_at, "chat": chat.id}
    return Rows(tickets=[make_ticket(person, joined, id=chat.ticket, **served)], chats=[chat])


def together(*parts: Rows) -> Rows:
    """All of them."""
    return Rows(
        tickets=[one for part in parts for one in part.tickets],
        rooms=[one for part in parts for one in part.rooms],
        chats=[one for part in parts for one in part.chats],
        blocks=[one for part in parts for one in part.blocks],
        questions=[one for part in parts for one in part.questions],
    )


def findings(rows: Rows, told: Sequence[Told] = (), **evidence: Any) -> list[str]:
    facts: dict[str, Any] = {"outages": [], "oddities": [], "logs": [], **evidence}
    return judge(Evidence(rows=rows, told=told, ended=at(600), **facts))


def test_what_is_right_is_right() -> None:
    rows = together(meeting(ADA, BOB, 1, 20), meeting(ADA, CAT, 30, 40), meeting(BOB, ADA, 81, 90), chatting(CAT, 50))
    assert findings(rows) == []


WRONG = {
    "two rooms at a time": together(meeting(ADA, BOB, 5, 20), meeting(ADA, CAT, 15, 30)),
    "two tickets at a time": together(meeting(ADA, BOB, 5, 20), chatting(ADA, 10)),
    "beyond the deadline": chatting(ADA, 0, late=2.1),
    "is left waiting": Rows(tickets=[make_ticket(ADA, 599)]),
    "although they were seen": Rows(
        tickets=[make_ticket(ADA, 0, status="expired", seen_at=at(9), closed_at=at(11), close_reason="not_seen")]
    ),
    "is not one of two people": replace(meeting(ADA, BOB, 1, 2), tickets=meeting(ADA, BOB, 1, 2).tickets),
    "is of two tenants": meeting(ADA, BOB, 1, 2, tenant=UUID(int=2)),
    "(minor, 17)": meeting(ADA, BOB, 1, 2, band="minor", age=17),
    "(adult, None)": meeting(ADA, BOB, 1, 2, age=None),
    "one has blocked the other": together(meeting(ADA, BOB, 5, 6), Rows(blocks=[Blocked(BOB, ADA, at(4))])),
    "have just met": together(meeting(ADA, BOB, 5, 20), meeting(BOB, ADA, 79, 90)),
    "personalities came to": replace(chatting(ADA, 0), chats=[*chatting(ADA, 0).chats] * 2),
    "chat session of somebody else": together(replace(chatting(ADA, 0), chats=[]), chatting(BOB, 0)),
    "questions were accepted": together(meeting(ADA, BOB, 1, 2), Rows(questions=[Question(ADA, BOB, "accepted")])),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_rows_are_noticed(what: str) -> None:
    assert any(what in finding for finding in findings(WRONG[what]))


def test_last_partner_of_one_of_two_is_enough() -> None:
    first, between, again = meeting(ADA, BOB, 1, 20), meeting(ADA, CAT, 22, 30), meeting(ADA, BOB, 40, 50)
    assert findings(together(first, between, again)), "of Bob's"
    others = meeting(BOB, UUID(int=104), 22, 30)
    assert not findings(together(first, between, others, again)), "both have met others since"


def test_insisting_on_a_language_is_noticed() -> None:
    rows = meeting(ADA, BOB, 1, 2, language="de", strict=["language"])
    assert findings(replace(rows, tickets=[replace(rows.tickets[0], language="en-GB"), rows.tickets[1]]))
    assert not findings(replace(rows, tickets=[replace(rows.tickets[0], language="de-AT"), rows.tickets[1]]))


def test_room_beside_a_personality_is_noticed() -> None:
    met, before = meeting(ADA, BOB, 12, 20), chatting(ADA, 0)
    moved = replace(met.tickets[0], id=before.tickets[0].id, chat=before.chats[0].id)
    rows = Rows([moved, met.tickets[1]], met.rooms, before.chats, questions=[Question(ADA, BOB, "accepted")])
    assert any("and with a personality" in one for one in findings(rows))
    handed_over = [replace(before.chats[0], ended_at=at(12), end_reason="human_found")]
    assert findings(replace(rows, chats=handed_over)) == []


def test_time_without_any_server_is_excused() -> None:
    outages = [Outage("server 0", at(8), at(13)), Outage("server 1", at(9), at(12))]
    assert findings(chatting(ADA, 0, late=3.9), outages=outages) == []
    assert findings(chatting(ADA, 0, late=4.1), outages=outages)
    assert findings(chatting(ADA, 0, late=3.9), outages=outages[:1])


def told_of(row: Ticket, **changes: Any) -> Told:
    seen = {"id": str(row.id), "status": row.status, "session": str(row.session), "closed_at": None, **changes}
    return Told(row.name, True, has_stayed=True, ticket=seen, acknowledged={str(row.id)})


def test_what_people_know_is_compared() -> None:
    rows = chatting(ADA, 0)
    row = rows.tickets[0]
    assert findings(rows, [told_of(row)]) == []
    assert findings(rows, [told_of(row, status="waiting", session=None)])
    assert findings(rows, [told_of(row, closed_at="2026-11-20T12:00:00Z")])
    assert findings(rows, [Told(row.name, True, has_stayed=True)])
    assert findings(Rows(), [replace(told_of(row), ticket=None)]), "it was acknowledged, and is lost"


def test_failures_are_excused_while_something_is_away() -> None:
    away, failure = [Outage("server 0", at(100), at(110))], Oddity(at(105), "ClientError", is_absence=True)
    assert findings(Rows(), outages=away, oddities=[failure]) == []
    assert findings(Rows(), outages=away, oddities=[replace(failure, at=at(200))])
    assert findings(Rows(), outages=away, oddities=[replace(failure, is_absence=False)])


def test_tracebacks_are_noticed() -> None:
    line = '{"exception": "Traceback (most recent call last)", "logger": "%s"}'
    away = [Outage("redis", at(100), at(110))]
    assert findings(Rows(), logs=[line % "chatify.matchmaking.timers"], outages=away)
    assert findings(Rows(), logs=[line % "channels_redis.pubsub"])
    assert findings(Rows(), logs=[line % "channels_redis.pubsub"], outages=away) == []
