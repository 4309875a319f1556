"""What everybody in the simulation shares: how large it is, which servers there are, when they were away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.services.server import Server


@dataclass(frozen=True)
class Scale:
    """How large a simulation is. Times in seconds."""

    people: int
    arriving: float
    """They come within about so long."""
    timeout: int
    """MATCH_TIMEOUT_SECONDS."""
    pace: float
    """So long people think before they do something, in the mean."""
    troubles: tuple[str, ...]
    """What is broken, one after the other: the first server, the second one, both, Redis."""
    patient: float
    """The share of those who stay to the end."""
    quiet: float
    """So long nothing is broken between two troubles."""
    seed: int = 5


@dataclass(frozen=True)
class Outage:
    """When something was away. A server that is not ready yet is away, too."""

    what: str
    since: datetime
    until: datetime

    def overlap(self, since: datetime, until: datetime) -> timedelta:
        """How much of a time it was away."""
        return max(min(self.until, until) - max(self.since, since), timedelta(0))


@dataclass
class Told:
    """What one person was told, for the judge."""

    external_id: str
    is_socket: bool
    has_stayed: bool = False
    """They were there until the end, so they have to know where they are."""
    is_gone: bool = False
    """They went on their own, whatever became of their ticket."""
    ticket: dict[str, Any] | None = None
    """The ticket as they were told of it last."""
    acknowledged: set[str] = field(default_factory=set)
    """The tickets that they were told of."""


@dataclass(frozen=True)
class Oddity:
    """Something that a server answered, and that it should not have, unless something was away."""

    at: datetime
    what: str
    is_absence: bool
    """Whether a process or service that is away would explain it."""


class World:
    """One simulation."""

    def __init__(self, scale: Scale, servers: Sequence[Server]) -> None:
        self.scale, self.servers = scale, servers
        self.outages: list[Outage] = []
        self.oddities: list[Oddity] = []
        self.told: list[Told] = []
        self.counts: Counter[str] = Counter()
        self.closing = asyncio.Event()
        """Nobody begins anything new: what is under way comes to its end."""
        self.over = asyncio.Event()

    @contextmanager
    def away(self, *what: str) -> Iterator[None]:
        """Something is away meanwhile."""
        since = now()
        try:
            yield
        finally:
            self.outages += [Outage(one, since, now()) for one in what]

    def odd(self, what: str, *, is_absence: bool = False) -> None:
        """Somebody met with something odd."""
        self.oddities.append(Oddity(now(), what, is_absence))


def now() -> datetime:
    """The time; PostgreSQL has the same clock here."""
    return datetime.now(UTC)


def both_away(outages: Iterable[Outage]) -> list[Outage]:
    """The times in which no server was there."""
    first, second = ([one for one in outages if one.what == f"server {number}"] for number in range(2))
    found = [
        Outage("servers", max(one.since, other.since), min(one.until, other.until)) for one in first for other in second
    ]
    return [one for one in found if one.since < one.until]
