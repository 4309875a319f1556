"""What a turn costs as a chat session grows: one of ten thousand messages, in this process, without a server between.

Runs as a process of its own, with Chatify's settings in its environment: `python -m benchmarks.memory.marathon` reads
{"messages": 10000} on stdin and writes what it measured as JSON on stdout.
"""

import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import django
import orjson

from benchmarks.memory.counting import count_prompt
from benchmarks.memory.scripts import Exchange, read_conversations

LEAD, PROBE = 25, 32
"""Turns: the same ones go before each measurement and are measured, so that only what lies before them differs."""

LAG = 2
OWNER = "benchmark"


@dataclass
class Point:
    """The turns that were measured from a message on. Times in milliseconds: cold is without Django's cache."""

    message: int
    tokens: list[int] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=lambda: {"warm": [], "cold": []})
    wall: dict[str, list[float]] = field(default_factory=lambda: {"warm": [], "cold": []})

    def as_json(self) -> dict[str, Any]:
        """The medians."""
        times = {
            f"{name}_{cache}_ms": statistics.median(values)
            for name, found in (("cpu", self.cpu), ("wall", self.wall))
            for cache, values in found.items()
        }
        return {"message": self.message, "tokens": statistics.median(self.tokens), **times}


def plan(messages: int) -> tuple[list[Exchange], dict[int, int]]:
    """What is said in so many messages, and the turns at which measuring begins, with the messages before them.

    The texts are those of the conversations, in any order.
    """
    pool = [one for talk in read_conversations() if talk.name not in ("umzug", "ryokou") for one in talk.exchanges]
    chance = random.Random(0)
    chance.shuffle(pool)
    block, rest = pool[: LEAD + PROBE], pool[LEAD + PROBE :]
    marks = [LEAD, *(mark // 2 - PROBE for mark in (1_000, messages) if mark <= messages)]
    said = chance.choices(rest, k=messages // 2)
    for mark in marks:
        said[mark - LEAD : mark + PROBE] = block
    return said, {mark: 2 * mark for mark in marks}


class Runner:
    """One chat session, played through the functions that the server calls for each turn."""

    def __init__(self) -> None:
        from chatify.accounts.models import Tenant
        from chatify.accounts.principal import Principal
        from chatify.accounts.profile import UserInput
        from sessions.actions import start_chat_session

        self._principal = Principal(tenant_id=Tenant.objects.get(slug="demo").id)
        user = UserInput(external_id="marathon", name="Robin")
        self._id = start_chat_session(principal=self._principal, template_slug=None, user=user).id

    def take_turn(self, exchange: Exchange, point: Point | None, *, is_cold: bool) -> None:
        """Accept a message, which builds its context, and end the reply to it. Only the former is measured."""
        from django.core.cache import cache

        if is_cold:
            cache.clear()
        wall, cpu = time.perf_counter(), time.process_time()
        spec = self._accept(exchange.said)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if point is not None:
            kind = "cold" if is_cold else "warm"
            messages = [{"content": message.content} for message in spec.request.messages]
            point.tokens.append(count_prompt(messages))
            point.cpu[kind].append(1000 * cpu)
            point.wall[kind].append(1000 * wall)
        self._finish(spec, exchange.reply)

    def _accept(self, content: str) -> Any:
        from chatify.common.ids import uuid7
        from chatify.turns import ledger

        accepted = ledger.accept(
            principal=self._principal, chat_session_id=self._id, message_id=uuid7(), owner=OWNER, content=content
        )
        assert accepted.reply is not None
        return accepted.reply

    def _finish(self, spec: Any, reply: str) -> None:
        from chatify.llm.types import Usage
        from chatify.turns import ledger
        from chatify.turns.spec import Outcome

        outcome = Outcome("complete", reply, usage=Usage(1000, 20))
        assert ledger.finish(spec=spec, owner=OWNER, outcome=outcome) is not None


def run(messages: int) -> Iterator[Point]:
    """Play it all. Raises RuntimeError when memory has not done what it had to."""
    from benchmarks.memory.worker import digest, prepare

    prepare(budgets=[])
    said, marks = plan(messages)
    runner, point = Runner(), None
    for number, exchange in enumerate(said):
        if number in marks:
            point = Point(marks[number])
        runner.take_turn(exchange, point, is_cold=point is not None and number % 4 == 3)
        if number % LAG == LAG - 1 and digest()["left"]:
            raise RuntimeError("The chat session waits for its summary.")
        if point is not None and len(point.tokens) == PROBE:
            yield point
            point = None


def main() -> None:
    """Read how many, play, write what was measured."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    assignment = orjson.loads(sys.stdin.buffer.read())
    points = [point.as_json() for point in run(**assignment)]
    sys.stdout.buffer.write(orjson.dumps(points))


if __name__ == "__main__":
    main()
