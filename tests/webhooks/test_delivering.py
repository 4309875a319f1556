"""The delivery loop: how many go out at once and whose, and that nothing ends it but a stop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError

from chatify.webhooks import delivering as module
from chatify.webhooks import running as loop
from chatify.webhooks.delivering import AT_ONCE, AT_ONCE_PER_ENDPOINT, Deliverer
from chatify.webhooks.running import IDLE_SECONDS, LOOK_SECONDS, MAX_BACKOFF_SECONDS, STANDBY_SECONDS, Running
from chatify.webhooks.sending import Answer
from tests.webhooks.stage import FAILED, OK


class World:
    """Deliveries in memory, instead of those of a database."""

    def __init__(self) -> None:
        self.due: dict[UUID, list[UUID]] = {}
        self.failing: set[UUID] = set()
        self.settled: list[tuple[UUID, bool]] = []
        self.on_the_way: list[UUID] = []
        self.most: Counter[UUID] = Counter()
        self.hanging: set[UUID] = set()
        self.away = 0
        self.poisoned: set[UUID] = set()
        self.held_up: list[UUID] = []
        self.gate = asyncio.Event()

    def endpoint(self, count: int) -> UUID:
        """Another one, with so many deliveries."""
        made = uuid4()
        self.due[made] = [uuid4() for _ in range(count)]
        return made

    def whose(self, delivery_id: UUID) -> UUID:
        return next(endpoint for endpoint, ids in self.due.items() if delivery_id in ids)

    # As the functions of the module
    def endpoints_with_due(self, *, without: list[UUID]) -> dict[UUID, bool]:
        done = {id_ for id_, _ in self.settled}
        open_ = [one for one, ids in self.due.items() if one not in without and set(ids) - done]
        return {one: one in self.failing for one in open_}

    def due_of(self, endpoint_id: UUID, count: int, *, without: list[UUID]) -> list[UUID]:
        done = {id_ for id_, _ in self.settled}
        return [id_ for id_ in self.due[endpoint_id] if id_ not in done and id_ not in without][:count]

    def prepare(self, delivery_id: UUID) -> Any:
        if delivery_id in self.poisoned:
            raise ZeroDivisionError
        endpoint_id = self.whose(delivery_id)
        delivery = SimpleNamespace(id=delivery_id, endpoint_id=endpoint_id)
        return SimpleNamespace(delivery=delivery, call=delivery_id)

    def settle(self, delivery: Any, answer: Answer) -> str:
        if self.away:
            self.away -= 1
            raise OperationalError("away")
        self.settled.append((delivery.id, answer.is_ok))
        return "delivered"

    def hold_up(self, delivery_id: UUID) -> None:
        self.held_up.append(delivery_id)
        self.settled.append((delivery_id, False))

    async def send(self, delivery_id: Any) -> Answer:
        endpoint_id = self.whose(delivery_id)
        self.on_the_way.append(delivery_id)
        now = Counter(map(self.whose, self.on_the_way))
        self.most |= now
        await (self.gate.wait() if endpoint_id in self.hanging else asyncio.sleep(0.005))
        self.on_the_way.remove(delivery_id)
        return FAILED if endpoint_id in self.failing else OK


Play = Callable[[Callable[[World, Deliverer], Coroutine[Any, Any, None]]], World]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Runs a scene with a deliverer in a world."""
    monkeypatch.setattr(module, "WRITE_AGAIN_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(module.connection, "close", lambda: None)

    async def run(scene: Callable[[World, Deliverer], Coroutine[Any, Any, None]]) -> World:
        world = World()
        monkeypatch.setattr(module, "fan_out", lambda: 0)
        for name in ("endpoints_with_due", "due_of", "prepare", "settle", "hold_up"):
            monkeypatch.setattr(module, name, getattr(world, name))
        with ThreadPoolExecutor(1) as thread:
            sender: Any = world
            deliverer = Deliverer(sender, thread, may_go_on=lambda: True, is_free=lambda: None)
            await scene(world, deliverer)
            world.gate.set()
            await deliverer.finish(5)
        return world

    return lambda scene: asyncio.run(run(scene))


async def work(world: World, deliverer: Deliverer, count: int) -> None:
    """Look again and again, until so many are settled."""
    async with asyncio.timeout(20):
        while len(world.settled) < count:
            await deliverer.look()
            await asyncio.sleep(0.002)


def test_all_are_sent_once_a_few_at_a_time(play: Play) -> None:
    async def scene(world: World, deliverer: Deliverer) -> None:
        for _ in range(3):
            world.endpoint(50)
        await work(world, deliverer, 150)

    world = play(scene)
    assert len({id_ for id_, _ in world.settled}) == len(world.settled) == 150
    assert max(world.most.values()) == AT_ONCE_PER_ENDPOINT


def test_one_that_hangs_takes_its_own_places_only(play: Play) -> None:
    async def scene(world: World, deliverer: Deliverer) -> None:
        slow, _ = world.endpoint(1000), world.endpoint(60)
        world.hanging.add(slow)
        await work(world, deliverer, 60)
        assert Counter(map(world.whose, world.on_the_way)) == {slow: AT_ONCE_PER_ENDPOINT}

    play(scene)


def test_failing_ones_get_one_place(play: Play) -> None:
    async def scene(world: World, deliverer: Deliverer) -> None:
        world.failing.add(world.endpoint(10))
        await work(world, deliverer, 10)

    assert list(play(scene).most.values()) == [1]


def test_no_more_than_all_places_are_taken_and_everybody_gets_some(play: Play) -> None:
    async def scene(world: World, deliverer: Deliverer) -> None:
        for _ in range(80):
            world.hanging.add(world.endpoint(10))
        for _ in range(3):
            await deliverer.look()
        await asyncio.sleep(0.2)  # more would have begun by then
        found = Counter(map(world.whose, world.on_the_way))
        assert (sum(found.values()), len(found)) == (AT_ONCE, 80)

    play(scene)


def test_what_was_sent_is_written_when_the_database_is_back(play: Play) -> None:
    async def scene(world: World, deliverer: Deliverer) -> None:
        world.endpoint(1)
        world.away = 2
        await work(world, deliverer, 1)

    assert len(play(scene).settled) == 1


def test_one_that_cannot_be_made_is_put_off(play: Play) -> None:
    async def scene(world: World, deliverer: Deliverer) -> None:
        world.poisoned.add(world.due[world.endpoint(3)][0])
        await work(world, deliverer, 3)

    world = play(scene)
    assert world.held_up == list(world.poisoned)


def test_end_breaks_off_what_takes_too_long(play: Play) -> None:
    async def scene(world: World, deliverer: Deliverer) -> None:
        world.hanging.add(world.endpoint(1))
        await deliverer.look()
        await asyncio.sleep(0.1)  # it is on its way
        await deliverer.finish(0.1)

    assert play(scene).settled == []


# The loop -----------------------------------------------------------------------------------------
class Script:
    """What looking brings; the last one goes on for ever."""

    def __init__(self, *looks: bool | Exception) -> None:
        self.left, self.is_dropped = list(looks), False

    async def in_thread(self, function: Any, *args: Any) -> Any:
        return function(*args)

    async def look(self) -> bool:
        one = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(one, Exception):
            raise one
        return one

    def drop_queues(self) -> None:
        self.is_dropped = True


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """The pauses after so many looks."""

    def play(script: Any, count: int, *, is_ours: bool = True, is_any: bool = True) -> list[float]:
        running = Running()
        monkeypatch.setattr(loop.known, "was_any", lambda: is_any)
        monkeypatch.setattr(running, "_is_ours", lambda: is_ours)

        async def run() -> list[float]:
            return [await running._step(script) for _ in range(count)]

        return asyncio.run(run())

    return play


def test_pauses(steps: Callable[..., list[float]]) -> None:
    assert steps(Script(False), 1) == [LOOK_SECONDS]
    assert steps(Script(True), 1) == [0.0], "there is more"


def test_who_has_not_the_lease_stands_by(steps: Callable[..., list[float]]) -> None:
    script = Script(False)
    assert steps(script, 1, is_ours=False) == [STANDBY_SECONDS]
    assert script.is_dropped


def test_without_endpoints_it_looks_seldom(steps: Callable[..., list[float]]) -> None:
    assert steps(Script(False), 3, is_any=False) == [LOOK_SECONDS, IDLE_SECONDS, IDLE_SECONDS]


@pytest.mark.parametrize("error", [OperationalError("gone"), ZeroDivisionError()])
def test_nothing_ends_it(steps: Callable[..., list[float]], error: Exception) -> None:
    pauses = steps(Script(*[error] * 7, False), 8)
    assert pauses == [1, 2, 4, 8, 16, MAX_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS, LOOK_SECONDS]
