"""Hundreds of random arrivals: how long people wait, and that nobody starves. No database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest

from chatify.matchmaking.pairing import Candidate
from chatify.matchmaking.pool import Pool, pair_off
from tests.matchmaking.test_pairing import NOW, TIMEOUT, person

TICK = timedelta(milliseconds=250)
LANGUAGES = {"en": 6, "de": 3, "pt": 1}
INTERESTS = {"music": 8, "games": 6, "films": 5, "books": 3, "chess": 1, "moths": 1}


def arrivals(chance: Random, per_second: float, seconds: int) -> Iterator[Candidate]:
    at, number = 0.0, 0
    while (at := at + chance.expovariate(per_second)) < seconds:
        number += 1
        interests = frozenset(chance.choices(list(INTERESTS), list(INTERESTS.values()), k=2))
        language = chance.choices(list(LANGUAGES), list(LANGUAGES.values()))[0]
        yield replace(person(number, language=language, interests=interests), created_at=NOW + timedelta(seconds=at))


def simulate(per_second: float) -> tuple[list[float], Counter[str]]:
    """The waits of all who met, and how many went to a personality."""
    pool, waits, ends = Pool(), [], Counter[str]()
    coming = list(arrivals(Random(7), per_second, seconds=round(600 / max(1.0, per_second))))
    now = NOW
    while coming or pool.known:
        now += TICK
        while coming and coming[0].created_at <= now:
            pool.put([coming.pop(0)])
        for pair in pair_off(pool, now=now, timeout=TIMEOUT):
            waits += [(now - one.created_at).total_seconds() for one in pair]
            ends["met"] += 2
        for one in [one for one in pool.known.values() if now - one.created_at >= TIMEOUT]:
            pool.drop(one.ticket_id)
            ends["personality"] += 1
    return sorted(waits), ends


@pytest.mark.parametrize(
    ("per_second", "p50", "p99", "longest", "alone"),
    [(0.2, 5, 10.25, 10.25, 0.35), (1, 1.5, 7, 10.25, 0.01), (10, 0.5, 3.5, 6.5, 0.01)],
)
def test_longest_wait_is_bounded(per_second: float, p50: float, p99: float, longest: float, alone: float) -> None:
    """Whoever has waited for six seconds meets the next who comes."""
    waits, ends = simulate(per_second)
    assert waits[len(waits) // 2] <= p50
    assert waits[len(waits) * 99 // 100] <= p99
    assert waits[-1] <= longest
    assert ends["personality"] <= alone * sum(ends.values()) + 1


def test_who_likes_what_nobody_likes_does_not_starve() -> None:
    pool = Pool([replace(person(0, interests=frozenset({"moths"}), language="pt"), created_at=NOW)])
    now, chance, number = NOW, Random(1), 1
    while UUID(int=1000) in pool.known:
        now += TICK
        number += 1
        common = person(number, interests=frozenset({chance.choice(["music", "games"])}), language="en")
        pool.put([replace(common, created_at=now)])
        pair_off(pool, now=now, timeout=TIMEOUT)
    assert now - NOW <= timedelta(seconds=6.5)
