"""People who queue over REST, at all servers in turn."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

TICKETS = "/api/v1/match/tickets/"
LANGUAGES = {"en": 6, "de": 3, "pt": 1}
INTERESTS = {"music": 8, "games": 6, "films": 5, "books": 3, "chess": 1, "moths": 1}
AT_ONCE = 40
POLL_SECONDS = 10.0
"""As often as open sockets show that their people are there."""


class Crowd:
    """Their calls, and how long those took."""

    def __init__(self, session: aiohttp.ClientSession, ports: list[int], key: str) -> None:
        self._session, self._key = session, key
        self._urls = [f"http://127.0.0.1:{port}" for port in ports]
        self._doors = asyncio.Semaphore(AT_ONCE)
        self._number = 0
        self.seconds: list[float] = []
        self.failures: Counter[str] = Counter()

    async def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One call; what fails is counted, and gives {}."""
        self._number += 1
        url = self._urls[self._number % len(self._urls)] + path
        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            async with self._doors:
                started = time.monotonic()
                async with self._session.request(method, url, json=body, headers=headers) as answer:
                    answer.raise_for_status()
                    found = await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failures[f"{method}: {error!r:.80}"] += 1
            return {}
        self.seconds.append(time.monotonic() - started)
        return dict(found)

    async def join(self, name: str, preferences: dict[str, Any]) -> dict[str, Any]:
        """Queue."""
        return await self.call("POST", TICKETS, {"user": {"external_id": name, "age": 30}, "preferences": preferences})

    async def stay_alive(self, ticket: dict[str, Any], seconds: float) -> None:
        """Ask where one is, as a client without a socket does it."""
        ends_at = time.monotonic() + seconds
        while ticket and (left := ends_at - time.monotonic()) > 0:
            await asyncio.sleep(min(POLL_SECONDS, left))
            ticket = await self.call("GET", f"{TICKETS}{ticket['id']}/")


@asynccontextmanager
async def open_crowd(ports: list[int], key: str) -> AsyncIterator[Crowd]:
    """For as long as it is needed."""
    connector = aiohttp.TCPConnector(limit=AT_ONCE, keepalive_timeout=2)  # servers hang up after 5 s
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield Crowd(session, ports, key)


async def all_alone(crowd: Crowd, people: int, spread: float, stay: float) -> None:
    """So many people within `spread` seconds, each with an interest of their own that they insist on."""

    async def one(number: int) -> None:
        await asyncio.sleep(spread * number / people)
        ticket = await crowd.join(f"alone-{number}", {"interests": [f"interest {number}"], "strict": ["interests"]})
        await crowd.stay_alive(ticket, stay)

    await asyncio.gather(*map(one, range(people)))


async def random_arrivals(crowd: Crowd, rate: float, seconds: float, stay: float) -> None:
    """So many people per second, at random, of mixed languages and interests."""
    chance, tasks, at, number = random.Random(11), [], 0.0, 0

    async def one(number: int, after: float, preferences: dict[str, Any]) -> None:
        await asyncio.sleep(after)
        ticket = await crowd.join(f"random-{rate:g}-{number}", preferences)
        await crowd.stay_alive(ticket, stay)

    while (at := at + chance.expovariate(rate)) < seconds:
        number += 1
        interests = sorted(set(chance.choices(list(INTERESTS), list(INTERESTS.values()), k=2)))
        language = chance.choices(list(LANGUAGES), list(LANGUAGES.values()))[0]
        tasks.append(one(number, at, {"language": language, "interests": interests}))
    await asyncio.gather(*tasks)
