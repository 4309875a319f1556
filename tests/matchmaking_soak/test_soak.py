"""Many people look for each other while servers are killed and Redis is restarted; then a judge looks at all rows."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest

from tests.conftest import MakeServer, _need
from tests.matchmaking_soak.figures import table
from tests.matchmaking_soak.judging import Evidence, judge, people_know
from tests.matchmaking_soak.people import Nature, Person
from tests.matchmaking_soak.rows import read_rows
from tests.matchmaking_soak.troubles import Troubles
from tests.matchmaking_soak.world import Scale, World, now
from tests.turns.scenes import RestartableRedis

SMALL = Scale(people=60, arriving=6, timeout=2, pace=0.3, patient=0.3, troubles=("first", "redis", "second"), quiet=1.2)
PEOPLE = int(os.environ.get("SOAK_PEOPLE", "2000"))
FULL = Scale(
    people=PEOPLE,
    arriving=PEOPLE * 0.4,  # some 40 calls in a second, which two processes on two cores can answer
    timeout=10,
    pace=8,
    patient=0.05,
    troubles=("first", "second", "redis", "first", "both", "second", "first", "both", "second"),
    quiet=PEOPLE * 0.025,
)
SETTLED_SECONDS = 30


@pytest.fixture
def redis_of_its_own() -> Iterator[RestartableRedis]:
    service = _need(RestartableRedis)
    yield service
    service.stop()


@pytest.fixture
def starters() -> Iterator[ThreadPoolExecutor]:
    """Threads that start servers. They last, since a server ends with the thread that has started it."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def soak(
    make_server: MakeServer, redis_of_its_own: RestartableRedis, starters: ThreadPoolExecutor
) -> Callable[[Scale], None]:
    """A whole simulation, and the judgement."""

    def run(scale: Scale) -> None:
        env = {"REDIS_URL": redis_of_its_own.url(), "MATCH_TIMEOUT_SECONDS": str(scale.timeout)}
        first = make_server(grown=True, start=False, **env)
        started = starters.submit(first.start), starters.submit(make_server.beside, first)
        world = World(scale, [one.result() for one in started])
        asyncio.run(simulate(world, Troubles(world, redis_of_its_own, starters)))
        evidence = gather(world)
        print(f"\n{table(world, evidence)}")
        findings = judge(evidence)
        assert not findings, "\n".join(findings)

    return run


async def simulate(world: World, troubles: Troubles) -> None:
    """People come and go while things break; then all comes to rest."""
    scale, rng = world.scale, random.Random(world.scale.seed)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=3)
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
        arrives = 0.0
        for number in range(scale.people):
            arrives += rng.expovariate(scale.people / scale.arriving)
            nature = Nature.draw(rng, number, arrives, scale.patient)
            tasks.create_task(Person(world, http, nature, random.Random(rng.random())).live())
        await asyncio.gather(troubles.cause(), asyncio.sleep(arrives + scale.timeout))
        world.closing.set()
        await settle(world)
        world.over.set()


async def settle(world: World) -> None:
    """Until nobody waits, and all who are there know where they are. It is the judge who complains if that fails."""
    ends_at = asyncio.get_running_loop().time() + world.scale.timeout + SETTLED_SECONDS
    while asyncio.get_running_loop().time() < ends_at:
        await asyncio.sleep(0.25)
        if all(one.has_stayed or one.is_gone for one in world.told) and people_know(
            await asyncio.to_thread(gather, world)
        ):
            return


def gather(world: World) -> Evidence:
    """All that the judge looks at, as it is now."""
    rows = read_rows(world.servers[0].database_url)
    logs = [server.log_text() for server in world.servers]
    return Evidence(rows, world.told, world.outages, world.oddities, logs, now())


def test_small_crowd_while_servers_are_killed(soak: Callable[[Scale], None]) -> None:
    soak(SMALL)


@pytest.mark.soak
def test_crowd_of_2000_while_servers_are_killed(soak: Callable[[Scale], None]) -> None:
    soak(FULL)
