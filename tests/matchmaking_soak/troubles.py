"""What is broken while people look for each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

from tests.matchmaking_soak.world import World
from tests.turns.scenes import RestartableRedis


class Troubles:
    """Breaks one thing after the other, and puts it right again."""

    def __init__(self, world: World, redis: RestartableRedis, starters: Executor) -> None:
        self._world, self._redis, self._starters = world, redis, starters
        self._kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "first": lambda: self._kill(0),
            "second": lambda: self._kill(1),
            "both": lambda: self._kill(0, 1),
            "redis": self._restart_redis,
        }

    async def cause(self) -> None:
        """All that the plan has."""
        for kind in self._world.scale.troubles:
            await asyncio.sleep(self._world.scale.quiet)
            await self._kinds[kind]()
        await asyncio.sleep(self._world.scale.quiet)

    async def _kill(self, *numbers: int) -> None:
        """kill -9, and a new process on the same port."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(*[loop.run_in_executor(self._starters, self._restart, number) for number in numbers])

    def _restart(self, number: int) -> None:
        server = self._world.servers[number]
        with self._world.away(f"server {number}"):
            server.kill()
            server.start()

    async def _restart_redis(self) -> None:
        """It comes back empty."""
        with self._world.away("redis"):
            self._redis.kill()
            await asyncio.sleep(self._world.scale.quiet / 2)
            await asyncio.get_running_loop().run_in_executor(self._starters, self._redis.start_again)
