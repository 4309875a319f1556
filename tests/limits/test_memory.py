"""Moving windows in memory: exact, also for threads at once, and forgetful."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from chatify.limits.memory import FORGOTTEN_AT_ONCE, MemoryWindows
from chatify.limits.windows import Taken, Window

THREADS = 16
TEN = Window("a", 10, 60)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def windows(clock: Clock) -> MemoryWindows:
    return MemoryWindows(clock)


def is_taken(windows: MemoryWindows, *wanted: Window, amount: int = 1) -> bool:
    return windows.take_all(wanted, amount).refused is None


def test_no_more_than_the_limit(windows: MemoryWindows):
    assert [is_taken(windows, TEN) for _ in range(12)] == [True] * 10 + [False] * 2


def test_threads_at_once_get_exactly_the_limit(windows: MemoryWindows):
    barrier = Barrier(THREADS)

    def hit_often(_: int) -> int:
        barrier.wait(10)
        return sum(is_taken(windows, Window("a", 100, 60)) for _ in range(50))

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(hit_often, range(THREADS))) == 100


def test_window_moves(windows: MemoryWindows, clock: Clock):
    two = Window("a", 2, 60)
    assert is_taken(windows, two)
    clock.now += 30
    assert is_taken(windows, two)
    clock.now += 29.9
    assert windows.take_all([two]) == Taken(0, 2, pytest.approx(0.1))
    clock.now += 0.1
    assert windows.take_all([two]) == Taken(None, 2, pytest.approx(30))
    assert not is_taken(windows, two)


def test_answer_tells_how_many_and_how_long(windows: MemoryWindows, clock: Clock):
    assert windows.take_all([TEN]) == Taken(None, 1, 60)
    clock.now += 20
    assert windows.take_all([TEN]) == Taken(None, 2, 40)
    assert windows.take_all([TEN], 0) == Taken(None, 2, 40)
    assert windows.take_all([Window("other", 3, 7)], 0) == Taken(None, 0, 7)


def test_all_windows_are_taken_of_or_none(windows: MemoryWindows):
    one = Window("b", 1, 60)
    assert is_taken(windows, TEN, one)
    assert windows.take_all([TEN, one]) == Taken(1, 1, 60)
    assert windows.take_all([TEN], 0).hits == 1


def test_what_is_given_back_can_be_taken_again(windows: MemoryWindows):
    one = Window("b", 1, 60)
    assert is_taken(windows, TEN, one)
    windows.give_back([TEN, one, Window("unknown", 1, 1)])
    assert windows.take_all([TEN], 0).hits == 0
    assert is_taken(windows, TEN, one)


def test_several_at_once(windows: MemoryWindows):
    assert is_taken(windows, TEN, amount=7)
    assert not is_taken(windows, TEN, amount=4)
    assert is_taken(windows, TEN, amount=3)
    assert not is_taken(windows, Window("b", 2, 60), amount=3)


def test_keys_are_counted_apart_and_cleared_apart(windows: MemoryWindows):
    windows.take_all([TEN, Window("b", 10, 60)])
    windows.clear("a")
    windows.clear("unknown")
    assert [windows.take_all([Window(key, 10, 60)], 0).hits for key in ("a", "b")] == [0, 1]
    assert windows.reset() == 1
    assert len(windows) == 0
    assert is_taken(windows, TEN)


def test_the_library_can_ask_it(windows: MemoryWindows, clock: Clock):
    assert windows.acquire_entry("a", 2, 60)
    clock.now += 10
    assert windows.acquire_entry("a", 2, 60)
    assert not windows.acquire_entry("a", 2, 60)
    assert windows.get_moving_window("a", 2, 60) == (1000, 2)
    assert windows.get_moving_window("b", 2, 60) == (1010, 0)
    assert windows.check()


def test_looking_leaves_nothing_behind(windows: MemoryWindows):
    for number in range(100):
        windows.take_all([Window(str(number), 10, 60)], 0)
        windows.give_back([Window(str(number), 10, 60)])
    windows.take_all([TEN], 11)
    assert len(windows) == 0


def test_keys_whose_windows_are_over_are_forgotten(windows: MemoryWindows, clock: Clock):
    for number in range(1000):
        windows.take_all([Window(str(number), 10, 60)])
    clock.now += 61
    for _ in range(1000 // FORGOTTEN_AT_ONCE):
        windows.take_all([TEN])
        clock.now += 0.01
    assert len(windows) == 1


def test_a_long_window_does_not_keep_the_short_ones(windows: MemoryWindows, clock: Clock):
    windows.take_all([Window("day", 10, 86_400)])
    for number in range(100):
        windows.take_all([Window(str(number), 10, 60)])
    clock.now += 61
    for _ in range(200):
        windows.take_all([TEN])
        clock.now += 1
    assert len(windows) == 2
    assert windows.take_all([Window("day", 10, 86_400)], 0).hits == 1


def test_a_hit_costs_the_same_among_many_keys():
    def seconds(keys: int) -> float:
        windows = MemoryWindows()
        wanted = [[Window(str(number), 10**9, 60)] for number in range(keys)] * (10_000 // keys)
        started = time.process_time()
        for window in wanted:
            windows.take_all(window)
        return time.process_time() - started

    one, many = min(seconds(1) for _ in range(3)), min(seconds(5000) for _ in range(3))
    assert many < 4 * one + 0.02  # it is about 1.5 times; a walk over all keys would be a thousand times
