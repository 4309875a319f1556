"""Whether all is as it has to be, from the rows in the end and from what people were told. Pure.

Each check gives what is wrong, as sentences; none of them changes anything.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from tests.matchmaking_soak.rows import Room, Rows, Ticket
from tests.matchmaking_soak.world import Oddity, Outage, Told, both_away

LATE = timedelta(seconds=2)
"""So long after the deadline somebody has to be there at the latest, whichever process was killed."""

USUAL_START = timedelta(seconds=5)
"""A server that is started while people talk is there after so long, on a machine that has nothing else to do."""

AGAIN = timedelta(seconds=60)
"""For so long somebody does not meet their last partner again."""

UNSEEN = timedelta(seconds=30)
"""Who waits and is not heard of for so long may expire."""

AROUND = timedelta(seconds=5)
"""So long around an absence calls may fail: those that were under way, and those of the rush after it, which wait for
a connection to the database in vain."""

EXPECTED = ("channels_redis.pubsub", "chatify.turns.doorbell")
"""Who logs a traceback when Redis goes."""

Finding = str


@dataclass(frozen=True)
class Evidence:
    """What the judge looks at. `ended` is when the rows were read."""

    rows: Rows
    told: Sequence[Told]
    outages: Sequence[Outage]
    oddities: Sequence[Oddity]
    logs: Sequence[str]
    ended: datetime


def judge(evidence: Evidence) -> list[Finding]:
    """All that is wrong."""
    return [finding for check in CHECKS for finding in check(evidence)]


# 1. One place at a time -----------------------------------------------------------------------------


def nobody_is_twice(evidence: Evidence) -> Iterator[Finding]:
    """Nobody is in two rooms at a time, nor in the queue twice, nor in a room and with the personality they left."""
    rooms = [(person, one.id, one.created_at, one.ended_at) for one in evidence.rows.rooms for person in one.people]
    tickets = [(one.person, one.id, one.created_at, one.closed_at) for one in evidence.rows.tickets]
    for what, spans in (("rooms", rooms), ("tickets", tickets)):
        for person, (one, other) in _overlapping(spans):
            yield f"{person} has two {what} at a time: {one} and {other}"
    began = {one.id: one.created_at for one in evidence.rows.rooms}
    left = {one.id: one.ended_at for one in evidence.rows.chats}
    for ticket in evidence.rows.tickets:
        if ticket.room in began and ticket.chat in left:
            ended = left[ticket.chat]
            if ended is None or ended > began[ticket.room] + timedelta(seconds=1):
                yield f"{ticket.name} is in a room, and with a personality: ticket {ticket.id}"


def _overlapping(
    spans: Iterable[tuple[UUID, UUID, datetime, datetime | None]],
) -> Iterator[tuple[UUID, tuple[UUID, UUID]]]:
    by_person: dict[UUID, list[tuple[datetime, datetime | None, UUID]]] = defaultdict(list)
    for person, id_, since, until in spans:
        by_person[person].append((since, until, id_))
    for person, theirs in by_person.items():
        for (_, until, one), (since, _, other) in pairwise(sorted(theirs, key=lambda span: span[0])):
            if until is None or since < until:
                yield person, (one, other)


# 2. Nobody waits beyond the deadline ------------------------------------------------------------------


def overshoot(ticket: Ticket, ended: datetime) -> timedelta:
    """How long after the deadline somebody waited still; negative if it was before."""
    until = ticket.served_at or ticket.closed_at or ended
    return until - ticket.deadline


def excused(ticket: Ticket, outages: Iterable[Outage], ended: datetime) -> timedelta:
    """For how much of that no server was there."""
    until = ticket.served_at or ticket.closed_at or ended
    return sum((one.overlap(ticket.deadline, until) for one in both_away(outages)), timedelta(0))


def slowness(outages: Iterable[Outage]) -> float:
    """How much slower than usual the machine was: where a server takes longer to start, all else does, too."""
    starts = [one.until - one.since for one in outages if one.what.startswith("server")]
    return max(1.0, max(starts, default=USUAL_START) / USUAL_START)


def nobody_waits(evidence: Evidence) -> Iterator[Finding]:
    """Who is here has somebody to talk to at the deadline, and those who expired were not here."""
    stayed = {one.external_id for one in evidence.told if one.has_stayed}
    allowed = LATE * slowness(evidence.outages)
    for ticket in evidence.rows.tickets:
        late = overshoot(ticket, evidence.ended) - excused(ticket, evidence.outages, evidence.ended)
        if ticket.status == "expired":
            if ticket.closed_at is None or ticket.closed_at - ticket.seen_at < UNSEEN:
                yield f"{ticket.name} expired although they were seen: ticket {ticket.id}"
            elif ticket.name in stayed:
                yield f"{ticket.name} expired although they were there all the time: ticket {ticket.id}"
        elif late > allowed:
            yield f"{ticket.name} waited {late.total_seconds():.2f} s beyond the deadline: ticket {ticket.id}"
        elif ticket.status == "cancelled" and ticket.close_reason != "cancelled":
            yield f"{ticket.name} was cancelled because of {ticket.close_reason!r}: ticket {ticket.id}"


# 3. No ticket is lost ---------------------------------------------------------------------------------


def nothing_is_lost(evidence: Evidence) -> Iterator[Finding]:
    """Whatever was acknowledged is a row, has come to something, and people know to what."""
    rows = {str(one.id): one for one in evidence.rows.tickets}
    live = {one.name: one for one in evidence.rows.tickets if one.closed_at is None}
    for told in evidence.told:
        for id_ in told.acknowledged:
            if id_ not in rows or rows[id_].name != told.external_id:
                yield f"{told.external_id} was told of a ticket that is not there: {id_}"
        if told.has_stayed:
            yield from _knows(told, rows, live.get(told.external_id))
    for ticket in live.values():
        if ticket.status not in ("with_chatbot", "matched_human") or ticket.session is None:
            yield f"{ticket.name} is left {ticket.status}: ticket {ticket.id}"


def _knows(told: Told, rows: dict[str, Ticket], live: Ticket | None) -> Iterator[Finding]:
    known = told.ticket
    row = rows.get(known["id"]) if known is not None else None
    if live is not None and (row is None or row.id != live.id):
        yield f"{told.external_id} was not told of their ticket {live.id} ({live.status})"
    elif row is not None and known is not None and told_of(known) != as_told(row):
        how = "by a socket" if told.is_socket else "when they asked"
        yield f"{told.external_id} was told {told_of(known)} {how}, and it is {as_told(row)}: ticket {row.id}"


def told_of(ticket: dict[str, Any]) -> tuple[str, str | None, bool]:
    """Where somebody is, as they were told."""
    return ticket["status"], ticket["session"], ticket["closed_at"] is not None


def as_told(row: Ticket) -> tuple[str, str | None, bool]:
    """Where somebody is, as they have to be told."""
    return row.status, str(row.session) if row.session else None, row.closed_at is not None


def people_know(evidence: Evidence) -> bool:
    """Whether those who are still there have been told all."""
    return not list(nothing_is_lost(evidence))


# 4. Who is in a room ------------------------------------------------------------------------------------


def rooms_are_right(evidence: Evidence) -> Iterator[Finding]:
    """Two people of the same tenant and age band, who did not block each other, and have not just met."""
    tickets: dict[UUID, list[Ticket]] = defaultdict(list)
    for ticket in evidence.rows.tickets:
        if ticket.room is not None:
            tickets[ticket.room].append(ticket)
    for room in evidence.rows.rooms:
        theirs = tickets[room.id]
        if len(room.people) != 2 or len(theirs) != 2 or {one.person for one in theirs} != room.people:
            yield f"room {room.id} is not one of two people with a ticket each"
            continue
        yield from _fits(room, *theirs)
        for block in evidence.rows.blocks:
            if block.people == room.people and block.created_at < room.created_at:
                yield f"room {room.id} is of two of whom one has blocked the other"
    yield from _met_again(evidence.rows.rooms)


def _fits(room: Room, one: Ticket, other: Ticket) -> Iterator[Finding]:
    if one.tenant != other.tenant or one.tenant != room.tenant:
        yield f"room {room.id} is of two tenants"
    if one.band != other.band or _band(one.age) != _band(other.age):
        yield f"room {room.id} is of {one.name} ({one.band}, {one.age}) and {other.name} ({other.band}, {other.age})"
    languages = {text.partition("-")[0].lower() for text in (one.language, other.language)}
    if "language" in (*one.strict, *other.strict) and "" not in languages and len(languages) > 1:
        yield f"room {room.id} is of two who insist on a language, and do not share it"


def _band(age: int | None) -> str:
    return "unknown" if age is None else "adult" if age >= 18 else "minor"


def _met_again(rooms: Iterable[Room]) -> Iterator[Finding]:
    last: dict[UUID, Room] = {}
    for room in sorted(rooms, key=lambda one: one.created_at):
        for before in {last[one] for one in room.people if one in last}:
            if before.people == room.people and is_again(before, room):
                yield f"room {room.id} is of two who have just met in {before.id}"
        last.update(dict.fromkeys(room.people, room))


def is_again(before: Room, room: Room) -> bool:
    """Whether a room of the same two was opened too soon after the one before."""
    return before.ended_at is None or room.created_at - before.ended_at < AGAIN


# 5. What leads to what ----------------------------------------------------------------------------------


def personalities_are_right(evidence: Evidence) -> Iterator[Finding]:
    """A ticket leads to one chat session with a personality at most, and to that of its person."""
    of_ticket = Counter(one.ticket for one in evidence.rows.chats)
    chats = {one.id: one for one in evidence.rows.chats}
    for id_, count in of_ticket.items():
        if count > 1:
            yield f"{count} personalities came to ticket {id_}"
    for ticket in evidence.rows.tickets:
        chat = chats.get(ticket.chat) if ticket.chat else None
        if ticket.chat and (chat is None or chat.person != ticket.person or chat.ticket != ticket.id):
            yield f"ticket {ticket.id} has come to the chat session of somebody else"
        if not ticket.chat and of_ticket[ticket.id]:
            yield f"ticket {ticket.id} does not know of its personality"
    known = {one.room for one in evidence.rows.tickets}
    accepted = sum(one.state == "accepted" for one in evidence.rows.questions)
    asked = sum(one.room in known and one.chat is not None and one.room is not None for one in evidence.rows.tickets)
    if not accepted <= asked <= 2 * accepted:
        yield f"{accepted} questions were accepted, and {asked} people have left a personality for a room"


# 6. What servers answer and log ---------------------------------------------------------------------------


def nothing_is_odd(evidence: Evidence) -> Iterator[Finding]:
    """Calls fail only while something is away, and logs hold no traceback."""
    around = AROUND * slowness(evidence.outages)
    for oddity in evidence.oddities:
        if not oddity.is_absence:
            yield f"{oddity.at:%H:%M:%S}: {oddity.what}"
        elif not any(one.since - around < oddity.at < one.until + around for one in evidence.outages):
            yield f"{oddity.at:%H:%M:%S}: {oddity.what}, and nothing was away"
    may_fail = EXPECTED if any(one.what == "redis" for one in evidence.outages) else ()
    for line in (line for log in evidence.logs for line in log.splitlines()):
        if "Traceback" in line and not any(f'"logger": "{name}"' in line for name in may_fail):
            yield f"log: {line[:3000]}"


CHECKS: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    nobody_is_twice,
    nobody_waits,
    nothing_is_lost,
    rooms_are_right,
    personalities_are_right,
    nothing_is_odd,
)
