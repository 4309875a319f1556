"""Who may meet whom, and the pool: no pair breaks a rule, nobody who could be paired is left, the oldest goes first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatify.matchmaking import pool as pool_module
from chatify.matchmaking.pairing import Candidate, Stage, fit, may_meet, stage_of
from chatify.matchmaking.pool import Pool, pair_off, pair_up

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TIMEOUT = timedelta(seconds=10)
TENANT = UUID(int=1)


def person(number: int, **fields: object) -> Candidate:
    """Number 0 has waited for longest, as far as nothing else is said."""
    found: dict[str, object] = {
        "ticket_id": UUID(int=1000 + number),
        "version": 0,
        "tenant_id": TENANT,
        "end_user_id": UUID(int=2000 + number),
        "band": "adult",
        "language": "",
        "interests": frozenset(),
        "is_language_strict": False,
        "is_interests_strict": False,
        "created_at": NOW - timedelta(seconds=9) + timedelta(milliseconds=number),
    }
    return Candidate(**{**found, **fields})


@st.composite
def people(draw: st.DrawFn) -> list[Candidate]:
    found = []
    for number in range(draw(st.integers(0, 14))):
        language = draw(st.sampled_from(["", "en", "de"]))
        interests = draw(st.frozensets(st.sampled_from("abc"), max_size=2))
        avoided = draw(st.none() | st.integers(0, 13))
        found.append(
            person(
                number,
                tenant_id=UUID(int=draw(st.integers(1, 2))),
                band=draw(st.sampled_from(["adult", "adult", "minor", "unknown"])),
                language=language,
                interests=interests,
                is_language_strict=bool(language) and draw(st.booleans()),
                is_interests_strict=bool(interests) and draw(st.booleans()),
                created_at=NOW - timedelta(seconds=draw(st.integers(0, 14))),
                avoid_user_id=None if avoided is None else UUID(int=2000 + avoided),
                avoid_until=NOW + timedelta(seconds=draw(st.integers(-1, 1))),
            )
        )
    return found


def stage_between(one: Candidate, other: Candidate) -> Stage:
    return stage_of(NOW - min(one.created_at, other.created_at), TIMEOUT)


def is_allowed(one: Candidate, other: Candidate, banned: set[frozenset[UUID]]) -> bool:
    blocked = frozenset((one.end_user_id, other.end_user_id)) in banned
    return not blocked and may_meet(one, other, stage_between(one, other), NOW)


bans = st.sets(st.frozensets(st.integers(0, 13).map(lambda n: UUID(int=2000 + n)), min_size=2, max_size=2), max_size=4)


@settings(max_examples=300, deadline=None)
@given(people(), bans)
def test_no_pair_breaks_a_rule_and_nobody_is_left_who_could_be_paired(
    crowd: list[Candidate], banned: set[frozenset[UUID]]
) -> None:
    pool = Pool(crowd)
    pairs = pair_off(pool, now=NOW, timeout=TIMEOUT, banned=banned)
    for one, other in pairs:
        assert is_allowed(one, other, banned)
        assert one.rank < other.rank
    paired = [one.ticket_id for pair in pairs for one in pair]
    assert len(paired) == len(set(paired))
    left = [one for one in crowd if one.ticket_id not in paired]
    assert set(pool.known) == {one.ticket_id for one in left}
    assert not any(is_allowed(one, other, banned) for one, other in combinations(left, 2))


@settings(max_examples=300, deadline=None)
@given(people(), bans)
def test_pool_finds_what_comparing_all_finds(crowd: list[Candidate], banned: set[frozenset[UUID]]) -> None:
    """Each in their turn gets who suits them best of those who are left, by brute force, too."""
    left = sorted(crowd, key=lambda one: one.rank)
    expected = []
    while left:
        chooser = left.pop(0)
        possible = [one for one in left if is_allowed(chooser, one, banned)]
        if possible:
            best = min(possible, key=lambda one: (-fit(chooser, one), one.rank))
            left.remove(best)
            expected.append((chooser, best))
    assert pair_off(Pool(crowd), now=NOW, timeout=TIMEOUT, banned=banned) == expected


@settings(max_examples=100, deadline=None)
@given(people(), st.randoms(use_true_random=False))
def test_order_in_which_people_become_known_makes_no_difference(crowd: list[Candidate], chance: object) -> None:
    expected = pair_off(Pool(crowd), now=NOW, timeout=TIMEOUT)
    pool, shuffled = Pool(), list(crowd)
    chance.shuffle(shuffled)
    for one in shuffled:
        pool.put([one])
        pool.put([one])
    assert pair_off(pool, now=NOW, timeout=TIMEOUT) == expected


@settings(max_examples=100, deadline=None)
@given(people(), people(), bans)
def test_who_waits_finds_who_talks(
    choosers: list[Candidate], talking: list[Candidate], banned: set[frozenset[UUID]]
) -> None:
    others = [person(50 + n, **{f: getattr(one, f) for f in ("band", "language", "interests")}) for n, one in
              enumerate(talking)]  # fmt: skip
    pairs = pair_up(choosers, Pool(others), now=NOW, banned=banned)
    assert len({other.ticket_id for _, other in pairs}) == len(pairs)
    for chooser, other in pairs:
        assert may_meet(chooser, other, Stage.ANYBODY, NOW)
    found = {chooser.ticket_id for chooser, _ in pairs}
    free = [one for one in others if one not in [other for _, other in pairs]]
    for chooser in choosers:
        is_alone = not any(may_meet(chooser, one, Stage.ANYBODY, NOW) for one in free)
        assert chooser.ticket_id in found or is_alone


def test_empty_shelves_do_not_stay() -> None:
    pool = Pool([person(n, interests=frozenset(f"{n}x")) for n in range(5)])
    for id_ in list(pool.known):
        pool.drop(id_)
        pool.drop(id_)
    assert not pool._bands


@pytest.mark.parametrize(
    ("waited", "stage"),
    [(0, 1), (2.99, 1), (3, 2), (5.99, 2), (6, 3), (60, 3)],
)
def test_stages_widen_with_time(waited: float, stage: int) -> None:
    assert stage_of(timedelta(seconds=waited), TIMEOUT) == stage


@pytest.mark.parametrize(
    ("one", "other", "stages"),
    [
        ({}, {}, "123"),
        ({"language": "en"}, {"language": "en"}, "123"),
        ({"language": "en"}, {}, "123"),
        ({"language": "en"}, {"language": "de"}, "3"),
        ({"language": "en", "is_language_strict": True}, {"language": "de"}, ""),
        ({"language": "en", "is_language_strict": True}, {}, "123"),
        ({"interests": frozenset("a")}, {"interests": frozenset("ab")}, "123"),
        ({"interests": frozenset("a")}, {"interests": frozenset("b")}, "23"),
        ({"interests": frozenset("a")}, {}, "123"),
        ({"interests": frozenset("a"), "is_interests_strict": True}, {"interests": frozenset("b")}, ""),
        ({"interests": frozenset("a"), "language": "en"}, {"interests": frozenset("b"), "language": "de"}, "3"),
        ({"band": "minor"}, {}, ""),
        ({"band": "unknown"}, {"band": "minor"}, ""),
        ({"tenant_id": UUID(int=2)}, {}, ""),
        ({"end_user_id": UUID(int=2001)}, {}, ""),
        ({"avoid_user_id": UUID(int=2001), "avoid_until": NOW + timedelta(seconds=1)}, {}, ""),
        ({"avoid_user_id": UUID(int=2001), "avoid_until": NOW}, {}, "123"),
        ({"avoid_user_id": UUID(int=2009), "avoid_until": NOW + timedelta(seconds=1)}, {}, "123"),
    ],
)
def test_who_agrees_at_which_stage(one: dict[str, object], other: dict[str, object], stages: str) -> None:
    first, second = person(0, **one), person(1, **other)
    found = "".join(str(int(stage)) for stage in Stage if may_meet(first, second, stage, NOW))
    assert found == stages
    assert [may_meet(second, first, stage, NOW) for stage in Stage] == [
        may_meet(first, second, stage, NOW) for stage in Stage
    ]


def test_best_is_who_shares_most_then_who_has_waited_for_longest() -> None:
    chooser = person(0, language="en", interests=frozenset("abc"))
    crowd = [
        person(1, language="de", interests=frozenset("ab")),
        person(2, language="en", interests=frozenset("ab")),
        person(3, language="en", interests=frozenset("ab")),
        person(4, language="en"),
    ]
    pool = Pool(crowd)
    found = []
    while best := pool.best_for(chooser, Stage.ANYBODY, NOW):
        found.append(crowd.index(best))
        pool.drop(best.ticket_id)
    assert found == [1, 2, 0, 3]


def strict_about(number: int, *, shared: bool) -> Candidate:
    interests = frozenset({"music"} if shared else ())
    return person(number, language=f"x{number}", is_language_strict=True, interests=interests)


@pytest.mark.parametrize(
    ("crowd", "pairs", "most"),
    [
        ([strict_about(n, shared=False) for n in range(2000)], 0, 2),
        ([strict_about(n, shared=True) for n in range(2000)], 0, 4),
        ([person(n, language="en", interests=frozenset({"music"})) for n in range(2000)], 1000, 200),
        ([person(n, language=f"x{n}") for n in range(2000)], 1000, 10),
    ],
)
def test_each_is_compared_with_few(
    crowd: list[Candidate], pairs: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = 0

    def count(*given: object) -> bool:
        nonlocal compared
        compared += 1
        return may_meet(*given)

    monkeypatch.setattr(pool_module, "may_meet", count)
    assert len(pair_off(Pool(crowd), now=NOW, timeout=TIMEOUT)) == pairs
    assert compared < most * len(crowd)


def test_thousand_people_who_cannot_meet_are_looked_at_quickly() -> None:
    crowd = [person(n, interests=frozenset({f"i{n}"}), is_interests_strict=True) for n in range(2000)]
    compared = 0
    real = Candidate.avoids

    def count(one: Candidate, other: Candidate, now: datetime) -> bool:
        nonlocal compared
        compared += 1
        return real(one, other, now)

    Candidate.avoids = count
    try:
        assert pair_off(Pool(crowd), now=NOW, timeout=TIMEOUT) == []
    finally:
        Candidate.avoids = real
    assert compared < 3 * len(crowd)
