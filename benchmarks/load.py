"""The load: N people who chat at the same time, and what that cost the servers.

Runs as a process of its own: `python -m benchmarks.load` reads an `Assignment` as JSON on stdin and writes
one JSON object with the findings on stdout.
"""

import asyncio
import random
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvloop

from benchmarks.people import JOIN, Person
from benchmarks.processes import Usage, measure_machine, measure_trees
from benchmarks.sockets import Refused
from benchmarks.turns import Turn

THINK_SECONDS = 1.0
START_SPREAD_SECONDS = 2.0
SETTLE_SECONDS = 1.0
JOIN_AT_ONCE = 10
RSS_EVERY_SECONDS = 0.5


@dataclass(frozen=True)
class Assignment:
    """What to play against which system. `pids` names the process trees to measure, `server` among them."""

    system: str
    port: int
    key: str
    sessions: int
    turns: int
    tokens: int
    model_seconds: float
    pids: dict[str, int]

    @property
    def limit_seconds(self) -> float:
        """When the conversations are cut off, at the latest."""
        return START_SPREAD_SECONDS + 60 + self.turns * (self.model_seconds + 1.5 * THINK_SECONDS)


@dataclass
class Findings:
    """The turns of all people together; times in microseconds."""

    ok: int = 0
    first_token_added: list[int] = field(default_factory=list)
    lags: list[int] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, turn: Turn) -> None:
        """Count a turn that has ended; only a good one has times."""
        if turn.failure:
            self.failures[turn.failure] += 1
            return
        self.ok += 1
        self.first_token_added.append(turn.first_token_added)
        self.lags += turn.lags


async def gather_people(assignment: Assignment, findings: Findings) -> list[Person]:
    """Connect everybody, a few at a time; who is refused has failed all of their turns."""
    run, doors = uuid.uuid4().hex[:12], asyncio.Semaphore(JOIN_AT_ONCE)

    async def join(number: int) -> Person | None:
        async with doors:
            try:
                return await JOIN[assignment.system](assignment.port, assignment.key, f"bench-{run}-{number}")
            except Refused as refusal:
                findings.failures[f"not connected: {refusal}"] += assignment.turns
                return None

    joined = await asyncio.gather(*(join(number) for number in range(assignment.sessions)))
    return [person for person in joined if person]


async def converse(person: Person, seed: int, assignment: Assignment, findings: Findings) -> None:
    """One person's turns, with time to read and think in between. The same seed pauses the same way."""
    chance = random.Random(seed)
    await asyncio.sleep(START_SPREAD_SECONDS * chance.random())
    for number in range(1, assignment.turns + 1):
        if number > 1:
            await asyncio.sleep(THINK_SECONDS * (0.5 + chance.random()))
        findings.add(await person.take_turn(number, assignment.tokens, assignment.model_seconds))


async def converse_all(people: list[Person], assignment: Assignment, findings: Findings) -> None:
    """Let everybody talk until the last turn has ended or the time is up."""
    talks = [asyncio.create_task(converse(one, seed, assignment, findings)) for seed, one in enumerate(people)]
    if not talks:
        return
    done, late = await asyncio.wait(talks, timeout=assignment.limit_seconds)
    for talk in late:
        talk.cancel()
    if late:
        findings.failures["cut off, the round took too long"] += len(late)
    for talk in done:
        talk.result()


async def watch_memory(pids: dict[str, int], peaks: dict[str, float]) -> None:
    """Keep each tree's highest resident memory in `peaks`."""
    while True:
        for name, usage in measure_trees(pids).items():
            peaks[name] = max(peaks[name], usage.rss)
        await asyncio.sleep(RSS_EVERY_SECONDS)


@dataclass(frozen=True)
class Meter:
    """The clocks at one moment: wall, this process, the machine, the process trees."""

    wall: float
    own: float
    machine: float
    trees: dict[str, Usage]

    @classmethod
    def read(cls, pids: dict[str, int]) -> "Meter":
        """Read all of them now."""
        return cls(time.monotonic(), time.process_time(), measure_machine(), measure_trees(pids))


async def play(assignment: Assignment) -> dict[str, Any]:
    """Carry the assignment out."""
    findings, idle = Findings(), measure_trees(assignment.pids)
    people = await gather_people(assignment, findings)
    await asyncio.sleep(SETTLE_SECONDS)
    before = Meter.read(assignment.pids)
    peaks = {name: usage.rss for name, usage in before.trees.items()}
    watcher = asyncio.create_task(watch_memory(assignment.pids, peaks))
    await converse_all(people, assignment, findings)
    after = Meter.read(assignment.pids)
    watcher.cancel()
    for person in people:
        person.end("finished")
    return {
        **describe_turns(assignment, findings, after.wall - before.wall),
        **describe_costs(before, after, assignment.sessions * assignment.turns),
        "rss_idle_mib": {name: round(usage.rss, 1) for name, usage in idle.items()},
        "rss_peak_mib": {name: round(peak, 1) for name, peak in peaks.items()},
    }


def describe_turns(assignment: Assignment, findings: Findings, wall: float) -> dict[str, Any]:
    """How the turns went."""
    turns = assignment.sessions * assignment.turns
    return {
        "system": assignment.system,
        "sessions": assignment.sessions,
        "turns": turns,
        "ok": findings.ok,
        "success_percent": 100 * findings.ok / turns,
        "turns_per_second": round(findings.ok / wall, 1),
        "wall_seconds": round(wall, 2),
        "ttft_added_ms": percentiles(findings.first_token_added),
        "token_lag_ms": percentiles(findings.lags),
        "failures": dict(findings.failures.most_common(5)),
    }


def describe_costs(before: Meter, after: Meter, turns: int) -> dict[str, Any]:
    """CPU between two readings. What no measured tree used, and not this process, was foreign."""
    cpu = {name: usage.cpu - before.trees[name].cpu for name, usage in after.trees.items()}
    own, wall = after.own - before.own, after.wall - before.wall
    foreign = after.machine - before.machine - own - sum(cpu.values())
    return {
        "cpu_seconds": {**{name: round(seconds, 2) for name, seconds in cpu.items()}, "load": round(own, 2)},
        "cpu_per_1000_turns": {name: round(1000 * seconds / turns, 3) for name, seconds in cpu.items()},
        "foreign_cores": round(max(0.0, foreign) / wall, 2),
    }


def percentiles(microseconds: list[int]) -> dict[str, float | None]:
    """p50, p95 and p99 in milliseconds; None of nothing."""
    ordered = sorted(microseconds)
    return {
        f"p{percent}": round(ordered[(len(ordered) - 1) * percent // 100] / 1000, 2) if ordered else None
        for percent in (50, 95, 99)
    }


def main() -> None:
    """Read the assignment, play it, write the findings."""
    assignment = Assignment(**orjson.loads(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(orjson.dumps(uvloop.run(play(assignment))))


if __name__ == "__main__":
    main()
