"""Budgets, in memory and on a real Redis: exact over threads and over processes that share Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from redis import Redis as Client

from chatify.limits.budgets import Budget, Budgets, Left, LimitReached
from tests.services.redis import Redis

THREADS = 16
TWO = Budget("two", 2, 60)


@pytest.fixture(params=["memory", "redis"])
def budgets(request: pytest.FixtureRequest) -> Budgets:
    if request.param == "memory":
        return Budgets()
    return Budgets(request.getfixturevalue("redis_url"))


@pytest.fixture
def redis_url(redis: Redis) -> Iterator[str]:
    """A database of Redis for this test alone."""
    url = redis.url(11)
    yield url
    with Client.from_url(url) as client:
        client.flushdb()


@pytest.fixture
def somebody() -> UUID:
    return uuid4()


def passes(budgets: Budgets, budget: Budget, *of: object) -> bool:
    try:
        budgets.spend(budget, *of)
    except LimitReached:
        return False
    return True


def at_once(*jobs: Callable[[], int]) -> int:
    """Run them in threads that begin together, and add up what they give."""
    barrier = Barrier(len(jobs))

    def run(job: Callable[[], int]) -> int:
        barrier.wait(10)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return sum(pool.map(run, jobs))


def test_what_is_left_counts_down(budgets: Budgets, somebody: UUID):
    left = [budgets.spend(TWO, somebody) for _ in range(2)]
    assert [one and (one.limit, one.remaining) for one in left] == [(2, 1), (2, 0)]
    assert left[0] is not None
    assert left[0].reset_at == pytest.approx(time.time() + 60, abs=3)
    assert budgets.left(TWO, somebody) == Left(2, 0, pytest.approx(left[0].reset_at, abs=1))
    assert budgets.left(TWO, "somebody else") == Left(2, 2, pytest.approx(time.time() + 60, abs=3))


def test_refusal_says_how_long_to_wait(budgets: Budgets, somebody: UUID):
    short = Budget("short", 1, 1, "messages")
    budgets.spend(short, somebody)
    with pytest.raises(LimitReached, match="At most 1 messages per second") as refused:
        budgets.spend(short, somebody)
    assert (refused.value.code, refused.value.status) == ("too_fast", 429)
    assert refused.value.retry_after is not None
    assert 0.1 <= refused.value.retry_after <= 1
    assert (refused.value.left.limit, refused.value.left.remaining) == (1, 0)
    assert refused.value.headers["X-RateLimit-Remaining"] == "0"
    time.sleep(refused.value.retry_after + 0.06)  # the window, and not a wait for something to happen
    assert passes(budgets, short, somebody)


def test_0_is_no_limit(budgets: Budgets):
    for _ in range(100):
        assert budgets.spend(Budget("none", 0, 60), "x") is None
    assert budgets.left(Budget("none", 0, 60), "x") is None
    budgets.give_back((Budget("none", 0, 60), "x"))


def test_budgets_and_owners_are_counted_apart(budgets: Budgets, somebody: UUID):
    assert all(passes(budgets, TWO, somebody, part) for part in ("a", "a", "b", "b"))
    assert not passes(budgets, TWO, somebody, "a")
    assert passes(budgets, Budget("three", 2, 60), somebody, "a")
    assert passes(budgets, TWO, str(somebody) + "a")
    assert passes(budgets, TWO, somebody)


def test_several_budgets_are_spent_together_or_not_at_all(budgets: Budgets, somebody: UUID):
    one, many = Budget("one", 1, 60), Budget("many", 10, 60)
    left = budgets.spend_all((many, somebody), (one, somebody))
    assert left is not None
    assert left.remaining == 9
    with pytest.raises(LimitReached) as refused:
        budgets.spend_all((many, somebody), (one, somebody))
    assert refused.value.left.limit == 1
    assert (left := budgets.left(many, somebody)) is not None
    assert left.remaining == 9


def test_unlimited_ones_among_them_are_passed_over(budgets: Budgets, somebody: UUID):
    none = Budget("none", 0, 60)
    assert budgets.spend_all((none, somebody), (TWO, somebody)) is None
    assert (left := budgets.spend_all((TWO, somebody), (none, somebody))) is not None
    assert left.remaining == 0
    with pytest.raises(LimitReached):
        budgets.spend_all((none, somebody), (TWO, somebody))


def test_what_is_given_back_can_be_spent_again(budgets: Budgets, somebody: UUID):
    budgets.spend(TWO, somebody)
    budgets.spend(TWO, somebody)
    budgets.give_back((TWO, somebody))
    assert [passes(budgets, TWO, somebody) for _ in range(2)] == [True, False]


def test_forgiven_is_as_new(budgets: Budgets, somebody: UUID):
    while passes(budgets, TWO, somebody):
        pass
    budgets.forgive(TWO, somebody)
    assert [passes(budgets, TWO, somebody) for _ in range(3)] == [True, True, False]


def test_threads_at_once_get_exactly_the_limit(budgets: Budgets, somebody: UUID):
    hundred = Budget("hundred", 100, 60)
    jobs = [lambda: sum(passes(budgets, hundred, somebody) for _ in range(20))] * THREADS
    assert at_once(*jobs) == 100


def test_what_is_refused_costs_the_other_budget_nothing(budgets: Budgets, somebody: UUID):
    ten, twenty = Budget("ten", 10, 60), Budget("twenty", 20, 60)

    def try_both() -> int:
        try:
            budgets.spend_all((twenty, somebody), (ten, somebody))
        except LimitReached:
            return 0
        return 1

    assert at_once(*[try_both] * 30) == 10
    assert (left := budgets.left(twenty, somebody)) is not None
    assert left.remaining == 10


def test_two_processes_share_one_budget(redis_url: str, somebody: UUID):
    here, there, ten = Budgets(redis_url), Budgets(redis_url), Budget("ten", 10, 60)
    jobs = [lambda b=budgets: int(passes(b, ten, somebody)) for budgets in (here, there) for _ in range(15)]
    assert at_once(*jobs) == 10


def test_redis_forgets_by_itself_and_holds_no_names(redis_url: str):
    Budgets(redis_url).spend(Budget("sign_in", 5, 60), "ada@example.com", "192.0.2.7")
    with Client.from_url(redis_url) as client:
        (key,) = client.keys()
        assert client.ttl(key) == pytest.approx(60, abs=2)
        assert key.startswith(b"chatify:limits:")
        assert b"sign_in" in key
        assert b"ada" not in key
        assert b"192" not in key


def test_lists_in_redis_grow_no_longer_than_the_limit(redis_url: str, somebody: UUID):
    budgets, short = Budgets(redis_url), Budget("short", 3, 1)
    for _ in range(4):
        while passes(budgets, short, somebody):
            pass
        with Client.from_url(redis_url) as client:
            (key,) = client.keys()
            assert client.llen(key) == 3
        time.sleep(0.4)


def test_redis_behind_a_unix_socket_is_understood(somebody: UUID):
    budgets = Budgets("unix:///nowhere/redis.sock?db=3")
    assert [passes(budgets, TWO, somebody) for _ in range(3)] == [True, True, False]
