"""Followers of a process: one round after the other, signs of life in one go, and no task when nobody follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError

from chatify.matchmaking import following
from chatify.matchmaking.following import Following
from chatify.matchmaking.reading import Asked, News
from chatify.matchmaking.telling import Told


class Ear:
    """A follower."""

    ws_base = "ws://x"

    def __init__(self) -> None:
        self.end_user_id, self.heard = uuid4(), list[str]()

    def deliver(self, event: dict[str, Any]) -> None:
        self.heard.append(event["type"])


class Tickets:
    """The database as far as followers look into it. `version` is what everybody's ticket has come to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.version, self.errors, self.beats = 0, list[Exception](), list[set[UUID]]()
        self.owners: dict[UUID, UUID] = {}
        for name in ("find_end_users", "find_moved", "read_news", "heartbeat"):
            monkeypatch.setattr(following, name, getattr(self, name))
        monkeypatch.setattr(following, "in_db_thread", self.run)

    async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop()
        return work(*args, **kwargs)

    def find_end_users(self, ticket_ids: set[UUID]) -> set[UUID]:
        return {self.owners[id_] for id_ in ticket_ids}

    def find_moved(self, asked: set[Asked]) -> set[UUID]:
        return {one.end_user_id for one in asked if one.told is None or one.told.version != self.version}

    def read_news(self, asked: set[Asked]) -> dict[Asked, News]:
        return {one: (self.told(one), [{"type": str(self.version)}]) for one in asked}

    def told(self, one: Asked) -> Told:
        return Told(one.told.ticket_id if one.told else uuid4(), version=self.version)

    def heartbeat(self, *, ticket_ids: set[UUID]) -> None:
        self.beats.append(ticket_ids)


@pytest.fixture
def tickets(monkeypatch: pytest.MonkeyPatch) -> Tickets:
    monkeypatch.setattr(following, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.05)
    return Tickets(monkeypatch)


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_what_rings_is_told_at_once_and_once(tickets: Tickets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "WATCH_SECONDS", 60.0)

    async def main() -> None:
        one, ear, other = Following(), Ear(), Ear()
        told = Told(uuid4(), version=0)
        tickets.owners = {told.ticket_id: ear.end_user_id}
        one.join(ear, told)
        one.join(other, None)
        tickets.version = 1
        one.moved([told.ticket_id])
        await until(lambda: ear.heard)
        assert (ear.heard, other.heard) == (["1"], [])
        one.leave(ear)
        one.leave(other)

    asyncio.run(main())


def test_whoever_waits_for_a_round_goes_on_after_it(tickets: Tickets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "WATCH_SECONDS", 60.0)

    async def main() -> None:
        one, ear = Following(), Ear()
        told = Told(uuid4(), version=0)
        tickets.owners = {told.ticket_id: ear.end_user_id}
        await one.tell(told.ticket_id)  # nobody follows
        one.join(ear, told)
        tickets.version = 1
        await one.tell(told.ticket_id)
        assert ear.heard == ["1"]
        one.leave(ear)

    asyncio.run(main())


@pytest.mark.parametrize("is_begun", [False, True])
def test_round_that_never_ends_holds_nobody(tickets: Tickets, monkeypatch: pytest.MonkeyPatch, is_begun: bool) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(following, "in_db_thread", never)

    async def main() -> None:
        one, ear = Following(), Ear()
        one.join(ear, None)
        waiting = asyncio.create_task(one.tell(uuid4()))
        await asyncio.sleep(0.02 if is_begun else 0)
        one.leave(ear)
        async with asyncio.timeout(5):
            await waiting

    asyncio.run(main())


def test_what_does_not_ring_is_found_by_looking(tickets: Tickets) -> None:
    async def main() -> None:
        one, ear = Following(), Ear()
        one.join(ear, Told(uuid4(), version=0))
        tickets.version = 1
        await until(lambda: ear.heard)
        tickets.version = 2
        await until(lambda: len(ear.heard) > 1)
        assert ear.heard == ["1", "2"]
        one.leave(ear)

    asyncio.run(main())


@pytest.mark.parametrize("error", [OperationalError("away"), RuntimeError("a bug")])
def test_failed_look_is_taken_again(tickets: Tickets, error: Exception) -> None:
    async def main() -> None:
        one, ear = Following(), Ear()
        tickets.errors = [error, error]
        one.join(ear, None)
        await until(lambda: ear.heard)
        one.leave(ear)

    asyncio.run(main())


def test_signs_of_life_go_out_together(tickets: Tickets) -> None:
    async def main() -> None:
        one, ears = Following(), [Ear(), Ear(), Ear()]
        known = [Told(uuid4(), version=0), Told(uuid4(), version=0), Told(uuid4(), version=0, is_closed=True)]
        for ear, told in zip(ears, known, strict=True):
            one.join(ear, told)
        await until(lambda: tickets.beats)
        assert tickets.beats[0] == {told.ticket_id for told in known[:2]}
        for ear in ears:
            one.leave(ear)

    asyncio.run(main())


def test_nobody_who_follows_means_no_task(tickets: Tickets) -> None:
    async def main() -> None:
        one, ear = Following(), Ear()
        before = len(asyncio.all_tasks())
        one.join(ear, None)
        assert len(asyncio.all_tasks()) == before + 2
        one.leave(ear)
        one.leave(ear)
        one.moved([uuid4()])
        await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) == before
        one.join(ear, None)
        await until(lambda: ear.heard)
        one.leave(ear)

    asyncio.run(main())
