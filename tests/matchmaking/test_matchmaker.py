"""The part of a process that looks after the queue: wakes, tells, survives what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError

from chatify.common.errors import Unavailable
from chatify.events.bus import Event
from chatify.matchmaking import timers
from chatify.matchmaking.look import Outlook
from chatify.matchmaking.timers import Matchmaker

TRIES = 4


class Doorbell:
    def __init__(self) -> None:
        self.told: list[set[UUID]] = []

    def tell_tickets(self, ids: set[UUID]) -> None:
        self.told.append(set(ids))


class Stage:
    """A Matchmaker whose looks only count."""

    def __init__(self, look: Callable[[set[UUID]], Outlook]) -> None:
        self.doorbell, self.handlers = Doorbell(), {}
        self.matchmaker = Matchmaker(SimpleNamespace(doorbell=self.doorbell, on=self.handlers.__setitem__))
        self.looks: list[set[UUID]] = []
        self.matchmaker._lookout = SimpleNamespace(look=self.look)
        self._answer = look
        self._looked = asyncio.Event()

    def look(self, ended: set[UUID]) -> Outlook:
        self.looks.append(set(ended))
        self._looked.set()
        return self._answer(ended)

    async def until(self, count: int) -> float:
        """Seconds until so many looks were taken."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with asyncio.timeout(5):
            while len(self.looks) < count:
                self._looked.clear()
                await self._looked.wait()
        return loop.time() - started


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    async def here(function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    monkeypatch.setattr(timers, "in_db_thread", here)

    def run(scene: Callable[[Stage], Any], look: Callable[[set[UUID]], Outlook] = lambda ended: Outlook()) -> Stage:
        async def play() -> Stage:
            stage = Stage(look)
            await stage.matchmaker.start()
            try:
                await scene(stage)
            finally:
                await stage.matchmaker.stop()
            return stage

        return asyncio.run(play())

    return run


def quickest(run: Any, scene: Callable[[Stage], Any], *outlooks: Outlook) -> float:
    """The least seconds of several tries at a scene that tells them: a busy machine is late now and then.

    Each try begins with these outlooks.
    """
    seconds: list[float] = []

    async def timed(stage: Stage) -> None:
        seconds.append(await scene(stage))

    for _ in range(TRIES):
        answers = iter(outlooks)
        run(timed, lambda ended, answers=answers: next(answers, Outlook()))
    return min(seconds)


def test_looks_come_every_quarter_of_a_second_and_earlier_when_somebody_is_due(run: Any) -> None:
    async def second(stage: Stage) -> float:
        await stage.until(1)
        return await stage.until(2)

    assert 0.2 < quickest(run, second) < 0.5
    assert 0.08 < quickest(run, second, Outlook(due_in=0.12)) < 0.2


def test_more_to_do_is_done_at_once(run: Any) -> None:
    async def fourth(stage: Stage) -> float:
        await stage.until(1)
        return await stage.until(4)

    assert quickest(run, fourth, *[Outlook(is_more=True)] * 4) < 0.1


def test_somebody_who_joins_wakes_it_and_others_are_told_together(run: Any) -> None:
    ids = [uuid4(), uuid4()]

    async def scene(stage: Stage) -> float:
        await stage.until(1)
        for id_ in ids:
            stage.matchmaker._heard(Event("match.joined", subject_id=id_))
        seconds = await stage.until(2)
        assert stage.doorbell.told == [set(ids)]
        return seconds

    assert quickest(run, scene) < 0.2


def test_ring_of_another_process_wakes_it(run: Any) -> None:
    async def scene(stage: Stage) -> float:
        await stage.until(1)
        stage.handlers["tickets"]({"ids": [str(uuid4())]})
        seconds = await stage.until(2)
        assert stage.doorbell.told == []
        return seconds

    assert quickest(run, scene) < 0.2


@pytest.mark.parametrize("error", [RuntimeError, OperationalError])
def test_look_that_fails_is_repeated_with_what_it_was_about(
    run: Any, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    ended, calls = uuid4(), iter(range(100))

    def fail_once(ids: set[UUID]) -> Outlook:
        if next(calls) == 1:
            raise error
        return Outlook()

    async def scene(stage: Stage) -> None:
        await stage.until(1)
        stage.matchmaker._heard(Event("session.ended", chat_session_id=ended))
        await stage.until(3)

    assert run(scene, fail_once).looks[:3] == [set(), {ended}, {ended}]
    assert "match_look_failed" in caplog.text


def test_there_is_one_only_while_it_runs(run: Any) -> None:
    async def scene(stage: Stage) -> None:
        assert Matchmaker.current() is stage.matchmaker

    run(scene)
    with pytest.raises(Unavailable):
        Matchmaker.current()
