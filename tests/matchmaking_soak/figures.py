"""What came of it, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from tests.matchmaking_soak.judging import Evidence, is_again, overshoot
from tests.matchmaking_soak.rows import Room, Ticket
from tests.matchmaking_soak.world import Outage, World, both_away

STATES = "all there", "a server or Redis away", "no server there"


def table(world: World, evidence: Evidence) -> str:
    """The figures, as lines for people."""
    tickets = evidence.rows.tickets
    served = [one for one in tickets if one.served_at is not None]
    met_first = [one for one in served if one.chat is None]
    alone = [one for one in served if one.chat is not None]
    states = Counter(one.state for one in evidence.rows.questions)
    lines = [
        ("people", f"{len(evidence.told)}, {sum(one.has_stayed for one in evidence.told)} to the end"),
        ("tickets", f"{len(tickets)}: {_counted(Counter(one.status for one in tickets))}"),
        ("rooms", f"{len(evidence.rows.rooms)}"),
        ("personalities", f"{len(evidence.rows.chats)}"),
        ("questions", f"{len(evidence.rows.questions)}: {_counted(states)}"),
        ("broken", _counted(Counter(one.what for one in evidence.outages))),
        ("away, each time (s)", _spread([(one.until - one.since).total_seconds() for one in evidence.outages])),
        ("no server there (s)", f"{_none_there(evidence.outages).total_seconds():.1f}"),
        ("waited for a person (s)", _spread([_wait(one) for one in met_first])),
        ("waited for a personality (s)", _spread([_wait(one) for one in alone])),
        *[(f"overshoot, {state} (ms)", _late(evidence, alone, state)) for state in STATES],
        ("pairs that met again within a minute", str(_met_again(evidence.rows.rooms))),
        ("what people did", _counted(world.counts)),
        ("calls that failed meanwhile", str(sum(one.is_absence for one in evidence.oddities))),
    ]
    return "\n".join(f"{name:40}{value}" for name, value in lines)


def _met_again(rooms: Sequence[Room]) -> int:
    """Two who have both met others in between may meet again."""
    last: dict[frozenset[UUID], Room] = {}
    count = 0
    for room in rooms:
        count += room.people in last and is_again(last[room.people], room)
        last[room.people] = room
    return count


def _none_there(outages: Sequence[Outage]) -> timedelta:
    return sum((one.until - one.since for one in both_away(outages)), timedelta(0))


def _late(evidence: Evidence, tickets: Sequence[Ticket], state: str) -> str:
    """The overshoot of those who were due in this state of the servers."""
    late = [overshoot(one, evidence.ended) for one in tickets if _state_at(one, evidence.outages) == state]
    return _spread([one / timedelta(milliseconds=1) for one in late], digits=0)


def _state_at(ticket: Ticket, outages: Sequence[Outage]) -> str:
    """Which of STATES it was when somebody was due, and a second before."""
    assert ticket.served_at is not None
    since, until = ticket.deadline - timedelta(seconds=1), ticket.served_at
    if any(one.overlap(since, until) for one in both_away(outages)):
        return STATES[2]
    return STATES[1] if any(one.overlap(since, until) for one in outages) else STATES[0]


def _wait(ticket: Ticket) -> float:
    assert ticket.served_at is not None
    return (ticket.served_at - ticket.created_at).total_seconds()


def _spread(values: Sequence[float], digits: int = 2) -> str:
    if not values:
        return "none"
    ordered = sorted(values)
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    found = {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in shares.items()}
    parts = ", ".join(f"{name} {value:.{digits}f}" for name, value in {**found, "max": ordered[-1]}.items())
    return f"{parts} (n={len(ordered)})"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
